#!/bin/bash
# Builds the program and runs a configuration on this machine; Ctrl-C and SIGTERM leave a run that --resume continues.
#   jobs/local.sh [-n RANKS] [-t THREADS] CONFIG [argument of uwc run]...
# RANKS (default 3): rank 0 coordinates, the others work; 1 is the whole run in one process. THREADS: of each rank, over the configuration.
# Without -o in the arguments the result goes to a fresh folder runs/<name of the configuration>-<number>. Paths in the arguments count from the
# folder where the command is typed.
set -eu
here=$(pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
usage() {
    echo "usage: jobs/local.sh [-n RANKS] [-t THREADS] CONFIG [argument of uwc run]..." >&2
    exit 2
}
ranks=3
threads=
while [ "${1:-}" = -n ] || [ "${1:-}" = -t ]; do
    case ${2:-} in '' | *[!0-9]* | 0) usage ;; esac
    if [ "$1" = -n ]; then ranks=$2; else threads=$2; fi
    shift 2
done
case ${1:-} in '' | -*) usage ;; esac
config=$1
shift
output=
for argument in "$@"; do
    case $argument in -o | -o?* | --output | --output=*) output=given ;; esac
done

cd "$root"
jobs/setup.sh --program
. jobs/batch.sh
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
mkdir -p build
{ cmake --preset release -DUWC_TESTS=OFF && cmake --build --preset release; } >build/release.log 2>&1 || {
    tail -n 30 build/release.log >&2
    echo "jobs/local.sh: the build failed (build/release.log)" >&2
    exit 1
}
if [ -z "${UWC_ASSETS:-}" ] && [ -d ../shared ]; then # the configurations name real models through it
    UWC_ASSETS=$(cd ../shared && pwd)
    export UWC_ASSETS
fi
cd "$here"
if [ -z "$output" ]; then
    name=$(basename "$config" .yaml)
    number=1
    while ! mkdir -p runs || ! mkdir "runs/$name-$number" 2>/dev/null; do
        number=$((number + 1))
        [ "$number" -le 9999 ] || { echo "jobs/local.sh: no folder can be made in $here/runs" >&2 && exit 2; }
    done
    set -- -o "runs/$name-$number" "$@"
fi
apart=(setsid) # Ctrl-C goes to this script and not to mpirun, which would kill the ranks
trap batch_stop INT TERM
batch_run "$ranks" "$threads" run "$config" "$@"
exit "$status"
