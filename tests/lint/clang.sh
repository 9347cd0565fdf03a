#!/bin/sh
# clang has no warning where gcc has none: the compile commands of a build tree again, syntax only. Skipped (77) where clang is not installed.
# Usage: clang.sh BUILD-TREE
set -eu
command -v clang >/dev/null || { echo "clang is not installed" && exit 77; }
cd "$1"
commands=$(ninja -t commands | grep -E ' -c [^ ]*/(src|tests)/[^ ]*\.c$')
[ -n "$commands" ]
# clang of Debian comes without an OpenMP runtime; the pragmas are gcc's to check.
echo "$commands" |
    sed -E 's/^[^ ]+ /clang -fsyntax-only -Wno-unknown-warning-option /; s/ -o [^ ]+//; s/ -M[FT] [^ ]+//g; s/ -MD//; s/ -fopenmp/ -Wno-unknown-pragmas/g' |
    tr '\n' '\0' | xargs -0 -n 1 -P "$(nproc)" sh -c
