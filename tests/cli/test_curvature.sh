#!/bin/sh
# The second-order picture: of a solved run, with and without its cache; units that it joins.
. "$(dirname "$0")/lib.sh"
data=$root/data/quickstart
cat >c.yaml <<END
model: $data/model.onnx
data: {calibration: $data/calibration.h5, samples: 32, preprocess: {mean: 0.5, std: 0.25}}
quantize: {weight_bits: 3, activation_bits: 4}
reconstruct: {adapt: off}
END
expect 0 "$program" run c.yaml -o a -q
cp a/journal.jsonl journal
expect 0 "$program" inspect a --curvature
says "from 32 images, 32 probes each"
[ "$(grep -c ' %$' "$scratch/out")" = 5 ] || complain "not one row for each of five units"
expect 0 "$program" inspect a --curvature --json
cp "$scratch/out" first.json
grep -qF '"reduce.depthwise"' first.json || complain "layers are not named"
# the estimate is near what is measured, for the result of every unit
awk '/"result"/ { here = 1 } here && /"total"/ { total = $2 + 0 } here && /"noise"/ { noise = $2 + 0 }
     here && /"measured"/ { n++; measured = $2 + 0; here = 0; if (total < 0.6 * measured - 4 * noise || total > 1.6 * measured + 4 * noise) bad = 1 }
     END { exit bad || n != 5 }' first.json || complain "total and measured differ"
# the cache is not needed, and nothing in the folder changes
rm -r a/cache
expect 0 "$program" inspect a --curvature --json
cmp -s first.json "$scratch/out" || complain "another picture without the cache"
cmp -s journal a/journal.jsonl && [ ! -e a/cache ] || complain "the folder has changed"
# what cannot be done
refuse "looks at a run directory" inspect "$data/model.onnx" --curvature
refuse "no run directory" inspect . --curvature
mv a/units/002.h5 .
refuse "the phase solve comes first" inspect a --curvature
refuse "has no option --curvature" run c.yaml --curvature
# units that interact are joined: fewer of them, the same with two ranks, kept by a resume, and looked at like others
expect 0 "$program" run c.yaml -o b -q --set units.rule=curvature
units=$(grep -c '"segment"' b/plan.json)
[ "$units" -lt 5 ] || complain "no units are joined"
grep -q '"cuts"' b/plan.json || complain "plan.json does not hold the cuts"
expect 0 mpirun -n 2 "$program" run c.yaml -o b2 -q --set units.rule=curvature
cmp -s b/plan.json b2/plan.json && cmp -s b/model.onnx b2/model.onnx || complain "two ranks give other bytes"
cp b/model.onnx joined.onnx
rm b/units/001.h5
expect 0 "$program" run c.yaml -o b -q --set units.rule=curvature --resume
cmp -s joined.onnx b/model.onnx || complain "resumed bytes differ"
expect 0 "$program" inspect b --curvature
[ "$(grep -c ' %$' "$scratch/out")" = "$units" ] || complain "not one row for each of $units units"
refuse "units.rule" run c.yaml -o b -q --resume
# rank 0 alone looks at images; all end when it cannot
expect 2 mpirun -n 2 "$program" run c.yaml -o none -q --set units.rule=curvature --set data.calibration=none.h5
grep -qF "none.h5" "$scratch/err" || complain "the missing file is not named"
finish
