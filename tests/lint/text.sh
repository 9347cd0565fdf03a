#!/bin/sh
# Files of one noun each (at most 450 lines), no promises in place of code, MPI_COMM_WORLD in src/par alone.
set -eu
cd "${1:-$(dirname "$0")/../..}"
status=0
report() {
    [ -z "$2" ] || {
        printf '%s:\n%s\n' "$1" "$2"
        status=1
    }
}
files=$(find src include -name '*.[ch]')
report "more than 450 lines" "$(echo "$files" | xargs wc -l | awk '$2 != "total" && $1 > 450')"
report "unfinished" "$(grep -rnswE 'TO[D]O|FIX[M]E|X[X]X' src include jobs tests configs docs ./*.md --include='*.[ch]' --include='*.sh' --include='*.md' \
    --include='*.yaml' --include='*.py' --include='*.cmake' --include='CMakeLists.txt' || true)"
report "MPI_COMM_WORLD outside src/par" "$(echo "$files" | grep -v '^src/par/' | xargs grep -n MPI_COMM_WORLD || true)"
exit "$status"
