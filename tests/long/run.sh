#!/bin/sh
# Runs a long test with the Python and the environment that the checks need. Usage: run.sh SCRIPT ARGUMENT...
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/jobs/env.sh"
python=$("$root/jobs/check_env.sh")
script=$1
shift
exec "$python" -B "$root/tests/long/$script" "$@"
