/* vector: compiling a loop for several instruction sets. Floor 0 (module base). */
#ifndef UWC_VECTOR_H
#define UWC_VECTOR_H

/* In front of a leaf function whose loops should use the widest vectors of the machine: it is compiled once per instruction set and chosen
 * when the program starts. Products and sums are not contracted and not reordered (-ffp-contract=off, no -ffast-math), so every version
 * gives the same bits. Sanitizers do not go together with this mechanism. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define UWC_VECTOR __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define UWC_VECTOR
#endif

#endif
