#!/bin/sh
# Every combination in a folder of its own; the figures side by side; a second go with --resume.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >s.yaml <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, evaluation: $data/test.h5, samples: 32, preprocess: {mean: 0.5, std: 0.25}}
sweep: {weight_bits: [2, 8], activation_bits: [8, 32], adapt: [off]}
END
expect 0 "$program" sweep s.yaml
says "no other row is both smaller and better"
grep -q ' 3/4 stem ' "$scratch/err" || complain "no line for a unit of the third run"
for name in weight_bits-2_activation_bits-8_adapt-off weight_bits-2_activation_bits-32_adapt-off weight_bits-8_activation_bits-8_adapt-off weight_bits-8_activation_bits-32_adapt-off; do
    [ -s "s/$name/metrics.json" ] || complain "s/$name/metrics.json is missing"
done
[ "$(wc -l <s/sweep.csv)" = 5 ] || complain "not four rows in sweep.csv"
head -n 1 s/sweep.csv | grep -q 'quantized.top1' || complain "no accuracy in sweep.csv"
[ "$(grep -c '"logit_nmse"' s/sweep.json)" = 4 ] || complain "not four rows in sweep.json"
[ -s s/report.html ] || complain "no report"
[ "$(ls s/cache)" = "$(ls s/cache | head -n 1)" ] || complain "float activations were captured more than once"
[ -z "$(find s/*/cache -name 'f*')" ] || complain "float activations in the cache of a run"
expect 0 "$program" run s.yaml -o alone --set quantize.weight_bits=2 --set quantize.activation_bits=8 --set reconstruct.adapt=off -q
grep '"logit_nmse"\|"agreement"\|"top1"' alone/metrics.json >alone.txt
grep '"logit_nmse"\|"agreement"\|"top1"' s/weight_bits-2_activation_bits-8_adapt-off/metrics.json >swept.txt
cmp -s alone.txt swept.txt || complain "other figures than those of a run alone"
[ -n "$(find s/cache -name 'logits-*')" ] || complain "the float logits are not shared"
cmp -s alone/model.onnx s/weight_bits-2_activation_bits-8_adapt-off/model.onnx || complain "another model than that of a run alone"
refuse "s is not empty" sweep s.yaml
rm -r s/weight_bits-8_activation_bits-8_adapt-off
cp s/weight_bits-8_activation_bits-32_adapt-off/model.onnx kept.onnx
expect 0 mpirun -n 2 "$program" sweep s.yaml -o s --resume -q
[ -s s/weight_bits-8_activation_bits-8_adapt-off/metrics.json ] || complain "the missing run was not made"
cmp -s kept.onnx s/weight_bits-8_activation_bits-32_adapt-off/model.onnx || complain "a finished run has other bytes"
[ "$(wc -l <s/sweep.csv)" = 5 ] || complain "not four rows in sweep.csv after --resume"

# Units that share what does not depend on the width, on one rank and on several.
sed 's/^sweep:.*/sweep: {weight_bits: [2, 8], adapt: [off]}/' s.yaml >f.yaml
echo 'reconstruct: {input: float}' >>f.yaml
expect 0 "$program" sweep f.yaml -q
expect 0 mpirun -n 3 "$program" sweep f.yaml -o g -q
for bits in 2 8; do
    expect 0 "$program" run f.yaml -o "alone$bits" --set quantize.weight_bits=$bits --set reconstruct.adapt=off -q
    for folder in f g; do
        diff -r "alone$bits/units" "$folder/weight_bits-${bits}_adapt-off/units" || complain "other units in $folder than those of a run alone"
        cmp -s "alone$bits/model.onnx" "$folder/weight_bits-${bits}_adapt-off/model.onnx" || complain "another model in $folder"
    done
done
finish
