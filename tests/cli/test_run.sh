#!/bin/sh
# A whole run of the quickstart's network: all phases at once and one by one, resumed, reported, inspected, evaluated.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >c.yaml <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, evaluation: $data/test.h5, samples: 64, preprocess: {mean: 0.5, std: 0.25}}
quantize: {weight_bits: 3, activation_bits: 4}
reconstruct: {adapt: {steps: 24}}
END
expect 0 "$program" run c.yaml
says "same top-1 as float"
says "c/model.onnx  c/report.html"
grep -q '^solve    5/5' "$scratch/err" || complain "no progress"
for part in config.json plan.json journal.jsonl metrics.json model.onnx report.html units/000.h5; do
    [ -s "c/$part" ] || complain "c/$part is missing"
done
cp c/model.onnx first.onnx
refuse "c is not empty" run c.yaml
expect 0 "$program" run c.yaml --resume -q
[ ! -s "$scratch/out" ] && [ ! -s "$scratch/err" ] || complain "-q prints"
cmp -s first.onnx c/model.onnx || complain "resumed bytes differ"
refuse "weight_bits" run c.yaml --resume -q --set quantize.weight_bits=4
# what a run is and how far it came
expect 0 "$program" inspect c
says "5 of 5 units done; model.onnx written, metrics.json written"
says "it may use 2.00 GiB (run.memory_limit)"
says "cache on disk: 10.8 MiB"
expect 0 "$program" inspect c --json
says '"units_done": 5'
# the file alone gives the accuracy of the run
accuracy=$(sed -n '/"quantized": {/,/}/s/.*"top1": \([0-9.]*\).*/\1/p' c/metrics.json | head -n 1)
expect 0 "$program" evaluate c/model.onnx --data "$data/test.h5" --config c.yaml --json -q
says "\"top1\": $accuracy"
expect 0 "$program" evaluate c -q --json
says '"logit_nmse"'
says "\"top1\": $accuracy"
refuse "run directory" evaluate c --set run.threads=2
expect 0 "$program" report c
says "c/report.html"
# one phase after the other gives the same bytes
expect 0 "$program" run c.yaml -o d -q --set data.evaluation=
rm -r d/model.onnx d/metrics.json d/journal.jsonl d/plan.json d/units d/cache d/report.html
refuse "plan" solve d -q
for phase in plan capture solve assemble evaluate; do
    expect 0 "$program" $phase d -q
done
cmp -s first.onnx d/model.onnx || complain "phases one by one give other bytes"
# the same under mpirun, and with the reference operators something very close
expect 0 mpirun -n 3 "$program" run c.yaml -o e -q
cmp -s first.onnx e/model.onnx || complain "three ranks give other bytes"
expect 0 "$program" run c.yaml -o f -q --ops ref --set data.samples=16 --set data.evaluation=
[ -s f/model.onnx ] || complain "no model with --ops ref"
finish
