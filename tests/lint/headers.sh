#!/bin/sh
# Every public header compiles alone, as C11 and as C++11, without a warning and without third-party headers.
set -eu
cd "${1:-$(dirname "$0")/../..}"
status=0
for header in include/uwc/*.h; do
    name=uwc/$(basename "$header")
    for language in "${CC:-cc} -x c -std=c11" "${CXX:-c++} -x c++ -std=c++11"; do
        # shellcheck disable=SC2086 # compiler and options
        printf '#include <%s>\n#include <%s>\nextern int uwc_lint;\n' "$name" "$name" |
            $language -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Iinclude - || {
            echo "$name does not compile alone ($language)"
            status=1
        }
    done
done
exit "$status"
