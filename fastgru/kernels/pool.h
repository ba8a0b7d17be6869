/* A thread pool for short tasks: pool_run(task, context, n, threads) calls task(context, i) for i in 0..n-1 on up to
 * `threads` threads, the caller's among them, and returns when all are done. pool_run_together calls task(context, i) on
 * several threads at the same time, so that they may wait for each other with pool_meet.
 *
 * Why not a standard executor: handing a task to a Python thread costs some 30 us, as much as a small layer takes; a
 * worker that has just finished looks for the next job for a fraction of a millisecond before it sleeps, and
 * takes it within 1 us.
 * Why not OpenMP: a second runtime to ship, and a forked child of a process that used libgomp hangs. Here a child
 * starts with an empty pool. One job runs at a time; whoever finds the pool busy does its tasks itself.
 */
#ifndef FASTGRU_POOL_H
#define FASTGRU_POOL_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef void (*pool_task)(void *context, int index);

enum { POOL_SPINS = 20000, POOL_PATIENCE = 500 };

static struct {
    pthread_mutex_t owner;    /* held by whoever has a job in the pool */
    pthread_mutex_t lock;     /* guards entering and leaving a job, and the sleepers' conditions */
    pthread_cond_t work, done;
    int workers;              /* threads started so far */
    atomic_uint job_number;   /* grows with every job */
    atomic_int next, active;  /* next task to take; workers that are inside the job */
    int places;               /* workers that may still enter the job */
    int together;             /* whether all of them run at the same time, each one task */
    atomic_int begun;         /* if so, whether it is known how many they are */
    int n;
    pool_task task;
    void *context;
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static inline void pool_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void pool_take_tasks(void)
{
    for (int i; (i = atomic_fetch_add(&pool.next, 1)) < pool.n;) pool.task(pool.context, i);
}

static void *pool_worker(void *argument)
{
    unsigned seen = (unsigned)(size_t)argument; /* the last job before the worker */
    for (;;) {
        for (int spin = 0; spin < POOL_SPINS && atomic_load(&pool.job_number) == seen; spin++) pool_relax();
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.job_number) == seen) pthread_cond_wait(&pool.work, &pool.lock);
        seen = atomic_load(&pool.job_number);
        const int enters = pool.places > 0;
        if (enters) pool.places--, atomic_fetch_add(&pool.active, 1);
        pthread_mutex_unlock(&pool.lock);
        if (!enters) continue;
        if (pool.together) {
            const int i = atomic_fetch_add(&pool.next, 1);
            while (!atomic_load(&pool.begun)) pool_relax();
            pool.task(pool.context, i);
        } else {
            pool_take_tasks();
        }
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
    pool.workers = 0;
    pool.places = 0;
    atomic_store(&pool.active, 0);
}

/* Start workers until there are `count`, as far as the system grants them. Signals stay with the threads Python knows. */
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
static void pool_open(pool_task task, void *context, int n, int helpers, int together, int next)
{
    if (pool.workers < helpers) pool_grow(helpers);
    pthread_mutex_lock(&pool.lock);
    pool.task = task;
    pool.context = context;
    pool.n = n;
    pool.places = helpers;
    pool.together = together;
    atomic_store(&pool.begun, 0);
    atomic_store(&pool.next, next);
    atomic_fetch_add(&pool.job_number, 1);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
}

/* Nobody enters any more: a worker that the system has not run yet must not be waited for. Returns how many are inside. */
static int pool_close(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.places = 0;
    const int inside = atomic_load(&pool.active);
    pthread_mutex_unlock(&pool.lock);
    return inside;
}

/* Wait until all workers have left the job. */
static void pool_finish(void)
{
    for (int spin = 0; spin < POOL_SPINS && atomic_load(&pool.active); spin++) pool_relax();
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.active)) pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.owner);
}

static void pool_run(pool_task task, void *context, int n, int threads)
{
    const int helpers = (threads < n ? threads : n) - 1;
    if (helpers <= 0 || pthread_mutex_trylock(&pool.owner)) {
        for (int i = 0; i < n; i++) task(context, i);
        return;
    }
    pool_open(task, context, n, helpers, 0, 0);
    pool_take_tasks();
    pool_close();
    pool_finish();
}

/* `members` receives how many run, before any of them does: those that were there at once, and always the caller. */
static void pool_run_together(pool_task task, void *context, int threads, int *members)
{
    *members = 1;
    if (threads <= 1 || pthread_mutex_trylock(&pool.owner)) {
        task(context, 0);
        return;
    }
    pool_open(task, context, 0, threads - 1, 1, 1);
    for (int spin = 0; spin < POOL_PATIENCE && atomic_load(&pool.active) < threads - 1; spin++) pool_relax();
    *members += pool_close();
    atomic_store(&pool.begun, 1);
    task(context, 0);
    pool_finish();
}

/* Wait until all members have arrived here for the `count`th time. arrivals has POOL_ARRIVALS numbers that are zero at
 * first: each member has a line of the cache, of the longest there are, that nobody else writes. */
enum { POOL_MEMBERS = 16, POOL_LINE = 128 / sizeof(int), POOL_ARRIVALS = (POOL_MEMBERS + 2) * POOL_LINE };

static inline void pool_meet(int *arrivals, int member, int members, int count)
{
    arrivals += POOL_LINE;
    __atomic_store_n(arrivals + member * POOL_LINE, count, __ATOMIC_RELEASE);
    for (int other = 0; other < members; other++)
        for (int spin = 1; __atomic_load_n(arrivals + other * POOL_LINE, __ATOMIC_ACQUIRE) < count; spin++) {
            pool_relax();
            if (spin % POOL_PATIENCE == 0) sched_yield(); /* perhaps somebody else's thread stands in the way */
        }
}

#endif
