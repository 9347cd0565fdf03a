#include <uwc/base.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ALIGNMENT = 64 };

uwc_status uwc_calloc(int64_t count, size_t size, void *out) {
    *(void **)out = NULL;
    UWC_CHECK(count >= 0, UWC_E_NOMEM, "negative element count %lld", (long long)count);
    size_t number = count == 0 ? 1 : (size_t)count, bytes;
    UWC_CHECK(!__builtin_mul_overflow(number, size, &bytes) && bytes <= PTRDIFF_MAX - ALIGNMENT, UWC_E_NOMEM, "%zu elements of %zu bytes",
              number, size);
    void *memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    UWC_CHECK(memory != NULL, UWC_E_NOMEM, "no memory for %zu bytes", bytes);
    memset(memory, 0, bytes);
    *(void **)out = memory;
    return UWC_OK;
}

uwc_status uwc_grow(void *array, int64_t *capacity, int64_t count, size_t size) {
    if (count <= *capacity) {
        return UWC_OK;
    }
    int64_t wanted = *capacity < 8 ? 8 : *capacity;
    while (wanted < count) {
        UWC_CHECK(wanted <= INT64_MAX / 2, UWC_E_NOMEM, "%lld elements of %zu bytes", (long long)count, size);
        wanted *= 2;
    }
    void *bigger;
    UWC_TRY(uwc_calloc(wanted, size, &bigger));
    if (*capacity > 0) {
        memcpy(bigger, *(void **)array, (size_t)*capacity * size);
    }
    free(*(void **)array);
    *(void **)array = bigger;
    *capacity = wanted;
    return UWC_OK;
}

void uwc_free(void *pointer) {
    free(*(void **)pointer);
    *(void **)pointer = NULL;
}

uwc_status uwc_strdup(const char *text, char **out) {
    size_t bytes = strlen(text) + 1;
    UWC_TRY(uwc_calloc((int64_t)bytes, 1, out));
    memcpy(*out, text, bytes);
    return UWC_OK;
}

uwc_status uwc_format(char **out, const char *format, ...) {
    *out = NULL;
    va_list list;
    va_start(list, format);
    int bytes = vsnprintf(NULL, 0, format, list);
    va_end(list);
    UWC_CHECK(bytes >= 0, UWC_E_INTERNAL, "text format \"%s\"", format);
    UWC_TRY(uwc_calloc((int64_t)bytes + 1, 1, out));
    va_start(list, format);
    vsnprintf(*out, (size_t)bytes + 1, format, list);
    va_end(list);
    return UWC_OK;
}

int64_t uwc_peak_rss(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}
