#!/bin/sh
# Bad input: one clear line, status 2, no result.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
write() {
    printf 'model: %s\ndata: {calibration: %s, evaluation: %s, samples: 32, preprocess: {mean: 0.5, std: 0.25}}\n' "$1" "$2" "$3" >c.yaml
}
# refuse_run TEXT MODEL CALIBRATION EVALUATION [ARGUMENT]...
refuse_run() {
    wanted_text=$1
    write "$2" "$3" "$4"
    shift 4
    rm -rf run
    refuse "$wanted_text" run c.yaml -o run -q "$@"
    [ ! -e run/model.onnx ] && [ ! -e run/metrics.json ] || complain "a result in spite of the error"
}
cp "$data/model.onnx" "$data/calibration.h5" "$data/test.h5" .
: >empty
head -c 200000 model.onnx >half.onnx
head -c 3000 /dev/urandom >random.onnx
head -c 400000 calibration.h5 >half.h5
for model in missing.onnx empty half.onnx random.onnx .; do
    refuse_run "" $model calibration.h5 test.h5
    refuse "" inspect $model
    refuse "" evaluate $model --data test.h5 -q
done
for images in missing.h5 empty half.h5 model.onnx; do
    refuse_run "$images" model.onnx $images test.h5
    refuse_run "$images" model.onnx calibration.h5 $images
    refuse "$images" evaluate model.onnx --data $images -q
done
mkdir no_images
refuse_run "no_images" model.onnx no_images test.h5
refuse_run "100000" model.onnx calibration.h5 test.h5 --set data.samples=100000
refuse_run "" model.onnx calibration.h5 test.h5 --set data.preprocess.crop=16
refuse_run "model is not set" "" calibration.h5 test.h5
refuse_run "data.calibration is not set" model.onnx "" test.h5
write model.onnx calibration.h5 test.h5
: >file
refuse "file" run c.yaml -o file -q
refuse "file" run c.yaml -o file/below -q
refuse "no_such" solve no_such -q
refuse "no_such" evaluate no_such --data test.h5 -q
refuse "no_images" solve no_images -q
refuse "" pack no_such -o x.h5
refuse "" pack no_images -o x.h5
[ ! -e x.h5 ] || complain "packed nothing into x.h5"
expect 0 "$program" run c.yaml -o run2 -q --set data.evaluation=
# a damaged run directory
cp -r run2 run3
printf 'x' >run3/plan.json
refuse "plan.json" run c.yaml -o run3 -q --resume --set data.evaluation=
refuse "plan.json" inspect run3
cp -r run2 run4
head -c 300 run2/config.json >run4/config.json
refuse "config.json" solve run4 -q
cp -r run2 run5
head -c 1000 run2/units/001.h5 >run5/units/001.h5
rm run5/model.onnx
refuse "001.h5" assemble run5 -q
# another model or configuration under --resume
refuse "quantize.weight_bits" run c.yaml -o run2 -q --resume --set data.evaluation= --set quantize.weight_bits=2
refuse "data.samples" run c.yaml -o run2 -q --resume --set data.evaluation= --set data.samples=16
cp run2/model.onnx other.onnx
refuse "" run c.yaml -o run2 -q --resume --set data.evaluation= --set model=other.onnx
refuse "" run c.yaml -o run2 -q --resume --set data.evaluation= --set data.calibration=test.h5
finish
