#!/bin/bash
# kill -9 of all ranks at random moments, each time followed by a resume: the bytes of an undisturbed run.
set -eu
. "$(dirname "$0")/run_lib.sh"
RANDOM=7

lines() {
    cat "$out/journal.jsonl" 2>/dev/null | wc -l
}

"$driver" make "$inputs"
for input in prefix float; do
    for transport in shared message; do
        reference=$scratch/$input
        out=$scratch/out
        rm -rf "$reference" "$out"
        "$driver" run "$inputs" "$reference" reconstruct.input=$input >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference"; }
        killed=0
        moments=
        for attempt in $(seq 1 7); do
            $MPIEXEC 3 "$driver" run "$inputs" "$out" resume reconstruct.input=$input run.transport=$transport slow=0.02 \
                >"$scratch/log" 2>&1 &
            launcher=$!
            target=$(($(lines) + 1 + RANDOM % 8))
            while [ "$(lines)" -lt $target ] && kill -0 $launcher 2>/dev/null; do
                sleep 0.01
            done
            sleep "$(printf '0.%03d' $((RANDOM % 60)))"
            kill -9 $launcher $(pgrep -P $launcher) 2>/dev/null && killed=$((killed + 1))
            wait $launcher 2>/dev/null || true
            moments="$moments $(ls "$out/cache" 2>/dev/null | wc -l)/$(ls "$out/units" 2>/dev/null | wc -l)"
        done
        ranks 3 run "$inputs" "$out" resume reconstruct.input=$input run.transport=$transport
        expect_status 0 "the last resume"
        same_results "$reference" "$out" "$input, $transport, $killed times killed"
        echo "$input, $transport: $killed times killed, with so many cache and unit files:$moments"
        [ $killed -gt 0 ] || fail "every run had ended before it was killed"
    done
done
