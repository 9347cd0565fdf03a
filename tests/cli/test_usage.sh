#!/bin/sh
# Bad usage: status 2, one line on stderr, nothing on stdout.
. "$(dirname "$0")/lib.sh"
refuse "no command"
refuse "unknown command rum" rum
refuse "unknown option -x" -x
refuse "unknown option --versions" --versions
refuse "no help on \"rum\"" help rum
refuse "takes one" help run plan
for command in run plan capture solve assemble evaluate sweep inspect pack report; do
    refuse "\`uwc $command\` needs" $command
    refuse "unknown option --bogus" $command --bogus x
    refuse "unknown option -z" $command -z
    refuse "not \"second\" too" $command first second
    refuse "not an empty word" $command ""
done
refuse "--set needs a value" run x.yaml --set
refuse "--set needs a value" run x.yaml --set=
refuse "--output needs a value" run x.yaml -o
refuse "--output needs a value" run x.yaml -o ""
refuse "--output is given twice" run x.yaml -o a -o b
refuse "--resume is given twice" run x.yaml --resume -r
refuse "--resume takes no value" run x.yaml --resume=yes
refuse "exclude each other" run x.yaml -q -v
refuse "has no option --resume" inspect x.onnx --resume
refuse "has no option --data" run x.yaml --data y
refuse "has no option --set" solve x --set run.threads=2
refuse "needs --output" pack x
refuse "has no option --json" report x --json
refuse "needs --data" evaluate x.onnx
refuse "x.yaml" run x.yaml
refuse "x.yaml" sweep x.yaml
refuse "x.onnx" inspect x.onnx
refuse "no such folder" report x
mkdir folder
refuse "neither metrics.json nor sweep.json" report folder
refuse "no plan.json" inspect folder
refuse "folder" run folder
many=
for i in 1 2 3 4 5 6 7 8 9 10; do many="$many --set a --set a --set a --set a --set a --set a --set a --set a --set a --set a --set a --set a --set a"; done
# shellcheck disable=SC2086 # words
refuse "more than 128 times --set" run x.yaml $many
finish
