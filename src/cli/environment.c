/* What lies around the program: environment, launcher, terminal.
 *
 * Libraries that read the environment when they are loaded can be told only before the program starts: this file starts it again, once.
 *
 * OPENBLAS_CORETYPE    OpenBLAS 0.3.21 does not recognise processors newer than itself and falls back to AVX2 kernels at half the speed.
 * OPENBLAS_NUM_THREADS one thread per call: parallelism is above it, and its sums must not depend on a thread count.
 * OMP_WAIT_POLICY      waiting threads sleep; ranks that wait for messages must not eat the cores of those that work.
 * MALLOC_MMAP_THRESHOLD_ large blocks go back to the system when they are freed. glibc's own threshold grows with what it has seen, and
 *                      blocks of many sizes then leave a heap with holes, a fifth larger than what is in it.
 *
 * What is set already stays. Results on processors of another kind may differ in the last digits; plan.json records the instruction set. */
#include "cli_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* True if the variable was missing and is set now. */
static bool set_missing(const char *name, const char *value) {
    return getenv(name) == NULL && setenv(name, value, 0) == 0;
}

static bool has_avx512(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return false;
#endif
}

void uwc_cli__prepare_environment(char **argv) {
    bool changed = has_avx512() && set_missing("OPENBLAS_CORETYPE", "SKYLAKEX");
    changed |= set_missing("OPENBLAS_NUM_THREADS", "1");
    changed |= set_missing("OMP_WAIT_POLICY", "passive");
    changed |= set_missing("MALLOC_MMAP_THRESHOLD_", "1048576");
    if (changed) {
        execv("/proc/self/exe", argv); /* where that cannot be, the program goes on as it is: slower, not wrong */
    }
}

int uwc_cli__launch_rank(void) {
    static const char *const variable[] = {"PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof variable / sizeof variable[0]; i++) {
        const char *text = getenv(variable[i]);
        if (text != NULL) {
            return atoi(text);
        }
    }
    return 0;
}

static int width_of(int file) {
    struct winsize size;
    return ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int uwc_cli__terminal_columns(void) {
    if (isatty(STDERR_FILENO) == 1) {
        return width_of(STDERR_FILENO);
    }
    if (getenv("PMIX_RANK") == NULL) {
        return 0;
    }
    /* mpirun passes messages on through a pipe: where they end is known by its own standard error */
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/2", (long)getppid());
    int file = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    int columns = file >= 0 && isatty(file) == 1 ? width_of(file) : 0;
    if (file >= 0) {
        close(file);
    }
    return columns;
}
