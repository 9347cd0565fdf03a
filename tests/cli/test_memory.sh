#!/bin/sh
# Memory and disk: what does not fit is refused before work starts, smaller batches are part of a run, and the cache in half precision.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >c.yaml <<EOF
model: $data/model.onnx
data: {calibration: $data/calibration.h5, samples: 48, preprocess: {mean: 0.5, std: 0.25}}
quantize: {weight_bits: 3, activation_bits: 4}
reconstruct: {adapt: {steps: 24}}
EOF
# what is needed is said, for a model and for a run
expect 0 "$program" inspect "$data/model.onnx" --config c.yaml
says "to calibrate it with 48 images:"
says "memory of a rank at most: plan "
says "cache on disk: 8.09 MiB"
expect 0 "$program" inspect "$data/model.onnx" --config c.yaml --json --set run.cache=float16
says '"cache_bytes": 4239360'
# too little: one line with the unit, the layer and both numbers, and nothing was begun
refuse "run.memory_limit allows 33554432" run c.yaml -o tight --set run.memory_limit=32MiB
refuse " for layer reduce.pointwise" run c.yaml -o tight --set run.memory_limit=32MiB --resume
[ ! -e tight/plan.json ] && [ ! -e tight/cache ] || complain "work was begun"
# less than the usual batches want: they are smaller, and belong to the run
expect 0 "$program" run c.yaml -o usual -q
limit=33554432
until "$program" run c.yaml -o small -q --set run.memory_limit=$limit 2>refusal; do # the least that fits is said, unit by unit
    limit=$(sed -n 's/.* needs \([0-9]*\) bytes of memory with one image at a time.*/\1/p' refusal)
    rm -rf small
    [ "$limit" ] || { complain "no word of how much is needed" && break; }
done
one_image() {
    grep -A 6 '"unit_batch"' "$1/plan.json" | grep -qx ' *1,'
}
! one_image usual || complain "the usual batches have one image"
one_image small || complain "no unit has batches of one image"
refuse "batches of another size" run c.yaml -o usual -q --resume --set run.memory_limit=$limit
refuse "batches of another size" run c.yaml -o small -q --resume
expect 0 "$program" run c.yaml -o usual -q --resume --set run.memory_limit=1GiB
expect 0 mpirun -n 2 "$program" run c.yaml -o small2 -q --set run.memory_limit=$limit
cmp -s small/model.onnx small2/model.onnx || complain "two ranks give other bytes"
# half precision: half the bytes, part of the result, the same over both transports
expect 0 "$program" run c.yaml -o half -q --set run.cache=float16
[ "$(du -sb half/cache | cut -f1)" -lt "$(($(du -sb usual/cache | cut -f1) * 6 / 10))" ] || complain "the cache is not half as large"
cmp -s half/model.onnx usual/model.onnx && complain "float16 changes nothing"
refuse "run.cache" run c.yaml -o half -q --resume
for transport in shared message; do
    expect 0 mpirun -n 3 "$program" run c.yaml -o half3 -q --set run.cache=float16 --set run.transport=$transport
    cmp -s half/model.onnx half3/model.onnx || complain "float16, $transport: other bytes on three ranks"
    rm -rf half3
done
expect 0 "$program" run c.yaml -o half4 -q --set run.cache=float16
rm -r half4/units/002.h5 half4/cache/f*_s03.h5 half4/cache/q*_s01.h5
expect 0 "$program" run c.yaml -o half4 -q --set run.cache=float16 --resume
cmp -s half/model.onnx half4/model.onnx || complain "float16, resumed: other bytes"
# beyond the range of half precision
refuse "float16 ends at 65504: use run.cache: float32" run c.yaml -o beyond -q --set run.cache=float16 --set data.preprocess.std=0.000001
[ -z "$(find beyond/cache -name '*.h5*')" ] || complain "a cache file is left"
finish
