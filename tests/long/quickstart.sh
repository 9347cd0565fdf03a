#!/bin/sh
# A copy of the project without anything built: jobs/quickstart.sh gives a quantized network, twice the same one. Usage: quickstart.sh SCRATCH
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$1
rm -rf "$scratch"
mkdir -p "$scratch"
tar -C "$root" --exclude=./build --exclude=./.git --exclude='./run*' -cf - . | tar -C "$scratch" -xf -
cd "$scratch"
jobs/quickstart.sh </dev/null
jobs/quickstart.sh </dev/null
for file in model.onnx metrics.json units; do
    [ -e "runs/quickstart-1/$file" ] || { echo "quickstart.sh: runs/quickstart-1/$file is missing" >&2 && exit 1; }
done
cmp runs/quickstart-1/model.onnx runs/quickstart-2/model.onnx
