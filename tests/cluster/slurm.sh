#!/bin/bash
# jobs/run.sbatch and jobs/sweep.sbatch under a Slurm of one node that this script starts, without systemd: jobs that are killed, stopped in
# order and queued again end in the bytes of a run of one rank without Slurm. Usage: slurm.sh ROOT PROGRAM SCRATCH
. "$(dirname "$0")/lib.sh"
export PATH="$PATH:/usr/sbin:/sbin"
for command in munged slurmctld slurmd sbatch; do
    command -v "$command" >/dev/null || skip "$command is not installed"
done
[ "$(id -u)" = 0 ] || skip "daemons of Slurm start jobs as the superuser alone"

# ---- Slurm -------------------------------------------------------------------------------------------------------------------------------

private=$(mktemp -d /tmp/uwc-slurm.XXXXXX) # sockets need short names
daemons=()
close_down() {
    local status=$? daemon
    trap - EXIT
    if [ "$status" != 0 ]; then
        tail -n 40 "$scratch"/*.log
    fi
    scancel --user=root 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
        [ -n "$(squeue -h 2>/dev/null)" ] || break
        sleep 0.1
    done
    pkill -KILL -f "^(mpirun|$program|/bin/sh $root/jobs/rank.sh) .*$scratch/" || true
    for daemon in "${daemons[@]}"; do
        kill -9 "$daemon" 2>/dev/null || true
    done
    rm -rf "$private"
    exit "$status"
}
trap close_down EXIT
trap 'exit 1' TERM INT

free_port() { # a port above $1 on which nobody listens
    local port=$(($1 + RANDOM % 10000))
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

start() { # start NAME COMMAND...
    local name=$1
    shift
    "$@" >"$scratch/$name.log" 2>&1 </dev/null &
    daemons+=($!)
    disown
}

host=$(hostname -s)
mkdir -p "$private"/{state,spool}
dd if=/dev/urandom of="$private/key" bs=128 count=1 2>/dev/null
chmod 600 "$private/key"
cat >"$private/slurm.conf" <<END
ClusterName=uwc
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port 20000)
SlurmdPort=$(free_port 31000)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$private/munge,cred_expire=5
StateSaveLocation=$private/state
SlurmdSpoolDir=$private/spool
SlurmctldPidFile=$private/slurmctld.pid
SlurmdPidFile=$private/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2
KillWait=5
MinJobAge=600
ReturnToService=2
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$private/slurm.conf
start munged munged --foreground --force --key-file="$private/key" --socket="$private/munge" --pid-file="$private/munged.pid" \
    --log-file="$scratch/munged.log" --seed-file="$private/seed"
within 20 "munged listens" test -S "$private/munge"
start slurmctld slurmctld -D -i
start slurmd slurmd -D
node_is_idle() { [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; }
within 60 "the node is there" node_is_idle

# ---- jobs --------------------------------------------------------------------------------------------------------------------------------

cd "$root" || exit
export UWC_PROGRAM=$program UWC_PATIENCE=5
# submit NAME OPTION-OR-SCRIPT...: a job with 4 ranks; its number in `job`, its folder in `out`.
submit() {
    out=$scratch/$1
    log=$scratch/$1.log
    shift
    job=$(sbatch --parsable -n 4 -o "$log" "$@")
}
state() { scontrol -o show job "$job" | sed -n 's/.* JobState=\([A-Z_]*\) .*/\1/p' | sort -u; }
restarts() { scontrol -o show job "$job" | sed -n 's/.* Restarts=\([0-9]*\) .*/\1/p'; }
has_ended() { case $(state) in COMPLETED | FAILED | CANCELLED | TIMEOUT | NODE_FAIL) ! squeue -h -j "$job" -t CG -o %i | grep -q . ;; *) false ;; esac }
ends() { # ends STATE: the job comes to its end
    within 180 "the end of job $job, $out" has_ended
    [ "$(state)" = "$1" ] || fail "job $job is $(state), not $1: $out"
}
mpirun_of() { pgrep -f "^mpirun .* $out "; }
ranks_of() { pgrep -f "$program .* $out "; } # with the jobs/rank.sh of rank 0

say "one rank without Slurm"
"$program" run "$config" -o "$scratch/one" -q

say "nothing happens"
submit whole jobs/run.sbatch "$config" "$scratch/whole"
ends COMPLETED
[ "$(restarts)" = 0 ] || fail "an undisturbed job was queued again"
same_bytes "$scratch/one" "$out" "4 ranks under Slurm"

say "the job is killed while it solves"
submit killed jobs/run.sbatch "$config" "$scratch/killed"
within 120 "a unit of $out" solved_some "$out"
# shellcheck disable=SC2046 # a list
kill -9 $(mpirun_of) $(ranks_of)
ends COMPLETED
[ "$(restarts)" = 1 ] || fail "the killed job was queued again $(restarts) times"
same_bytes "$scratch/one" "$out" "a killed job"

