#!/bin/sh
# Mistakes in a configuration name the file and line, in --set the key; nothing is written.
. "$(dirname "$0")/lib.sh"
file() {
    printf "$1" >c.yaml
}
file 'model: m.onnx\nquantise:\n  weight_bits: 4\n'
refuse 'c.yaml:2: unknown key "quantise"; the nearest known key is "quantize"' run c.yaml
file 'model: m.onnx\nquantize:\n  weight_bits: 9\n'
refuse 'c.yaml:3: quantize.weight_bits: "9" is not allowed; allowed: integer 2..8' run c.yaml
file 'quantize:\n\tweight_bits: 4\n'
refuse 'c.yaml:2: no valid YAML' run c.yaml
file 'model: a\nmodel: b\n'
refuse 'c.yaml:2: key "model" is given twice, first on line 1' run c.yaml
file 'model: ${UWC_SURELY_UNSET}/m.onnx\n'
refuse 'c.yaml:1: model: the environment variable UWC_SURELY_UNSET is not set' run c.yaml
file 'data:\n  preprocess:\n    mean: &m [1, 2, 3]\n    std: *m\n'
refuse 'c.yaml:4: aliases' run c.yaml
file 'reconstruct:\n  method: adaquant\n'
refuse 'c.yaml:2: reconstruct.method: "adaquant" is not allowed; allowed: nearest or second-order or adaround or brecq or qdrop' run c.yaml
file ''
refuse 'c.yaml: an empty configuration' run c.yaml
file 'model: m.onnx\n'
refuse 'nothing is listed under `sweep:`' sweep c.yaml
refuse '--set: quantize.weight_bits: "1" is not allowed' run c.yaml --set quantize.weight_bits=1
refuse '--set: unknown key "weight_bits"; the nearest known key is "quantize.weight_bits"' run c.yaml --set weight_bits=4
refuse '"quantize.weight_bits" is no key=value' run c.yaml --set quantize.weight_bits
refuse '--ops: run.ops: "slow" is not allowed; allowed: fast or ref' run c.yaml --ops slow
refuse '--set: quantize.weight_bits' pack . -o x.h5 --set quantize.weight_bits=1
refuse '--set: quantize.weight_bits' inspect m.onnx --set quantize.weight_bits=1
refuse '--set: quantize.weight_bits' evaluate m.onnx --data d.h5 --set quantize.weight_bits=1
[ "$(ls)" = c.yaml ] || complain "left behind: $(ls)"
# the configurations of the project are sound: the complaint is about the missing model
UWC_ASSETS=$scratch
export UWC_ASSETS
found=0
for config in "$root"/configs/*.yaml; do
    refuse 'no_such.onnx' inspect no_such.onnx --config "$config"
    found=$((found + 1))
done
[ "$found" -ge 4 ] || complain "only $found configurations"
# one line on stderr of all ranks, and the launcher's status
file 'quantize:\n  weight_bits: 9\n'
for ranks in 2 3; do
    expect 2 mpirun -n $ranks "$program" run c.yaml
    [ "$(grep -c 'uwc: error: c.yaml:2: quantize.weight_bits' "$scratch/err")" = 1 ] || complain "not one message from $ranks ranks"
done
expect 2 mpirun -n 2 "$program" run
[ "$(grep -c 'uwc: error:' "$scratch/err")" = 1 ] || complain "not one message from 2 ranks"
finish
