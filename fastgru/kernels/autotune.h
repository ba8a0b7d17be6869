/* Which of two ways to do the same work is quicker is measured, not known: two processors may share a cache or be far
 * apart, or be one core that calls itself two, and in a virtual machine this changes while a program runs. Each period
 * of calls begins with a few trials of either way; the way of the best time has the rest of it. The next period is
 * longer where the other way was so slow that trying it again costs much.
 */
#ifndef FASTGRU_AUTOTUNE_H
#define FASTGRU_AUTOTUNE_H

#include <stdint.h>
#include <time.h>

enum { AUTOTUNE_KINDS = 64, AUTOTUNE_TRIALS = 3, AUTOTUNE_PERIOD = 64, AUTOTUNE_LONGEST = 4096 };

typedef struct {
    uint64_t kind;
    double best[2]; /* seconds that a unit of work took at least, either way, in this period; 0: not known */
    int way;        /* the better one so far */
    int call, period;
} autotune_record;

/* Of each kind of work, as the calling thread has measured it. */
static _Thread_local autotune_record autotune_records[AUTOTUNE_KINDS];

static inline double autotune_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The record of a kind; two that share a place take it from each other. */
static inline autotune_record *autotune_find(uint64_t kind)
{
    autotune_record *record = &autotune_records[kind * 0x9E3779B97F4A7C15u >> 58];
    if (record->kind != kind) *record = (autotune_record){.kind = kind, .way = 1, .period = AUTOTUNE_PERIOD};
    return record;
}

/* The way to take: 0 or, where nothing is known of 0, 1. */
static inline int autotune_choose(uint64_t kind)
{
    autotune_record *record = autotune_find(kind);
    if (record->call == 2 * AUTOTUNE_TRIALS) {
        const double current = record->best[record->way], other = record->best[!record->way];
        if (other > 0 && (current == 0 || other < current)) record->way = !record->way;
        const double better = record->best[record->way], worse = record->best[!record->way];
        const int longer = record->period < AUTOTUNE_LONGEST ? 2 * record->period : AUTOTUNE_LONGEST;
        record->period = worse > 2 * better ? longer : AUTOTUNE_PERIOD;
    } else if (record->call == record->period) {
        *record = (autotune_record){.kind = kind, .way = record->way, .period = record->period};
    }
    return record->call++ < AUTOTUNE_TRIALS ? !record->way : record->way;
}

/* What a call took; one that something kept from going its way is not reported. */
static inline void autotune_report(uint64_t kind, int way, double seconds)
{
    double *best = &autotune_find(kind)->best[way];
    if (*best == 0 || seconds < *best) *best = seconds;
}

#endif
