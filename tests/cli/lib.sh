# Sourced by test_*.sh with ROOT PROGRAM SCRATCH as arguments: an empty scratch folder to work in, and checks that print the command that failed.
set -eu
root=$1
program=$2
scratch=$3
rm -rf "$scratch"
mkdir -p "$scratch/work"
scratch=$(cd "$scratch" && pwd)
. "$root/jobs/env.sh"
cd "$scratch/work"
failed=0

complain() {
    failed=1
    printf 'FAILED: %s\n  %s\n' "$words" "$1" >&2
    sed 's/^/  stdout: /' "$scratch/out" | head -n 20 >&2
    sed 's/^/  stderr: /' "$scratch/err" | head -n 20 >&2
}

# Runs words; their output in $scratch/out, $scratch/err, their status in $status.
try() {
    words=$*
    status=0
    "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

# expect STATUS WORD...: the status of the command.
expect() {
    wanted=$1
    shift
    try "$@"
    [ "$status" = "$wanted" ] || complain "status $status, wanted $wanted"
}

# says TEXT: the results of the last command hold TEXT.
says() {
    grep -qF -- "$1" "$scratch/out" || complain "no \"$1\" in the results"
}

# refuse TEXT ARGUMENT...: uwc ends with status 2, prints nothing but one line on stderr, and that line holds TEXT.
refuse() {
    text=$1
    shift
    expect 2 "$program" "$@"
    [ ! -s "$scratch/out" ] || complain "something on stdout"
    [ "$(wc -l <"$scratch/err")" = 1 ] || complain "not exactly one line on stderr"
    grep -q '^uwc: error: ' "$scratch/err" || complain "no \"uwc: error: \""
    grep -qF -- "$text" "$scratch/err" || complain "no \"$text\" in the message"
}

finish() {
    [ "$failed" = 0 ] || exit 1
    echo ok
}
