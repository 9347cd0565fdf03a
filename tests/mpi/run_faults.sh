#!/bin/bash
# Failures of units, ranks and the system: one outcome for all ranks, the right exit status, and a resume that ends in the same bytes.
set -eu
. "$(dirname "$0")/run_lib.sh"

"$driver" make "$inputs"
reference=$scratch/reference
out=$scratch/out
"$driver" run "$inputs" "$reference" reconstruct.input=float >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference"; }
run() {
    local n=$1
    shift
    ranks $n run "$inputs" "$out" reconstruct.input=float "$@"
}
resumes() {
    no_leftovers "$out" "$1"
    run ${2:-2} resume
    expect_status 0 "$1, resumed"
    same_results "$reference" "$out" "$1"
    rm -rf "$out"
}

for n in 1 3; do
    worker=$((n > 1))
    # A unit that fails once is tried again.
    run $n fail=E_MATH@$worker:2:1
    expect_status 0 "a failure on $n ranks"
    expect_text "is tried again" "a failure on $n ranks"
    resumes "a failure on $n ranks"

    # A unit that never works is given up; the others are solved.
    run $n fail=E_MATH@$worker:1:2
    if [ $n = 1 ]; then
        expect_status 3 "two failures on $n ranks"
        expect_text "failed block" "two failures"
        expect_text "solved stem" "two failures"
    fi
    resumes "two failures on $n ranks"

    # The user stops the run on any rank.
    for rank in $(seq 0 $((n - 1))); do
        run $n fail=E_INTERRUPTED@$rank:3:1
        expect_status 3 "interruption of rank $rank of $n"
        expect_text "interrupted" "interruption"
        resumes "interruption of rank $rank of $n" $((rank + 1))
    done
done
# So does every other phase that all ranks work in, whichever rank it is, and whatever the others are doing.
for rank in 0 1 2; do
    for transport in shared message; do
        run 3 when=capture run.transport=$transport fail=E_VALUE@$rank:2:1
        expect_status 2 "capture fails on rank $rank, $transport"
        expect_text "as ordered" "capture fails on rank $rank"
        [ ! -e "$out/units" ] || fail "capture failed on rank $rank and solve began"
        resumes "capture fails on rank $rank, $transport"
    done
    run 3 when=evaluate fail=E_INTERRUPTED@$rank:1:1
    expect_status 3 "evaluation interrupted on rank $rank"
    [ ! -e "$out/metrics.json" ] || fail "evaluation was interrupted on rank $rank and left metrics.json"
    resumes "evaluation interrupted on rank $rank"
done
for transport in shared message; do
    run 3 run.transport=$transport fail=E_IO@2:2:1
    expect_status 2 "a worker without disk, $transport"
    expect_text "unit .*as ordered" "a worker without disk"
    resumes "a worker without disk, $transport"
done

# A slow unit goes to another worker, and the slow one's answer does no harm.
run 3 slow=0.02 run.unit_deadline=0.05
[ $status = 0 ] || [ $status = 3 ] || fail "deadline: exit status $status"
expect_text "it goes to another" "deadline"
resumes "deadline"

# Full disk.
for bytes in 100 2000 6000; do
    status=0
    "$driver" run "$inputs" "$out" reconstruct.input=float file-limit=$bytes >"$scratch/log" 2>&1 || status=$?
    expect_status 2 "files of at most $bytes bytes"
    expect_text "error: input or output refused" "files of at most $bytes bytes"
    resumes "files of at most $bytes bytes"
done

# Folders and resumes that do not fit.
run 2 resume
expect_status 0 "a resume of nothing starts fresh"
run 2
expect_status 2 "a folder that is not empty"
expect_text "is not empty" "a folder that is not empty"
run 2 resume quantize.weight_bits=3
expect_status 2 "another configuration"
expect_text "quantize.weight_bits 4, not 3" "another configuration"
run 2 resume run.transport=message
expect_status 0 "another transport"
mkdir "$scratch/foreign"
touch "$scratch/foreign/thesis.tex"
ranks 1 run "$inputs" "$scratch/foreign" resume
expect_status 2 "a folder of somebody else"
expect_text "holds thesis.tex but no plan.json" "a folder of somebody else"
run 1 resume run.isa=sse41
expect_status 2 "another instruction set"
expect_text "pin it with run.isa" "another instruction set"
mkdir "$scratch/other"
cp "$inputs"/* "$scratch/other"
"$driver" make "$scratch/changed" 2
cp "$scratch/changed/model.onnx" "$inputs"
run 2 resume
expect_status 2 "another model"
expect_text "another model" "another model"
cp "$scratch/other/model.onnx" "$scratch/changed/calibration.h5" "$inputs"
run 2 resume
expect_status 2 "other images"
expect_text "other calibration images" "other images"
cp "$scratch/other/calibration.h5" "$inputs"
status=0
"$driver" run "$inputs" "$inputs/model.onnx/out" >"$scratch/log" 2>&1 || status=$?
expect_status 2 "a folder under a file"
status=0
"$driver" run "$inputs" "$scratch/nan" data.samples=41 >"$scratch/log" 2>&1 || status=$?
expect_status 2 "fewer images than asked for"

# Damage: a lost, a truncated and a wrong file of a unit are made again; a torn journal is mended, a wrong one refused.
rm "$out/units/001.h5"
truncate -s 1000 "$out/units/002.h5"
cp "$out/units/000.h5" "$out/units/003.h5"
printf '{"event": "unit", "un' >>"$out/journal.jsonl"
resumes "damaged unit files"
run 1
sed -i '3s/seconds/sekunden/' "$out/journal.jsonl"
run 2 resume
expect_status 2 "a damaged journal"
expect_text "journal.jsonl: line 3: wrong checksum" "a damaged journal"
rm -rf "$out"

# A chain whose quantized activations are gone is solved again as far as it is needed.
"$driver" run "$inputs" "$scratch/chain" >"$scratch/log" 2>&1
cp -r "$scratch/chain" "$out"
rm "$out"/cache/q* "$out/units/003.h5"
ranks 2 run "$inputs" "$out" resume
expect_status 0 "lost activations"
same_results "$scratch/chain" "$out" "lost activations"
