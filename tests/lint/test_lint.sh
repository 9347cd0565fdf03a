#!/bin/sh
# The lint scripts notice what they are for: each rule is broken once in a copy of the tree. Usage: test_lint.sh ROOT SCRATCH
set -eu
root=$1
copy=$2/copy
failed=0
fresh() {
    rm -rf "$copy"
    mkdir -p "$copy"
    cp -R "$root/src" "$root/include" "$root/.clang-format" "$copy"
    mkdir "$copy/tests" "$copy/jobs" "$copy/configs" "$copy/docs"
    touch "$copy/README.md"
}
# notices RULE TEXT: the rule fails on the copy and says TEXT
notices() {
    if sh "$root/tests/lint/$1.sh" "$copy" >"$copy/out" 2>&1 || ! grep -q "$2" "$copy/out"; then
        echo "lint rule $1 did not say: $2"
        cat "$copy/out"
        failed=1
    fi
}
fresh
echo '#include <uwc/graph.h>' >>"$copy/src/tensor/shape.c"
notices includes 'module tensor may not use graph'
fresh
echo '#include <mpi.h>' >>"$copy/src/base/file.c"
notices includes 'module base may not include mpi.h'
fresh
echo '#include <hdf5.h>' >>"$copy/include/uwc/store.h"
notices includes 'a public header includes hdf5.h'
fresh
echo '#include "tensor_impl.h"' >>"$copy/src/base/file.c"
notices includes 'not a private header of module base'
fresh
yes '' | head -n 451 >"$copy/src/base/long.c"
notices text 'src/base/long.c'
fresh
echo 'int f(MPI_COMM_WORLD);' >>"$copy/src/base/file.c"
notices text 'MPI_COMM_WORLD outside'
fresh
echo 'size_t uwc_no_such_type(class *class);' >>"$copy/include/uwc/base.h"
notices headers 'uwc/base.h does not compile alone'
if command -v shellcheck >/dev/null; then
    fresh
    printf '#!/bin/sh\nrm -r $1/*\n' >"$copy/jobs/broken.sh"
    notices shell 'SC2086'
fi
rm -rf "$copy"
exit "$failed"
