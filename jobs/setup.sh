#!/bin/sh
# Makes sure that what the build and the tests need is there; installs what is missing where apt can. Silent when nothing is missing.
#   jobs/setup.sh [--program | --check]
# --program: without what only the tests need. --check: also clang, Python and Slurm, for the checks of `jobs/test.sh --full`.
# Status 0: all there. 2: something is missing and cannot be installed here (one line says what).
set -u
scope=${1:-}
case $scope in
'' | --program | --check) ;;
*) echo "usage: jobs/setup.sh [--program | --check]" >&2 && exit 2 ;;
esac

# Libraries may come from modules or from prefixes of the user, as CMake finds them.
include_flags=
library_flags=
old_ifs=$IFS
IFS=:
for prefix in ${CMAKE_PREFIX_PATH:-}; do
    [ -n "$prefix" ] || continue
    PKG_CONFIG_PATH=$prefix/lib/pkgconfig:$prefix/lib64/pkgconfig:$prefix/share/pkgconfig:${PKG_CONFIG_PATH:-}
    include_flags="$include_flags:-I$prefix/include"
    library_flags="$library_flags:-L$prefix/lib:-L$prefix/lib64"
done
IFS=$old_ifs
export PKG_CONFIG_PATH="${PKG_CONFIG_PATH:-}"

# Compiles and links a program that includes $1 with -l$2.
links() {
    old_ifs=$IFS
    IFS=:
    # shellcheck disable=SC2086 # the flags are lists
    printf '#include <%s>\nint main(void) { return 0; }\n' "$1" |
        "${CC:-cc}" -x c - $include_flags $library_flags -l"$2" -o /dev/null 2>/dev/null
    set -- $?
    IFS=$old_ifs
    return "$1"
}
has() { command -v "$1" >/dev/null 2>&1; }
has_cmake() { # the presets need 3.24
    has cmake && cmake --version | awk 'NR == 1 { split($3, v, "."); exit !(v[1] > 3 || (v[1] == 3 && v[2] >= 24)) }'
}
has_package() { has pkg-config && pkg-config --exists "$@"; }
has_hdf5() { has_package hdf5-mpi || has_package hdf5-openmpi || has_package hdf5 || has h5pcc || has h5cc; }
has_scalapack() { links stdio.h scalapack-openmpi || links stdio.h scalapack; }
has_cplusplus() { printf '#include <cstdint>\n' | "${CXX:-c++}" -x c++ -fsyntax-only - 2>/dev/null; }
has_clang_format() { clang-format-14 --version >/dev/null 2>&1 || clang-format --version 2>/dev/null | grep -q 'version 14\.'; }
has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

has_sbin() { has "$1" || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
has_slurm() { has sbatch && has_sbin slurmd && has_sbin slurmctld && has_sbin munged; }

missing=
packages=
# need WHAT PACKAGE PROBE...: notes WHAT and PACKAGE where the probe fails.
need() {
    what=$1
    package=$2
    shift 2
    "$@" || {
        missing="$missing${missing:+, }$what"
        packages="$packages $package"
    }
}

probe() {
    missing=
    packages=
    need "a C compiler" "gcc libc6-dev" links stdio.h c
    need "CMake 3.24" cmake has_cmake
    need Ninja ninja-build has ninja
    need pkg-config pkg-config has pkg-config
    need "an MPI compiler" libopenmpi-dev has mpicc
    need mpirun openmpi-bin has mpirun
    need HDF5 libhdf5-openmpi-dev has_hdf5
    need OpenBLAS libopenblas-dev has_package openblas
    need LAPACKE liblapacke-dev links lapacke.h lapacke
    need ScaLAPACK libscalapack-openmpi-dev has_scalapack
    need oneDNN libdnnl-dev links dnnl.h dnnl
    need protobuf-c libprotobuf-c-dev has_package libprotobuf-c
    need protoc-c protobuf-c-compiler has protoc-c
    need libyaml libyaml-dev has_package yaml-0.1
    need Jansson libjansson-dev has_package jansson
    need libjpeg-turbo libturbojpeg0-dev has_package libturbojpeg
    need libpng libpng-dev has_package libpng
    [ "$scope" = --program ] && return
    need cmocka libcmocka-dev has_package cmocka
    need "a C++ compiler" g++ has_cplusplus
    need h5diff hdf5-tools has h5diff
    [ "$scope" = --check ] || return
    need clang clang has clang
    need "clang-format 14" clang-format-14 has_clang_format
    need shellcheck shellcheck has shellcheck
    need "ip, for hosts in tests" iproute2 has_sbin ip
    need "Slurm, for jobs in tests" "slurm-wlm munge" has_slurm
    need "Python 3 with venv" "python3 python3-venv" has_venv
}
probe
[ -z "$missing" ] && exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! has sudo || ! sudo -n true 2>/dev/null; then
        as_root=no
    fi
fi
if ! has apt-get || [ "$as_root" = no ]; then
    echo "jobs/setup.sh: missing: $missing (no apt or no rights to install; load modules or set CMAKE_PREFIX_PATH)" >&2
    exit 2
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "jobs/setup.sh: installing$packages"
apt() {
    # shellcheck disable=SC2086 # empty or two words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null >"$log" 2>&1
}
# shellcheck disable=SC2086 # a list of packages
if ! { apt update && apt install -y --no-install-recommends $packages; }; then
    echo "jobs/setup.sh: missing: $missing (apt-get: $(grep -m1 '^E:' "$log" || tail -n 1 "$log"))" >&2
    exit 2
fi
probe
if [ -n "$missing" ]; then
    echo "jobs/setup.sh: missing even after installing: $missing" >&2
    exit 2
fi
