#ifndef FASTGRU_PREFETCH_H
#define FASTGRU_PREFETCH_H

#include <stddef.h>

enum { CACHE_LINE = 64 };

/* Ask for the lines of memory from here on, so that whoever reads or writes them soon need not wait; into the L2 cache,
 * for the L1 cache is full of what is being worked on. */
static inline void prefetch(const void *memory, ptrdiff_t bytes)
{
    for (ptrdiff_t i = 0; i < bytes; i += CACHE_LINE) __builtin_prefetch((const char *)memory + i, 0, 2);
}

#endif
