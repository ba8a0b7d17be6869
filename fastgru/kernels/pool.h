/* A thread pool for short tasks: pool_run(task, context, n, threads) calls task(context, i) for i in 0..n-1 on up to
 * `threads` threads, the caller's among them, and returns when all are done. pool_run_team calls task(context, i) on
 * several threads at the same time, so that they may wait for each other with barrier_wait.
 *
 * Why not a standard executor: handing a task to a Python thread costs some 30 us, as much as a small layer takes; a
 * worker that has just finished looks for the next job for a fraction of a millisecond before it sleeps, and
 * takes it within 1 us.
 * Why not OpenMP: a second runtime to ship, and a forked child of a process that used libgomp hangs. Here a child
 * starts with an empty pool. One job runs at a time; whoever finds the pool busy does its tasks itself.
 * Where another library's OpenMP is there anyway, and the call comes from there, it is used: see openmp.h.
 */
#ifndef FASTGRU_POOL_H
#define FASTGRU_POOL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* for RUSAGE_THREAD */
#endif
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "openmp.h"

typedef void (*pool_task)(void *context, int index);

/* Rounds of looking before a thread sleeps, which the system may take long to wake again: at most a fraction of a
 * millisecond, for the one it waits for may have no processor, and under a quota looking uses up what it needs. Where
 * others want the processors, those of FREE_SPINS alone: some microseconds. */
enum { POOL_SPINS = 20000, BARRIER_SPINS = 2000, TEAM_SPINS = 500, FREE_SPINS = 256 };

/* How long the processors count as wanted by others after one of our threads had to leave its own. */
enum { CROWDED_NS = 5000000 };

static struct {
    pthread_mutex_t owner;    /* held by whoever has a job in the pool */
    pthread_mutex_t lock;     /* guards entering and leaving a job, and all conditions */
    pthread_cond_t work;      /* a job, or the start of a team */
    pthread_cond_t done;      /* the last worker has left */
    pthread_cond_t arrived;   /* somebody for whom a member sleeps is at the barrier */
    int workers;              /* threads started so far */
    atomic_uint job_number;   /* grows with every job */
    atomic_int next, active;  /* next task to take; workers that are inside the job */
    int open_slots;           /* workers that may still enter the job */
    int is_team;              /* whether all of them run at the same time, each one task */
    atomic_int team_started;  /* if so, whether it is known how many they are */
    int n;
    pool_task task;
    void *context;
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER, .arrived = PTHREAD_COND_INITIALIZER};

static atomic_llong crowded_until; /* a time of pool_now */

static inline long long pool_now(void)
{
    struct timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Whether another thread than ours wants this processor, or lately wanted one of those that we compute on. */
static int pool_crowded(void)
{
    const long long now = pool_now();
#ifdef RUSAGE_THREAD
    static _Thread_local long switches = -1;
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    if (switches >= 0 && usage.ru_nivcsw != switches) atomic_store(&crowded_until, now + CROWDED_NS);
    switches = usage.ru_nivcsw;
#endif
    return now < atomic_load(&crowded_until);
}

static inline void pool_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* One round of looking, the `*spin`th; 0 when it is time to sleep. Whoever has looked for long offers the processor to
 * others, which is a switch that pool_crowded counts where one of them takes it. */
static inline int pool_looks(int *spin, int spins)
{
    pool_relax();
    if (++*spin % FREE_SPINS) return *spin < spins;
    sched_yield();
    return *spin < spins && !pool_crowded();
}

static void pool_take_tasks(void)
{
    for (int i; (i = atomic_fetch_add(&pool.next, 1)) < pool.n;) pool.task(pool.context, i);
}

/* The one task of a worker in a team, once it is known how many are in it. */
static void pool_join_team(void)
{
    const int member = atomic_fetch_add(&pool.next, 1);
    for (int spin = 0; !atomic_load(&pool.team_started) && pool_looks(&spin, BARRIER_SPINS);) {}
    if (!atomic_load(&pool.team_started)) {
        pthread_mutex_lock(&pool.lock);
        while (!atomic_load(&pool.team_started)) pthread_cond_wait(&pool.work, &pool.lock);
        pthread_mutex_unlock(&pool.lock);
    }
    pool.task(pool.context, member);
}

static void *pool_worker(void *argument)
{
    unsigned last_job = (unsigned)(size_t)argument; /* the last one before the worker */
    for (;;) {
        for (int spin = 0; atomic_load(&pool.job_number) == last_job && pool_looks(&spin, POOL_SPINS);) {}
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.job_number) == last_job) pthread_cond_wait(&pool.work, &pool.lock);
        last_job = atomic_load(&pool.job_number);
        const int enters = pool.open_slots > 0;
        if (enters) pool.open_slots--, atomic_fetch_add(&pool.active, 1);
        pthread_mutex_unlock(&pool.lock);
        if (!enters) continue;
        if (pool.is_team) pool_join_team();
        else pool_take_tasks();
        if (atomic_fetch_sub(&pool.active, 1) == 1) {
            pthread_mutex_lock(&pool.lock);
            pthread_cond_signal(&pool.done);
            pthread_mutex_unlock(&pool.lock);
        }
    }
    return NULL;
}

