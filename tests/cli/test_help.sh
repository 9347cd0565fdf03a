#!/bin/sh
# Help, version, the page of options, the manual page: all say the same.
. "$(dirname "$0")/lib.sh"
expect 0 "$program" --version
says "uwc $(sed -n 's/.*UWC_VERSION "\(.*\)".*/\1/p' "$root/include/uwc/version.h")"
expect 0 "$program" help
cp "$scratch/out" overview
expect 0 "$program" --help
cmp -s overview "$scratch/out" || complain "--help differs from help"
for command in run plan capture solve assemble evaluate sweep inspect pack report help; do
    grep -q "^  uwc $command " overview || complain "$command is missing in help"
    expect 0 "$program" help $command
    cp "$scratch/out" page
    expect 0 "$program" $command --help
    cmp -s page "$scratch/out" || complain "help $command differs from $command --help"
    grep -q "^\.B uwc $command" "$root/docs/uwc.1" || complain "$command is missing in docs/uwc.1"
    sed -n 's/^  ... --\([a-z]*\).*/\1/p' page >>flags
done
sort -u flags | while read -r flag; do
    grep -qF -- "\\-\\-$flag" "$root/docs/uwc.1" || { echo "--$flag is missing in docs/uwc.1" && exit 1; }
done || failed=1
[ "$(sort -u flags | wc -l)" -ge 10 ] || complain "flags were not found in the help"
expect 0 "$program" help options
says quantize.weight_bits
expect 0 "$program" help options.md
cmp -s "$root/docs/options.md" "$scratch/out" || complain "docs/options.md is old: uwc help options.md >docs/options.md"
grep -c '^| `' "$scratch/out" >rows
[ "$(cat rows)" -ge 25 ] || complain "only $(cat rows) options"
expect 0 "$program" help operators.md
cmp -s "$root/docs/operators.md" "$scratch/out" || complain "docs/operators.md is old: uwc help operators.md >docs/operators.md"
grep -c '^| `' "$scratch/out" >rows
[ "$(cat rows)" -ge 70 ] || complain "only $(cat rows) operators"
if [ -w /dev/full ]; then
    for words in --version help "help options"; do
        # shellcheck disable=SC2086 # words
        status=0 && "$program" $words >/dev/full 2>"$scratch/err" || status=$?
        words="uwc $words >/dev/full"
        : >"$scratch/out"
        [ "$status" = 2 ] || complain "status $status, wanted 2"
    done
fi
finish
