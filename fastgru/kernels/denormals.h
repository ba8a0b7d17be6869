/* Numbers so small that a processor computes with them many times slower count as zero between flush_denormals and
 * restore_denormals, in the calling thread alone: the setting of the caller, or of any other thread, is none of our
 * business.
 */
#ifndef FASTGRU_DENORMALS_H
#define FASTGRU_DENORMALS_H

#include <stdint.h>

#if defined(__SSE2__)
#include <immintrin.h>
static inline uint64_t flush_denormals(void)
{
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040); /* FTZ of results, DAZ of operands */
    return before;
}
static inline void restore_denormals(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
static inline uint64_t flush_denormals(void)
{
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" ::"r"(before | (1u << 24)));
    return before;
}
static inline void restore_denormals(uint64_t before) { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }
#else
static inline uint64_t flush_denormals(void) { return 0; }
static inline void restore_denormals(uint64_t before) { (void)before; }
#endif

#endif
