#!/bin/bash
# The same bytes on 1 to 4 ranks, for every input and transport; repeated and single phases change nothing.
set -eu
. "$(dirname "$0")/run_lib.sh"

"$driver" make "$inputs"
for input in prefix float segments; do
    reference=$scratch/$input
    "$driver" run "$inputs" "$reference" reconstruct.input=$input >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference $input"; }
    for transport in shared message; do
        for n in 1 2 3 4; do
            what="$input, $transport, $n ranks"
            ranks $n run "$inputs" "$scratch/out" reconstruct.input=$input run.transport=$transport
            expect_status 0 "$what"
            same_results "$reference" "$scratch/out" "$what"
            no_leftovers "$scratch/out" "$what"
            rm -rf "$scratch/out"
        done
    done
done
cmp -s "$scratch/prefix/model.onnx" "$scratch/float/model.onnx" && fail "prefix and float give the same model: the test sees nothing"

# Teams, over both transports: chosen, and of a fixed size that leaves a rank over.
for transport in shared message; do
    for n_team in "3 2" "4 2" "5 4" "5 auto"; do
        n=${n_team% *} team=${n_team#* }
        what="$transport, $n ranks, teams of $team"
        ranks "$n" run "$inputs" "$scratch/out" run.transport=$transport run.team="$team"
        expect_status 0 "$what"
        same_results "$scratch/prefix" "$scratch/out" "$what"
        [ "$team" = auto ] || grep -q '"members": [24]' "$scratch/out/journal.jsonl" || fail "$what: no unit was solved by a team"
        rm -rf "$scratch/out"
    done
done

# Layers that are spread over a team.
"$driver" run "$inputs" "$scratch/spread" run.distribute_above=40 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "spread"; }
cmp -s "$scratch/spread/model.onnx" "$scratch/prefix/model.onnx" && fail "run.distribute_above changes nothing: the test sees nothing"
for transport in shared message; do
    for n in 3 5; do
        ranks $n run "$inputs" "$scratch/out" run.distribute_above=40 run.transport=$transport
        expect_status 0 "spread, $transport, $n ranks"
        same_results "$scratch/spread" "$scratch/out" "spread, $transport, $n ranks"
        rm -rf "$scratch/out"
    done
done

# The methods that learn.
for method in adaround brecq qdrop; do
    reference=$scratch/$method
    learn="reconstruct.method=$method reconstruct.iterations=60 quantize.weight_bits=3"
    # shellcheck disable=SC2086 # words
    "$driver" run "$inputs" "$reference" $learn >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference $method"; }
    for n in 2 3; do
        # shellcheck disable=SC2086 # words
        ranks $n run "$inputs" "$scratch/out" $learn
        expect_status 0 "$method, $n ranks"
        same_results "$reference" "$scratch/out" "$method, $n ranks"
        rm -rf "$scratch/out"
    done
done
cmp -s "$scratch/brecq/model.onnx" "$scratch/qdrop/model.onnx" && fail "brecq and qdrop give the same model: the test sees nothing"

# Each phase alone, on an existing run and from the start.
cp -r "$scratch/float" "$scratch/again"
for phase in plan capture solve assemble evaluate; do
    ranks 2 $phase "$scratch/again"
    expect_status 0 "$phase again"
done
same_results "$scratch/float" "$scratch/again" "phases again"
rm -rf "$scratch/again"/{units,cache,plan.json,model.onnx,metrics.json,journal.jsonl}
ranks 2 solve "$scratch/again"
expect_status 2 "solve before plan"
expect_text "the phase plan comes first" "solve before plan"
ranks 2 plan "$scratch/again"
ranks 2 solve "$scratch/again"
expect_status 2 "solve before capture"
expect_text "the phase capture comes first" "solve before capture"
ranks 2 capture "$scratch/again"
ranks 2 assemble "$scratch/again"
expect_status 2 "assemble before solve"
expect_text "the phase solve comes first" "assemble before solve"
ranks 2 evaluate "$scratch/again"
expect_status 2 "evaluate before assemble"
expect_text "the phase assemble comes first" "evaluate before assemble"
for phase in solve assemble evaluate; do
    ranks 3 $phase "$scratch/again"
    expect_status 0 "$phase alone"
done
same_results "$scratch/float" "$scratch/again" "phases one by one"

# A file on its own is worth what the run said.
top1=$(sed -n '/"quantized": {/,/}/s/.*"top1": \([0-9.]*\).*/\1/p' "$scratch/float/metrics.json" | head -1)
ranks 3 evaluate-model "$inputs" "$scratch/float/model.onnx"
expect_status 0 "evaluate-model"
expect_text "\"top1\": $top1[,}]" "evaluate-model gives another top-1 than the run ($top1)"

# More ranks than shards with images.
"$driver" run "$inputs" "$scratch/few" data.samples=5 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "five images"; }
ranks 4 run "$inputs" "$scratch/out" data.samples=5 run.transport=message
expect_status 0 "five images, 4 ranks"
same_results "$scratch/few" "$scratch/out" "five images"

# The cache in half precision, over both transports.
"$driver" run "$inputs" "$scratch/half" run.cache=float16 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "float16"; }
cmp -s "$scratch/half/model.onnx" "$scratch/prefix/model.onnx" && fail "float16 changes nothing: the test sees nothing"
for transport in shared message; do
    rm -rf "$scratch/out"
    ranks 3 run "$inputs" "$scratch/out" run.cache=float16 run.transport=$transport
    expect_status 0 "float16, $transport"
    same_results "$scratch/half" "$scratch/out" "float16, $transport"
done
