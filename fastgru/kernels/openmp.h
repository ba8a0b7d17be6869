/* The threads of an OpenMP runtime that the process has already, PyTorch's say, for calls that come from there.
 *
 * A thread that has just finished looks for the next job for a while before it sleeps, ours as well as theirs. With two
 * pools in turns each takes from the other the processors that it computes on, which was measured to cost a third of a
 * training step; and no setting short of an environment variable makes OpenMP's threads sleep at once. All members of
 * an OpenMP team run at the same time, so it can be a team of pool.h as well.
 */
#ifndef FASTGRU_OPENMP_H
#define FASTGRU_OPENMP_H

#include <stdatomic.h>
#include <stddef.h>

/* GOMP_parallel, which LLVM's and Intel's runtimes have, too, omp_get_thread_num and omp_get_num_threads; NULL where
 * nobody has said them, and in a forked child, where libgomp hangs. */
static struct {
    void (*parallel)(void (*member)(void *), void *context, unsigned threads, unsigned flags);
    int (*thread_num)(void);
    int (*num_threads)(void);
} openmp;

static _Thread_local int openmp_borrows; /* whether the calls of this thread run there */

typedef struct {
    void (*task)(void *context, int index);
    void *context;
    int n, threads;
    atomic_int next;
    int *members;
} openmp_job;

static inline int openmp_is_used(void) { return openmp_borrows && openmp.parallel; }

static void openmp_take_tasks(void *argument)
{
    openmp_job *job = argument;
    if (openmp.thread_num() >= job->threads) return;
    for (int i; (i = atomic_fetch_add(&job->next, 1)) < job->n;) job->task(job->context, i);
}

static void openmp_join_team(void *argument)
{
    openmp_job *job = argument;
    const int member = openmp.thread_num(), all = openmp.num_threads();
    const int members = all < job->threads ? all : job->threads;
    if (member >= members) return;
    __atomic_store_n(job->members, members, __ATOMIC_RELAXED); /* all say the same */
    job->task(job->context, member);
}

/* Run a job on the whole team, 0 threads as OpenMP says: a smaller one would make libgomp end the others. */
static void openmp_run(void (*member)(void *), openmp_job *job) { openmp.parallel(member, job, 0, 0); }

#endif
