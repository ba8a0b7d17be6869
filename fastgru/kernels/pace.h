/* Which of two ways to do the same work is quicker is measured, not known: two processors may share a cache or be far
 * apart, or be one core that calls itself two, and in a virtual machine this changes while a program runs. Of PACE_TURNS
 * turns the first few go the way that was slower, and the others the one that was quicker, each by its best time.
 */
#ifndef FASTGRU_PACE_H
#define FASTGRU_PACE_H

#include <time.h>

enum { PACE_KINDS = 512, PACE_TURNS = 64, PACE_TRIALS = 3 };

typedef struct {
    double best[2]; /* seconds that a unit of work took at least, either way, since the last choice; 0: no turn */
    int turn, way;
} pace_record;

static _Thread_local pace_record paces[PACE_KINDS]; /* of each kind of work, as the calling thread has found it */

static inline double pace_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The way to take. */
static inline int pace_way(int kind)
{
    pace_record *record = &paces[kind % PACE_KINDS];
    if (record->turn == PACE_TURNS) {
        const double own = record->best[record->way], other = record->best[!record->way];
        if (other > 0 && (own == 0 || other < own)) record->way = !record->way;
        *record = (pace_record){.way = record->way};
    }
    return record->turn++ < PACE_TRIALS ? !record->way : record->way;
}

/* What a turn took; one that something kept from going its way is not told. */
static inline void pace_took(int kind, int way, double seconds)
{
    double *best = &paces[kind % PACE_KINDS].best[way];
    if (*best == 0 || seconds < *best) *best = seconds;
}

#endif
