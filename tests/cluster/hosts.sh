#!/bin/bash
# Runs over three hosts, with and without a folder that all of them see, and one host cut off while units are solved: the bytes of a run of one
# rank. A host is a set of namespaces with an address of its own on a bridge. Usage: hosts.sh ROOT PROGRAM SCRATCH
if [ "${UWC_TEST_ALONE:-}" != 1 ] && unshare --pid --mount true 2>/dev/null; then # whatever is started here ends with this script
    UWC_TEST_ALONE=1 exec unshare --pid --mount --fork --kill-child --mount-proc "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
for command in unshare nsenter ip; do
    command -v "$command" >/dev/null || skip "$command is not installed"
done
own=(unshare --net --mount --uts --ipc)
if [ "${UWC_TEST_ALONE:-}" != 1 ] || ! "${own[@]}" true 2>/dev/null; then
    skip "namespaces are not allowed"
fi

# ---- hosts -------------------------------------------------------------------------------------------------------------------------------

HOSTS=3
network=10.77.0
inside=() # a process on each host; the last is the switch
close_down() {
    local status=$?
    [ "$status" = 0 ] || tail -n 40 "$scratch"/*.log
    exit "$status"
}
trap close_down EXIT
trap 'exit 1' TERM INT

# on HOST COMMAND...: runs there.
on() {
    local host=$1
    shift
    nsenter --target "${inside[host]}" --net --mount --uts --ipc -- "$@"
}

is_own() { [ "$(readlink "/proc/$1/exe")" = "$(readlink -f "$(command -v sleep)")" ] && [ "$(readlink "/proc/$1/ns/ipc")" != "$(readlink /proc/self/ns/ipc)" ]; }

for ((host = 0; host <= HOSTS; host++)); do
    "${own[@]}" sleep infinity &
    inside[host]=$!
    within 10 "host $host" is_own "${inside[host]}"
done
on $HOSTS ip link add bridge type bridge 2>/dev/null || skip "no bridges in this kernel"
on $HOSTS ip link set bridge up
mkdir "$scratch/own"
for ((host = 0; host < HOSTS; host++)); do
    on $HOSTS ip link add "port$host" type veth peer name eth0 netns "${inside[host]}"
    on $HOSTS ip link set "port$host" master bridge up
    on $host ip addr add "$network.$((host + 1))/24" dev eth0
    on $host ip link set eth0 up
    on $host ip link set lo up
    on $host hostname "host$host"
    on $host mount -t tmpfs tmpfs "$scratch/own" # what the other hosts do not see
    echo "$network.$((host + 1)) ${inside[host]}" >>"$scratch/processes"
done

say "one rank"
"$program" run "$config" -o "$scratch/one" -q

# In place of ssh: AGENT ADDRESS COMMAND...
cat >"$scratch/agent" <<END
#!/bin/sh
inside=\$(awk -v address="\$1" '\$1 == address { print \$2 }' $scratch/processes)
shift
exec nsenter --target "\$inside" --net --mount --uts --ipc -- sh -c "\$*"
END
chmod +x "$scratch/agent"
export OMPI_MCA_plm_rsh_agent=$scratch/agent
export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=$network.0/24 OMPI_MCA_oob_tcp_if_include=$network.0/24
export OMPI_MCA_oob_tcp_keepalive_time=3 OMPI_MCA_oob_tcp_keepalive_intvl=1 OMPI_MCA_oob_tcp_keepalive_probes=3
export TMPDIR=$scratch/own UWC_PROGRAM=$program UWC_PATIENCE=5

recovery=--enable-recovery
# start RANKS HOSTS DIR ARGUMENT...: `uwc run` on the first HOSTS hosts, with mpirun on the first.
start() {
    local ranks=$1 hosts=$2 i
    out=$3
    shift 3
    rm -f "$scratch/hosts"
    for ((i = 0; i < hosts; i++)); do
        echo "$network.$((i + 1)) slots=$((ranks / hosts + (i < ranks % hosts)))" >>"$scratch/hosts" # ranks on each of them
    done
    export OMPI_MCA_orte_default_hostfile=$scratch/hosts
    # shellcheck disable=SC2016 # for the shell on the host
    on 0 bash -c 'cd "$1" && shift && . jobs/batch.sh && recovery=($1) && shift && batch_run "$@" && exit "$status"' - "$root" "$recovery" "$ranks" 1 \
        run "$config" -o "$out" --resume "$@" >>"$scratch/$(basename "$out").log" 2>&1 &
    job=$!
}
ends() { # ends SECONDS WHAT: `status` is that of the job
    within "$1" "the end of $2" has_ended
    status=0
    wait "$job" || status=$?
}
has_ended() { ! kill -0 "$job" 2>/dev/null; }
solved_some_on_host() { on 0 grep -q '"event": "unit"' "$out/journal.jsonl" 2>/dev/null; }

# ---- runs --------------------------------------------------------------------------------------------------------------------------------

say "a folder that all hosts see"
start 4 $HOSTS "$scratch/shared" --set run.transport=shared
ends 120 "a run over three hosts"
[ "$status" = 0 ] || fail "status $status: a shared folder"
same_bytes "$scratch/one" "$out" "a shared folder"

say "the same by the script for PBS"
printf "$network.%d\n" 1 1 2 3 >"$scratch/nodes"
CONFIG=$config DIR=$scratch/pbs PBS_NODEFILE=$scratch/nodes PBS_O_WORKDIR=$root PBS_JOBID=7 UWC_STAGE=data.calibration=data/quickstart/calibration.h5 on 0 bash "$root/jobs/run.pbs" >"$scratch/pbs.log" 2>&1 || fail "jobs/run.pbs"
same_bytes "$scratch/one" "$scratch/pbs" "PBS"
grep -q "$TMPDIR/uwc-images-7/data.calibration/calibration.h5" "$scratch/pbs/config.json" || fail "the job for PBS did not read the copies"

say "no such folder"
start 4 $HOSTS "$scratch/own/run" --set run.transport=message
ends 120 "a run without a shared folder"
[ "$status" = 0 ] || fail "status $status: no shared folder"
on 1 ls "$scratch/own" | grep -q run && fail "the second host sees the run's folder"
on 0 cp -R "$out" "$scratch/message"
same_bytes "$scratch/one" "$scratch/message" "no shared folder"

# Ranks and daemons on a host.
left_on() {
    local host=$1 process
    for process in $(pgrep -x 'exe|uwc|orted'); do
        [ "$(readlink "/proc/$process/ns/uts")" != "$(readlink "/proc/${inside[host]}/ns/uts")" ] || echo "$process"
    done
}
# A port that nobody listens on is refused, not out of reach.
is_reachable() { on 0 timeout 1 env LC_ALL=C bash -c "exec 3<>/dev/tcp/$network.$(($1 + 1))/9" 2>&1 | grep -q refused; }
nobody_on() { [ -z "$(left_on "$1")" ]; }

say "one rank, units from float inputs"
all_busy=(--set reconstruct.input=float)
"$program" run "$config" -o "$scratch/float" -q "${all_busy[@]}"
last=$((HOSTS - 1))
for case in "shared" "message" "shared --enable-recovery" "message --enable-recovery"; do
    read -r transport recovery <<<"$case"
    name=cut-$transport$recovery
    folder=$scratch
    [ "$transport" = shared ] || folder=$scratch/own
    say "the last host is cut off, $case"
    start 4 $HOSTS "$folder/$name" --set run.transport="$transport" --set run.unit_deadline=20 "${all_busy[@]}"
    within 120 "a unit" solved_some_on_host
    [ -n "$(left_on $last)" ] || fail "no rank on the last host"
    on $HOSTS ip link set "port$last" down
    cut=$SECONDS
    ends 120 "a run that lost a host"
    within 60 "the end of the ranks that were cut off" nobody_on $last
    say "status $status, $((SECONDS - cut)) s after the cut"
    if [ -z "$recovery" ]; then
        [ "$status" != 0 ] || fail "the run did not need its last host"
        start 3 $last "$out" --set run.transport="$transport" "${all_busy[@]}"
        ends 120 "a run on the hosts that are left"
    fi
    [ "$status" = 0 ] || fail "status $status: the hosts that are left, $case"
    [ "$transport" = shared ] || on 0 cp -R "$out" "$scratch/$name"
    same_bytes "$scratch/float" "$scratch/$name" "a host cut off, $case"
    on $HOSTS ip link set "port$last" up
    within 30 "the way to the last host" is_reachable $last
done
say "ok"