say "a worker is killed while it solves"
submit bereft jobs/run.sbatch "$config" "$scratch/bereft" --set run.unit_deadline=30
within 120 "a unit of $out" solved_some "$out"
kill -9 "$(pgrep -P "$(mpirun_of)" -x 'exe|uwc' | tail -n 1)" # none of them is the coordinator
ends COMPLETED
[ "$(restarts)" = 0 ] || fail "the job that lost a worker was queued again"
same_bytes "$scratch/one" "$out" "a job that lost a worker"

say "the coordinator is killed while it solves"
submit headless jobs/run.sbatch "$config" "$scratch/headless"
within 120 "a unit of $out" solved_some "$out"
kill -9 "$(pgrep -P "$(pgrep -f "^/bin/sh $root/jobs/rank.sh .* $out ")")"
ends COMPLETED
[ "$(restarts)" = 1 ] || fail "the job without coordinator was queued again $(restarts) times"
same_bytes "$scratch/one" "$out" "a job without coordinator"

say "the job is told to stop, as before its time limit"
submit stopped jobs/run.sbatch "$config" "$scratch/stopped"
within 120 "a unit of $out" solved_some "$out"
scancel --signal=TERM --batch "$job"
ends COMPLETED
[ "$(restarts)" = 1 ] || fail "the stopped job was queued again $(restarts) times"
grep -q 'stopped by a signal; --resume goes on' "$log" || fail "the ranks did not stop in order"
grep -q 'status 3, is queued again' "$log" || fail "the job did not queue itself again"
same_bytes "$scratch/one" "$out" "a stopped job"

say "the job is queued again from outside"
submit requeued jobs/run.sbatch "$config" "$scratch/requeued"
within 120 "a unit of $out" solved_some "$out"
scontrol requeue "$job"
ends COMPLETED
[ "$(restarts)" = 1 ] || fail "the requeued job was queued again $(restarts) times"
same_bytes "$scratch/one" "$out" "a requeued job"

say "a cancelled job stays so"
submit cancelled jobs/run.sbatch "$config" "$scratch/cancelled"
within 120 "a unit of $out" solved_some "$out"
scancel "$job"
ends CANCELLED
[ "$(restarts)" = 0 ] || fail "the cancelled job was queued again"

say "bad input is not tried again"
submit bad jobs/run.sbatch "$config" "$scratch/bad" --set data.samples=1000000
ends FAILED
[ "$(restarts)" = 0 ] || fail "bad input was queued again"

# ---- copies of images --------------------------------------------------------------------------------------------------------------------

say "images are copied to the node"
mkdir "$private/disk"
UWC_STAGE="data.calibration=data/quickstart/calibration.h5" SLURM_TMPDIR=$private/disk \
    submit staged jobs/run.sbatch "$config" "$scratch/staged"
ends COMPLETED
grep -q "$private/disk/uwc-images-$job/data.calibration/calibration.h5" "$out/config.json" || fail "the run did not read the copy"
[ -z "$(ls "$private/disk")" ] || fail "left on the disk of the node: $(ls "$private/disk")"
same_bytes "$scratch/one" "$out" "copied images"

# ---- sweeps ------------------------------------------------------------------------------------------------------------------------------

{ cat "$config" && echo 'sweep: {weight_bits: [3, 4], activation_bits: [4, 8]}'; } >"$scratch/sweep.yaml"
quick=(--set reconstruct.adapt=off -q)
runs=(weight_bits-{3,4}_activation_bits-{4,8})
"$program" sweep "$scratch/sweep.yaml" -o "$scratch/sweep" "${quick[@]}"

say "a sweep in one allocation, told to stop"
submit together jobs/sweep.sbatch "$scratch/sweep.yaml" "$scratch/together" "${quick[@]}"
within 120 "a unit of $out" solved_some "$out/${runs[0]}"
scancel --signal=TERM --batch "$job"
ends COMPLETED
[ "$(restarts)" = 1 ] || fail "the stopped sweep was queued again $(restarts) times"
for run in "${runs[@]}"; do
    same_bytes "$scratch/sweep/$run" "$out/$run" "a sweep in one allocation, $run"
done
[ "$(wc -l <"$out/sweep.csv")" = 5 ] || fail "not four rows in $out/sweep.csv"

say "a sweep as a job array"
submit array --array=0-1 jobs/sweep.sbatch "$scratch/sweep.yaml" "$scratch/array" weight_bits=3,4 "${quick[@]}"
ends COMPLETED
for run in "${runs[@]}"; do
    same_bytes "$scratch/sweep/$run" "$out/${run%_activation*}/$run" "a sweep as an array, $run"
done

say "ok"
