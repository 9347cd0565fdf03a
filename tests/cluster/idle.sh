#!/bin/bash
# Ranks that have nothing to do leave their cores to others: of three ranks and units one after the other, two wait, each on less than a fifth of a
# core. Usage: idle.sh ROOT PROGRAM SCRATCH
. "$(dirname "$0")/lib.sh"
LIMIT=20 # percent of a core
WINDOW=3 # seconds

close_down() {
    pkill -KILL -f "^(mpirun|$program) .*$scratch/" || true
}
trap close_down EXIT
trap 'exit 1' TERM INT

units() { grep -c '"event": "unit"' "$out/journal.jsonl" || true; }
# ticks PROCESS: processor time so far.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }

out=$scratch/run
mpirun -n 3 "$program" run "$config" -o "$out" -q --set reconstruct.method=qdrop --set reconstruct.iterations=5000 2>"$scratch/run.log" &
launcher=$!
disown
solves() { grep -q '"event": "float_forward"' "$out/journal.jsonl" 2>/dev/null; } # the last event before solve
within 60 "solve" solves
mapfile -t ranks < <(pgrep -P "$launcher" -x 'exe|uwc')
[ "${#ranks[@]}" = 3 ] || fail "${#ranks[@]} ranks"

hertz=$(getconf CLK_TCK)
for ((try = 0; try < 5; try++)); do # until no unit ends meanwhile
    before=$(units)
    start=$EPOCHREALTIME
    first=()
    for rank in "${ranks[@]}"; do
        first+=("$(ticks "$rank")")
    done
    sleep $WINDOW
    percent=()
    for ((i = 0; i < 3; i++)); do
        percent+=("$(awk -v ticks="$(($(ticks "${ranks[i]}") - first[i]))" -v hertz="$hertz" -v t="$start" -v now="$EPOCHREALTIME" \
            'BEGIN { printf "%.1f", 100 * ticks / hertz / (now - t) }')")
    done
    [ "$(units)" != "$before" ] || break
done
[ "$try" -lt 5 ] || fail "no unit took as long as $WINDOW s"
mapfile -t sorted < <(printf '%s\n' "${percent[@]}" | sort -n)
echo "processor time of the ranks: ${sorted[*]} % of a core"
awk -v idle="${sorted[1]}" -v busy="${sorted[2]}" -v limit=$LIMIT 'BEGIN { exit !(idle < limit && busy > limit) }' ||
    fail "waiting ranks use ${sorted[0]} and ${sorted[1]} %, the working one ${sorted[2]} %"
