# What the run_<what>.sh tests share. Arguments of those: DRIVER SCRATCH; $MPIEXEC: launcher up to the number of ranks.
driver=$1
scratch=$2
inputs=$scratch/inputs
rm -rf "$scratch"
mkdir -p "$scratch"

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# ranks RANKS COMMAND...: the driver under the launcher; output in $scratch/log, exit status in $status.
ranks() {
    local n=$1
    shift
    status=0
    $MPIEXEC "$n" "$driver" "$@" >"$scratch/log" 2>&1 || status=$?
}

expect_status() {
    [ "$status" = "$1" ] || { cat "$scratch/log"; fail "exit status $status, not $1: $2"; }
}

expect_text() {
    grep -q -- "$1" "$scratch/log" || { cat "$scratch/log"; fail "no \"$1\": $2"; }
}

# same_results DIR DIR WHAT: every unit file and the model have the same bytes.
same_results() {
    local file
    [ "$(ls "$1/units")" = "$(ls "$2/units")" ] || fail "$3: other unit files"
    for file in "$1"/units/*.h5 "$1/model.onnx"; do
        cmp "$file" "$2/${file#"$1"/}" || fail "$3: ${file#"$1"/} differs"
    done
}

# No file is half-written: nothing is left under a temporary name after an orderly end.
no_leftovers() {
    [ -z "$(find "$1" -name '*.tmp*')" ] || fail "$2: $(find "$1" -name '*.tmp*')"
}