/* In a forked child no worker exists and any lock may be held by a thread that does not: start anew. */
static void pool_forked(void)
{
    pthread_mutex_init(&pool.owner, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    pthread_cond_init(&pool.arrived, NULL);
    pool.workers = 0;
    pool.open_slots = 0;
    atomic_store(&pool.active, 0);
    openmp.parallel = NULL;
}

/* Start workers until there are `count`, as far as the system grants them. Signals stay with Python's threads. */
static void pool_grow(int count)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t thread; pool.workers < count; pool.workers++) {
        void *argument = (void *)(size_t)atomic_load(&pool.job_number);
        if (pthread_create(&thread, NULL, pool_worker, argument)) break;
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Let up to `helpers` workers into a job whose first task not yet taken is `next`. */
static void pool_open(pool_task task, void *context, int n, int helpers, int is_team, int next)
{
    if (pool.workers < helpers) pool_grow(helpers);
    pthread_mutex_lock(&pool.lock);
    pool.task = task;
    pool.context = context;
    pool.n = n;
    pool.open_slots = helpers;
    pool.is_team = is_team;
    atomic_store(&pool.team_started, 0);
    atomic_store(&pool.next, next);
    atomic_fetch_add(&pool.job_number, 1);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

/* Nobody enters any more: a worker that the system has not run yet must not be waited for. A team starts, as many as
 * `members` then says. */
static void pool_close(int *members)
{
    pthread_mutex_lock(&pool.lock);
    pool.open_slots = 0;
    if (members) {
        *members = 1 + atomic_load(&pool.active);
        atomic_store(&pool.team_started, 1);
        pthread_cond_broadcast(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
}

/* Wait until all workers have left the job. */
static void pool_finish(void)
{
    for (int spin = 0; atomic_load(&pool.active) && pool_looks(&spin, POOL_SPINS);) {}
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.active)) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.owner);
}

static void pool_run(pool_task task, void *context, int n, int threads)
{
    const int helpers = (threads < n ? threads : n) - 1;
    if (helpers > 0 && openmp_is_used()) {
        openmp_job job = {.task = task, .context = context, .n = n, .threads = threads};
        openmp_run(openmp_take_tasks, &job);
        return;
    }
    if (helpers <= 0 || pthread_mutex_trylock(&pool.owner)) {
        for (int i = 0; i < n; i++) task(context, i);
        return;
    }
    pool_open(task, context, n, helpers, 0, 0);
    pool_take_tasks();
    pool_close(NULL);
    pool_finish();
}

/* `members` receives how many run, before any of them does: those that were there at once, and always the caller. */
static void pool_run_team(pool_task task, void *context, int threads, int *members)
{
    *members = 1;
    if (threads > 1 && openmp_is_used()) {
        openmp_job job = {.task = task, .context = context, .threads = threads, .members = members};
        openmp_run(openmp_join_team, &job);
        return;
    }
    /* members that have no processor would keep the others at every barrier */
    if (threads <= 1 || pool_now() < atomic_load(&crowded_until) || pthread_mutex_trylock(&pool.owner)) {
        task(context, 0);
        return;
    }
    pool_open(task, context, 0, threads - 1, 1, 1);
    for (int spin = 0; spin < TEAM_SPINS && atomic_load(&pool.active) < threads - 1; spin++) pool_relax();
    pool_close(members);
    task(context, 0);
    pool_finish();
}

/* Of each member a line of the cache, of the longest there are, that says how often it was at the barrier, times 2, and
 * 1 more where somebody sleeps until it comes. A line of nobody's before and behind them all. */
enum { TEAM_MEMBERS = 16, BARRIER_LINE = 128 / sizeof(int), BARRIER_NUMBERS = (TEAM_MEMBERS + 2) * BARRIER_LINE };

static inline int *barrier_count(int *barrier, int member) { return barrier + (member + 1) * BARRIER_LINE; }

/* Sleep until a member's count is no less than this. */
static void barrier_sleep(int *count, int least)
{
    pthread_mutex_lock(&pool.lock);
    for (int current; (current = __atomic_load_n(count, __ATOMIC_ACQUIRE)) < least;) {
        const int with_sleeper = current | 1;
        if (__atomic_compare_exchange_n(count, &current, with_sleeper, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            pthread_cond_wait(&pool.arrived, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
}

/* Wait until all members of a team have arrived here for the `phase`th time. The barrier's BARRIER_NUMBERS numbers are
 * zero at first. */
static inline void barrier_wait(int *barrier, int member, int members, int phase)
{
    if (__atomic_exchange_n(barrier_count(barrier, member), 2 * phase, __ATOMIC_ACQ_REL) & 1) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.arrived);
        pthread_mutex_unlock(&pool.lock);
    }
    for (int other = 0; other < members; other++) {
        int *count = barrier_count(barrier, other), spin = 0, looks = 1;
        while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < 2 * phase && looks) looks = pool_looks(&spin, BARRIER_SPINS);
        if (!looks) barrier_sleep(count, 2 * phase);
    }
}

#endif
