#!/bin/sh
# shellcheck finds nothing in the scripts that users and batch systems run, and in the tests of those. Skipped (77) where it is not installed.
set -eu
cd "${1:-$(dirname "$0")/../..}"
command -v shellcheck >/dev/null || { echo "shellcheck is not installed" && exit 77; }
# SC2154, SC2034: the tests of clusters share names through their lib.sh.
find jobs -name '*.sh' -o -name '*.sbatch' -o -name '*.pbs' | xargs shellcheck -x
find tests -path 'tests/cluster/*.sh' | xargs -r shellcheck -x -P tests/cluster -e SC2154,SC2034
