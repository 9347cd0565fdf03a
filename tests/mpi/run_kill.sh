#!/bin/bash
# kill -9 of all ranks at random moments, each time followed by a resume: the bytes of an undisturbed run.
set -eu
. "$(dirname "$0")/run_lib.sh"
RANDOM=7

"$driver" make "$inputs"
for input in prefix float; do
    for transport in shared message; do
        reference=$scratch/$input
        out=$scratch/out
        rm -rf "$reference" "$out"
        "$driver" run "$inputs" "$reference" reconstruct.input=$input >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference"; }
        killed=0
        for attempt in $(seq 1 8); do
            $MPIEXEC 3 "$driver" run "$inputs" "$out" resume reconstruct.input=$input run.transport=$transport slow=0.02 \
                >"$scratch/log" 2>&1 &
            launcher=$!
            sleep "$(printf '0.%03d' $((200 + RANDOM % 800)))"
            victims="$launcher $(pgrep -P $launcher || true)"
            kill -9 $victims 2>/dev/null && killed=$((killed + 1))
            wait $launcher 2>/dev/null || true
        done
        ranks 3 run "$inputs" "$out" resume reconstruct.input=$input run.transport=$transport
        expect_status 0 "the last resume"
        same_results "$reference" "$out" "$input, $transport, $killed times killed"
    done
done
