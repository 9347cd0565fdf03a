/* The limit of instruction sets: oneDNN takes it once, before its first kernel. */
#include "onednn.h"

#include <string.h>

uwc_status uwc_ops_limit_isa(const char *isa) {
    static const struct {
        const char *name;
        dnnl_cpu_isa_t isa;
    } known[] = {
        {"sse41", dnnl_cpu_isa_sse41}, {"avx", dnnl_cpu_isa_avx}, {"avx2", dnnl_cpu_isa_avx2}, {"avx512_core", dnnl_cpu_isa_avx512_core}};
    if (strcmp(isa, "auto") == 0) {
        return UWC_OK;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(isa, known[i].name) == 0) {
            bool taken = dnnl_set_max_cpu_isa(known[i].isa) == dnnl_success || dnnl_get_effective_cpu_isa() <= known[i].isa;
            UWC_CHECK(taken, UWC_E_STATE, "instruction set %s is in use already, it cannot be limited to %s", uwc_ops_isa(), isa);
            return UWC_OK;
        }
    }
    return uwc_error_set(UWC_E_ARG, "instruction set \"%s\"", isa);
}
