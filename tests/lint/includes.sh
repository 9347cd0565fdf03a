#!/bin/sh
# Every #include of src and include/uwc against the table in src/cmake/modules.cmake: a module includes the public headers of the modules it
# uses and the third-party headers of its libraries, nothing else. Usage: includes.sh [ROOT]
set -eu
cd "${1:-$(dirname "$0")/../..}"
find src include -name '*.[ch]' | LC_ALL=C sort | xargs awk '
BEGIN {
    # The table itself: "name | floor | uses | libraries"
    table = "src/cmake/modules.cmake"
    while ((getline line < table) > 0) {
        if (line !~ /^ *"[a-z]+ *\|/) continue
        gsub(/"/, "", line)
        split(line, field, "|")
        for (i = 1; i <= 4; i++) gsub(/^ +| +$/, "", field[i])
        known[field[1]] = 1
        modules++
        n = split(field[3], part, / +/)
        for (i = 1; i <= n; i++) uses[field[1], part[i]] = 1
        n = split(field[4], part, / +/)
        for (i = 1; i <= n; i++) links[field[1], part[i]] = 1
    }
    if (modules < 10) { print table ": the table was not understood"; bad = 1; exit }
    # Public headers that are not named after their module say so in their first line: "module base".
    for (i = 1; i < ARGC; i++) {
        if (ARGV[i] ~ /^include\/uwc\// && (getline line < ARGV[i]) > 0 && match(line, /module [a-z]+/)) {
            name = ARGV[i]
            gsub(/^include\/uwc\/|\.h$/, "", name)
            home[name] = substr(line, RSTART + 7, RLENGTH - 7)
        }
    }
    # Third-party headers, and the library they belong to.
    library["^jansson\\.h$"] = "jansson"
    library["^yaml\\.h$"] = "yaml"
    library["^mpi\\.h$"] = "mpi"
    library["^omp\\.h$"] = "openmp"
    library["^(oneapi/)?dnnl/?.*\\.h$"] = "dnnl"
    library["^(hdf5|H5).*\\.h$"] = "hdf5"
    library["^(turbojpeg|jpeglib)\\.h$"] = "jpeg"
    library["^(lib)?png.*\\.h$"] = "png"
    library["^(cblas|openblas_config)\\.h$"] = "openblas"
    library["^lapacke.*\\.h$"] = "lapacke"
    library["(\\.pb-c|protobuf-c)\\.h$"] = "protobuf"
    n = split("assert ctype dirent errno fcntl fenv float inttypes limits math pthread sched setjmp signal stdalign stdarg stdatomic stdbool " \
        "stddef stdint stdio stdlib stdnoreturn string strings sys/file sys/mman sys/resource sys/stat sys/statvfs sys/time sys/types sys/uio sys/wait " \
        "sys/ioctl sanitizer/lsan_interface termios time tgmath unistd immintrin cpuid locale glob ftw libgen poll", part, " ")
    for (i = 1; i <= n; i++) system_header[part[i] ".h"] = 1
}
function exists(path,    line, found) {
    found = (getline line < path) >= 0
    close(path)
    return found
}
function complain(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
FNR == 1 {
    if (FILENAME ~ /^include\/uwc\//) {
        public = 1
        module = FILENAME
        sub(/^include\/uwc\//, "", module)
        sub(/\.h$/, "", module)
        umbrella = module == "uwc" || module == "version"
        if (module in home) module = home[module]
    } else {
        public = umbrella = 0
        split(FILENAME, part, "/")
        module = part[2]
    }
    if (!umbrella && !(module in known)) complain("module " module " is not in " table)
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    name = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name)
    quoted = substr(name, 1, 1) == "\""
    name = substr(name, 2)
    sub(/[">].*/, "", name)
    if (name ~ /^uwc\//) {
        other = name
        sub(/^uwc\//, "", other)
        sub(/\.h$/, "", other)
        if (other in home) other = home[other]
        if (!umbrella && other != module && other != "version" && !((module, other) in uses))
            complain("module " module " may not use " other)
        next
    }
    owner = ""
    for (pattern in library) if (name ~ pattern) owner = library[pattern]
    if (owner != "" && public) complain("a public header includes " name)
    else if (owner != "" && !((module, owner) in links)) complain("module " module " may not include " name " (library " owner ")")
    else if (owner == "" && quoted) {
        if (name == "par_mpi.h" ? module !~ /^(par|store|linalg)$/ : (public || !exists("src/" module "/" name)))
            complain("\"" name "\" is not a private header of module " module)
    } else if (owner == "" && !(name in system_header)) complain("<" name "> is not a known system header")
}
END { exit bad }'
