#!/bin/sh
# SIGTERM and SIGINT: status 3, one line, and --resume ends in the bytes of an undisturbed run.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >c.yaml <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, samples: 512, preprocess: {mean: 0.5, std: 0.25}}
END
expect 0 "$program" run c.yaml -o whole -q
for signal in TERM INT; do
    words="kill -$signal of uwc run"
    # a shell starts background commands with SIGINT ignored
    status=0
    sh -c '"$1" run c.yaml -o "$2" 2>"$3" >"$4" & child=$!
        tries=0
        until grep -q "^solve" "$3" || [ $tries -gt 600 ]; do sleep 0.1; tries=$((tries + 1)); done
        kill -$5 $child; wait $child' - "$program" cut_$signal "$scratch/err" "$scratch/out" $signal || status=$?
    [ "$status" = 3 ] || complain "status $status, wanted 3"
    [ "$(grep -c '^uwc: error: .*--resume' "$scratch/err")" = 1 ] || complain "not one message"
    [ ! -e cut_$signal/model.onnx ] || complain "a model in spite of the signal"
    expect 0 "$program" run c.yaml -o cut_$signal --resume -q
    cmp -s whole/model.onnx cut_$signal/model.onnx || complain "resumed bytes differ"
done
finish
