#!/bin/sh
# clang-format agrees with every C file. Skipped (77) where the version is not 14: others break lines elsewhere.
#   format.sh [ROOT]     check       format.sh --mend [ROOT]     format in place
set -eu
mend=
[ "${1:-}" = --mend ] && mend=1 && shift
cd "${1:-$(dirname "$0")/../..}"
for tool in clang-format-14 clang-format ''; do
    "$tool" --version 2>/dev/null | grep -q 'version 14\.' && break
done
[ "$tool" ] || { echo "clang-format 14 is not installed" && exit 77; }
status=0
for file in $(find src include tests -name '*.[ch]' | LC_ALL=C sort); do
    if [ "$mend" ]; then
        "$tool" -i "$file"
    elif ! "$tool" "$file" | cmp -s - "$file"; then
        echo "$file is not formatted (tests/lint/format.sh --mend)"
        status=1
    fi
done
exit "$status"
