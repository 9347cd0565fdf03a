#!/bin/sh
# Every relative link of the documentation leads to a file. Usage: test_links.sh ROOT
set -eu
cd "$1"
status=0
for page in *.md $(find docs -name '*.md'); do
    folder=$(dirname "$page")
    for link in $(grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | grep -v '^[a-z]*:'); do
        [ -e "$folder/$link" ] || {
            echo "$page: $link does not exist"
            status=1
        }
    done
done
exit "$status"
