# What the scripts for batch systems and jobs/local.sh share; sourced by bash from the project's root, not run.
# shellcheck shell=bash
. jobs/env.sh

root=$PWD
launcher=                    # process id of mpirun
stopped=                     # the batch system, or the user, asked to stop
apart=()                     # what keeps a terminal's signals from mpirun
binding=(--bind-to none)     # where ranks run
recovery=(--enable-recovery) # a lost rank does not end the others
copies=                      # folder of the copies of images
staged=()                    # options that name them
forward=(-x OMP_WAIT_POLICY -x HWLOC_HIDE_ERRORS) # environment of ranks on other nodes

# What ranks write for themselves, and copies of images, lie on the disk of their node where the site names one.
[ -z "${SLURM_TMPDIR:-}" ] || export TMPDIR="$SLURM_TMPDIR"
[ -z "${TMPDIR:-}" ] || forward+=(-x TMPDIR)

# The ranks on this node are told, and agree with all others on the end. mpirun is not: it would kill them a second later. They are children
# of mpirun, or of the jobs/rank.sh that is; `exe` is the name of a program that started itself again.
batch_stop() {
    stopped=1
    [ -z "$launcher" ] || pkill -TERM -x 'exe|uwc' -P "$launcher,$(pgrep -d, -P "$launcher" || echo "$launcher")" || true
}

# batch_bind RANKS THREADS: `binding` gives each rank THREADS cores of its own, where mpirun finds as many in the allocation.
batch_bind() {
    binding=(--map-by "slot:PE=$2" --bind-to core)
    mpirun -n "$1" "${binding[@]}" true >/dev/null 2>&1 || binding=(--bind-to none)
}

# batch_each NODES COMMAND ARGUMENT...: once on every node.
batch_each() {
    local nodes=$1
    shift
    mpirun -n "$nodes" --map-by ppr:1:node "$@"
}

# batch_stage NODES JOB: copies what $UWC_STAGE names, as "data.calibration=PATH data.evaluation=PATH", to $TMPDIR of every node.
batch_stage() {
    local item key path
    [ -n "${TMPDIR:-}" ] && [ -n "${UWC_STAGE:-}" ] || return 0
    copies=$TMPDIR/uwc-images-$2
    for item in $UWC_STAGE; do
        key=${item%%=*} path=${item#*=}
        # shellcheck disable=SC2016 # for the shell on the node
        batch_each "$1" sh -c 'rm -rf "$1" && mkdir -p "$1" && cp -R "$2" "$1"' - "$copies/$key" "$path" || return
        staged+=(--set "$key=$copies/$key/${path##*/}")
    done
}

# batch_unstage NODES: removes the copies.
batch_unstage() {
    [ -z "$copies" ] || batch_each "$1" rm -rf "$copies"
}

# batch_run RANKS THREADS COMMAND ARGUMENT...: `uwc COMMAND ARGUMENT...` under mpirun, and not srun, which ends all ranks when one dies. Without
# THREADS the configuration decides. The exit status, that of the coordinator, is in `status`.
batch_run() {
    local ranks=$1 threads=$2 command=$3 said overdue=0
    shift 3
    status=3
    [ -z "$stopped" ] || return 0
    said=$(mktemp)
    "${apart[@]}" mpirun -n "$ranks" "${recovery[@]}" "${binding[@]}" "${forward[@]}" "$root/jobs/rank.sh" "$said" \
        "${UWC_PROGRAM:-$root/build/release/uwc}" "$command" ${threads:+--set "run.threads=$threads"} "${staged[@]}" "$@" </dev/null &
    launcher=$!
    while kill -0 "$launcher" 2>/dev/null; do
        [ -z "$stopped" ] || batch_stop # again: ranks may not have been there at first
        if [ -n "$stopped" ] || [ -s "$said" ]; then
            overdue=$((overdue + 1))
        fi
        # With --enable-recovery mpirun waits for ever for a host that is gone, and ranks may wait for a coordinator that is.
        [ "$overdue" -lt "${UWC_PATIENCE:-60}" ] || kill -TERM "$launcher" || true
        sleep 1 || true # Ctrl-C ends it
    done
    launcher=
    read -r status <"$said" || status=1 # not even the coordinator came to an end
    rm -f "$said"
}

# batch_goes_on RESTARTS: whether the job is worth queueing again. It is when it was asked to stop; a lost rank or node may leave any status
# but 0 (done) and 2 (bad input), and so may units that fail every time: such a job has three more tries.
batch_goes_on() {
    [ "$status" != 0 ] && [ "$status" != 2 ] && { [ -n "$stopped" ] || [ "$1" -lt "${UWC_RETRIES:-3}" ]; }
}

# batch_slurm COMMAND ARGUMENT...: a whole job of Slurm, from its allocation to its exit status.
batch_slurm() {
    local ranks=${SLURM_NTASKS:-1} threads=${SLURM_CPUS_PER_TASK:-1} nodes=${SLURM_JOB_NUM_NODES:-1}
    trap batch_stop TERM
    batch_bind "$ranks" "$threads"
    batch_stage "$nodes" "$SLURM_JOB_ID" || exit 2
    batch_run "$ranks" "$threads" "$@"
    batch_unstage "$nodes"
    # A job that the user cancelled, or that Slurm itself has queued again, is no longer running.
    if batch_goes_on "${SLURM_RESTART_COUNT:-0}" && [ -n "$(squeue -h -j "$SLURM_JOB_ID" -t RUNNING -o %i)" ]; then
        echo "job $SLURM_JOB_ID: status $status, is queued again"
        scontrol requeue "$SLURM_JOB_ID" && exit 0
    fi
    exit "$status"
}
