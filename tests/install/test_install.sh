#!/bin/sh
# Installs a build tree, then builds and runs embed/ against the installed files alone. Usage: test_install.sh BUILD-TREE SCRATCH
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
scratch=$2
rm -rf "$scratch"
mkdir -p "$scratch"
prefix=$(cd "$scratch" && pwd)/prefix
fail() {
    echo "test_install.sh: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$prefix" >"$scratch/install.log"
for file in bin/uwc include/uwc/uwc.h share/man/man1/uwc.1 share/doc/uwc/LICENSE; do
    [ -f "$prefix/$file" ] || fail "$file is not installed"
done
version=$(sed -n 's/^#define UWC_VERSION "\(.*\)"/\1/p' "$prefix/include/uwc/version.h")
"$prefix/bin/uwc" --version | grep -qF "$version" || fail "uwc --version does not say $version"
# Nothing in the text files points back to where they were made.
! grep -rIlF "$(cd "$build" && pwd)" "$prefix" || fail "installed files name the build tree"

expected="uwc $version: -2 -1 0 1"
cmake -S "$here/embed" -B "$scratch/embed" -G Ninja -DCMAKE_C_COMPILER="$CC" -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/embed.log"
cmake --build "$scratch/embed" >>"$scratch/embed.log" || fail "find_package: $(tail -n 20 "$scratch/embed.log")"
said=$("$scratch/embed/embed")
[ "$said" = "$expected" ] || fail "through find_package: '$said' in place of '$expected'"

PKG_CONFIG_PATH=$prefix/lib/pkgconfig:$(echo "$prefix"/lib/*/pkgconfig)
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion uwc)" = "$version" ] || fail "pkg-config: wrong version"
# shellcheck disable=SC2046 # lists of flags
"$CC" "$here/embed/embed.c" -o "$scratch/by_pkg_config" $(pkg-config --cflags --libs uwc)
said=$("$scratch/by_pkg_config")
[ "$said" = "$expected" ] || fail "through pkg-config: '$said' in place of '$expected'"
