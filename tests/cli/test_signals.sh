#!/bin/sh
# SIGTERM and SIGINT: status 3, one line, and --resume ends in the bytes of an undisturbed run.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
# configure FILE METHOD
configure() {
    cat >"$1" <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, samples: 256, preprocess: {mean: 0.5, std: 0.25}}
reconstruct: {method: $2, iterations: 60, adapt: {steps: 60}}
END
}
# cut SIGNAL METHOD: a run that is stopped while it solves, then resumed
cut() {
    configure c.yaml "$2"
    out=cut_$1_$2
    words="kill -$1 of uwc run, $2"
    [ -d "whole_$2" ] || expect 0 "$program" run c.yaml -o "whole_$2" -q
    # a shell starts background commands with SIGINT ignored
    status=0
    sh -c '"$1" run c.yaml -o "$2" 2>"$3" >"$4" & child=$!
        tries=0
        until grep -q "^solve" "$3" || [ $tries -gt 3000 ]; do sleep 0.02; tries=$((tries + 1)); done
        kill -$5 $child; wait $child' - "$program" "$out" "$scratch/err" "$scratch/out" "$1" || status=$?
    [ "$status" = 3 ] || complain "status $status, wanted 3"
    [ "$(grep -c '^uwc: error: .*--resume' "$scratch/err")" = 1 ] || complain "not one message"
    [ ! -e "$out/model.onnx" ] || complain "a model in spite of the signal"
    expect 0 "$program" run c.yaml -o "$out" --resume -q
    cmp -s "whole_$2/model.onnx" "$out/model.onnx" || complain "resumed bytes differ"
}
cut TERM second-order
cut INT second-order
cut TERM qdrop
finish
