#!/bin/sh
# Builds and runs the tests: warnings are errors, quick tests, unit tests under the sanitizers.
#   jobs/test.sh [--full]
# --full: also the tests of clusters, and the long tests on real models and images, found through UWC_ASSETS (default ../shared); it fails where
# those are missing.
set -eu
cd "$(dirname "$0")/.."
full=
case ${1:-} in
'') ;;
--full) full=1 ;;
*) echo "usage: jobs/test.sh [--full]" >&2 && exit 2 ;;
esac

began=$(date +%s)
step=setup
closing() {
    status=$?
    [ "$status" = 0 ] || echo "jobs/test.sh: FAILED at: $step (status $status, $(($(date +%s) - began)) s)" >&2
}
trap closing EXIT
begin() {
    step=$1
    echo "== $step ($(($(date +%s) - began)) s)"
}

jobs/setup.sh ${full:+--check}
. jobs/env.sh
export CMAKE_BUILD_PARALLEL_LEVEL="${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}"
export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-$(nproc)}"
export CTEST_PROGRESS_OUTPUT=1

# build PRESET CMAKE-ARGUMENT...
build() {
    preset=$1
    begin "build $preset"
    cmake --preset "$@" >"build/$preset.log" || { cat "build/$preset.log" && return 1; }
    cmake --build --preset "$preset"
}
# check PRESET CTEST-ARGUMENT...
check() {
    begin "test $*"
    ctest --preset "$@" --no-tests=error
}

mkdir -p build
if [ "$full" ]; then
    assets=${UWC_ASSETS:-../shared}
    step="real models and images in $assets"
    assets=$(cd "$assets/models" && cd .. && pwd)
    export UWC_ASSETS="$assets"
fi
build dev
check dev -LE cluster
build asan
check asan -L unit
if [ "$full" ]; then
    begin "Python for the checks"
    UWC_CHECK_PYTHON=$(jobs/check_env.sh)
    export UWC_CHECK_PYTHON
    build release -DUWC_TESTS=ON -DUWC_ASSETS="$assets" -DUWC_ZOO_PYTHON="$UWC_CHECK_PYTHON"
    check release -L 'long|cluster'
fi
echo "jobs/test.sh: all tests passed (${full:+full, }$(($(date +%s) - began)) s)"
