#!/bin/sh
# Runs the commands that the documentation shows: every block that opens with ```sh run in README.md, CONTRIBUTING.md and docs/. Each page starts
# in a fresh folder with the project's configurations and data, and `uwc` on the path. Usage: test_docs.sh ROOT PROGRAM SCRATCH
set -eu
root=$1
program=$2
scratch=$3
. "$root/jobs/env.sh"
rm -rf "$scratch"
mkdir -p "$scratch/bin"
ln -s "$program" "$scratch/bin/uwc"
export PATH="$scratch/bin:$PATH"
pages=0
for page in README.md CONTRIBUTING.md $(cd "$root" && find docs -name '*.md' | LC_ALL=C sort); do
    commands=$(sed -n '/^```sh run$/,/^```$/{/^```/!p;}' "$root/$page")
    [ -n "$commands" ] || continue
    pages=$((pages + 1))
    folder=$scratch/page$pages
    mkdir "$folder"
    for part in configs data jobs; do
        ln -s "$root/$part" "$folder/$part"
    done
    echo "== $page"
    (cd "$folder" && echo "$commands" | sh -eux) </dev/null || {
        echo "test_docs.sh: a command shown in $page fails" >&2
        exit 1
    }
done
[ "$pages" -gt 0 ] || { echo "test_docs.sh: no page has commands to run" >&2 && exit 1; }
