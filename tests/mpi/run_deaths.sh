#!/bin/bash
# kill -9 of workers at random moments from the first unit to the end, under a launcher that goes on: the others finish, with status 0 and
# the bytes of an undisturbed run. run_deaths.sh DRIVER SCRATCH DEATHS
set -eu
. "$(dirname "$0")/run_lib.sh"
RANDOM=11
wanted=$3
out=$scratch/out

# The process of a rank of the launcher.
pid_of() {
    local process
    for process in $(pgrep -P $launcher); do
        if { tr '\0' '\n' <"/proc/$process/environ"; } 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$1"; then
            echo "$process"
        fi
    done
}

"$driver" make "$inputs"
for input in prefix float; do
    "$driver" run "$inputs" "$scratch/$input" reconstruct.input=$input reconstruct.adapt.steps=8 >"$scratch/log" 2>&1 || { cat "$scratch/log"; fail "reference"; }
done
deaths=0 runs=0
while [ $deaths -lt "$wanted" ]; do
    inputs_of=(prefix float)
    transports=(shared message)
    teams=(1 2 auto)
    phases=(solve solve evaluate)
    input=${inputs_of[runs % 2]} phase=${phases[runs / 4 % 3]} transport=${transports[runs / 2 % 2]} team=${teams[runs % 3]}
    what="run $runs: $input, $transport, team $team, $phase"
    begin='"unit"' # in the journal
    [ $phase = evaluate ] && begin='"phase": *"assemble"'
    rm -rf "$out"
    : >"$scratch/log"
    # shellcheck disable=SC2086 # words
    $MPIEXEC_RECOVERING 4 "$driver" run "$inputs" "$out" reconstruct.input=$input run.transport=$transport run.team=$team run.patience=2 \
        run.unit_deadline=2 reconstruct.adapt.steps=8 slow=0.005 when=$phase >"$scratch/log" 2>&1 &
    launcher=$!
    until grep -q "$begin" "$out/journal.jsonl" 2>/dev/null || ! kill -0 $launcher 2>/dev/null; do
        sleep 0.02
    done
    victims=$((1 + RANDOM % 3))
    for victim in $(seq 1 $victims); do
        sleep "$(printf '0.%03d' $((RANDOM % 700)))"
        kill -9 "$(pid_of "$victim")" 2>/dev/null && deaths=$((deaths + 1))
    done
    status=0
    wait $launcher || status=$?
    if [ "$victims" = 3 ] && grep -q "no worker is left" "$scratch/log"; then
        ranks 2 run "$inputs" "$out" resume reconstruct.input=$input run.transport=$transport reconstruct.adapt.steps=8
    fi
    expect_status 0 "$what, $victims victims"
    same_results "$scratch/$input" "$out" "$what, $victims victims"
    echo "$what: $victims victims"
    runs=$((runs + 1))
done
echo "$deaths workers died in $runs runs"

# The coordinator's death: the others leave by themselves, and a resume finishes.
for transport in shared message; do
    rm -rf "$out"
    $MPIEXEC_RECOVERING 3 "$driver" run "$inputs" "$out" run.transport=$transport run.patience=0.5 reconstruct.adapt.steps=8 slow=0.02 \
        >"$scratch/log" 2>&1 &
    launcher=$!
    until grep -q '"unit"' "$out/journal.jsonl" 2>/dev/null || ! kill -0 $launcher 2>/dev/null; do
        sleep 0.02
    done
    kill -9 "$(pid_of 0)" || fail "$transport: the run ended before its coordinator was killed"
    for _ in $(seq 1 600); do
        kill -0 $launcher 2>/dev/null || break
        sleep 0.1
    done
    kill -0 $launcher 2>/dev/null && kill -9 $launcher && fail "$transport: ranks wait for a dead coordinator"
    ranks 2 run "$inputs" "$out" resume reconstruct.adapt.steps=8
    expect_status 0 "a resume after the coordinator's death, $transport"
    same_results "$scratch/prefix" "$out" "a resume after the coordinator's death, $transport"
done
