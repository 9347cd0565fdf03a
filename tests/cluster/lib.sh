# Sourced by the tests of this folder with ROOT PROGRAM SCRATCH as arguments: a run to compare with, and waiting with an end.
# shellcheck shell=bash
set -eu
root=$1
program=$2
scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
. "$root/jobs/env.sh"

skip() {
    echo "skipped: $*"
    exit 77
}

say() {
    echo "== $* (${SECONDS} s)"
}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# within SECONDS WHAT COMMAND...: repeats the command until it succeeds.
within() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "too late: $what"
        sleep 0.1
    done
}

# solved_some DIR: the run has journalled a unit, and is not through yet.
solved_some() {
    grep -q '"event": "unit"' "$1/journal.jsonl" 2>/dev/null
}

# same_bytes DIR DIR WHAT: all units and the model.
same_bytes() {
    local file
    for file in "$1"/units/*.h5 "$1/model.onnx"; do
        cmp "$file" "$2/${file#"$1"/}" || fail "$3: ${file#"$1"/} differs"
    done
}

# The network of the quickstart in few images, units one after the other: a few seconds of solve.
config=$scratch/small.yaml
cat >"$config" <<END
model: $root/data/quickstart/model.onnx
data:
  calibration: $root/data/quickstart/calibration.h5
  evaluation: $root/data/quickstart/test.h5
  samples: 128
  preprocess: {scale: 0.00392156862745098, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}
quantize: {weight_bits: 3, activation_bits: 4}
reconstruct: {input: prefix}
END
