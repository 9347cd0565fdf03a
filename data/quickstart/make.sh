#!/bin/sh
# Makes the files of this folder again: pictures and trained weights. Takes some minutes; the bytes of the pictures are those of the repository, the
# weights are the same at any number of threads on processors with the same instruction set. Usage: make.sh [FOLDER], default this folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$here}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$root"
cmake --preset release
cmake --build --preset release --target uwc_draw uwc_train
tools=$root/build/release/data/quickstart
"$tools/uwc_draw" calibration 512 "$out/calibration.h5"
"$tools/uwc_draw" test 1500 "$out/test.h5"
"$tools/uwc_train" "$out/model.onnx"
