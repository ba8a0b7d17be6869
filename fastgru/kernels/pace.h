/* Which of two ways to do the same work is quicker is measured, not known: two processors may share a cache or be far
 * apart, or be one core that calls itself two, and in a virtual machine this changes while a program runs. Each period of
 * turns begins with a few trials of either way; the way of the best time has the rest of it. The next period is longer
 * where the other way was so slow that trying it again costs much.
 */
#ifndef FASTGRU_PACE_H
#define FASTGRU_PACE_H

#include <stdint.h>
#include <time.h>

enum { PACE_KINDS = 64, PACE_TRIALS = 3, PACE_PERIOD = 64, PACE_LONGEST = 4096 };

typedef struct {
    uint64_t kind;
    double best[2]; /* seconds that a unit of work took at least, either way, in this period; 0: not known */
    int way, turn, period;
} pace_record;

static _Thread_local pace_record paces[PACE_KINDS]; /* of each kind of work, as the calling thread has found it */

static inline double pace_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The record of a kind; two that share a place take it from each other. */
static inline pace_record *pace_of(uint64_t kind)
{
    pace_record *record = &paces[kind * 0x9E3779B97F4A7C15u >> 58];
    if (record->kind != kind) *record = (pace_record){.kind = kind, .way = 1, .period = PACE_PERIOD};
    return record;
}

/* The way to take: 0 or, where nothing is known of 0, 1. */
static inline int pace_way(uint64_t kind)
{
    pace_record *record = pace_of(kind);
    if (record->turn == 2 * PACE_TRIALS) {
        const double own = record->best[record->way], other = record->best[!record->way];
        if (other > 0 && (own == 0 || other < own)) record->way = !record->way;
        const double better = record->best[record->way], worse = record->best[!record->way];
        const int longer = record->period < PACE_LONGEST ? 2 * record->period : PACE_LONGEST;
        record->period = worse > 2 * better ? longer : PACE_PERIOD;
    } else if (record->turn == record->period) {
        *record = (pace_record){.kind = kind, .way = record->way, .period = record->period};
    }
    return record->turn++ < PACE_TRIALS ? !record->way : record->way;
}

/* What a turn took; one that something kept from going its way is not told. */
static inline void pace_took(uint64_t kind, int way, double seconds)
{
    double *best = &pace_of(kind)->best[way];
    if (*best == 0 || seconds < *best) *best = seconds;
}

#endif
