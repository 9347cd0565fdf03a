#!/bin/bash
# A member of a team is killed (SIGKILL) while it solves a layer that is spread over the team, at a poll that is counted: the others do not
# wait for it for ever, and the run ends with status 0 and the bytes of an undisturbed run. run_spread.sh DRIVER SCRATCH
set -eu
. "$(dirname "$0")/run_lib.sh"
out=$scratch/out
# All layers but the depthwise one are spread, and nothing else takes many polls.
options=(run.distribute_above=7 reconstruct.adapt=off)

"$driver" make "$inputs"
"$driver" run "$inputs" "$scratch/alone" "${options[@]}" >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference"; }

# On 4 ranks the team is one of two, on 5 one of four.
for ranks in 4 5; do
    $MPIEXEC_RECOVERING $ranks "$driver" run "$inputs" "$out" "${options[@]}" run.team=$((ranks == 4 ? 2 : 4)) >"$scratch/log" 2>&1 \
        || { cat "$scratch/log"; fail "a team on $ranks ranks"; }
    same_results "$scratch/alone" "$out" "a team on $ranks ranks"
    rm -rf "$out"
    for call in 3 20 45 90 150; do
        victim=$((1 + call % (ranks == 4 ? 2 : 4)))
        what="rank $victim of $ranks dies at poll $call"
        status=0
        timeout 100 $MPIEXEC_RECOVERING $ranks "$driver" run "$inputs" "$out" "${options[@]}" run.team=$((ranks == 4 ? 2 : 4)) run.patience=2 \
            run.unit_deadline=2 die=$victim:$call >"$scratch/log" 2>&1 || status=$?
        expect_status 0 "$what"
        expect_text "it goes to another" "$what"
        same_results "$scratch/alone" "$out" "$what"
        rm -rf "$out"
    done
done
