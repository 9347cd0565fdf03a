#!/bin/sh
# A rank of a job, for jobs/batch.sh: rank.sh FILE PROGRAM ARGUMENT... Under `mpirun --enable-recovery` the exit status of mpirun is 0, whatever
# became of the ranks; that of the coordinator goes to FILE.
set -u
file=$1
shift
[ "${OMPI_COMM_WORLD_RANK:-0}" = 0 ] || exec "$@"
status=0
"$@" || status=$?
echo "$status" >"$file"
exit "$status"
