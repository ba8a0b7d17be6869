"""The thread pool of the kernels (pool.h), by itself: what it promises of jobs, teams and their barrier."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastgru import kernels

COMPILER = shutil.which("cc")
HEADERS = Path(kernels.__file__).parent

pytestmark = pytest.mark.skipif(
    COMPILER is None or not (HEADERS / "pool.h").exists(), reason="no C compiler, or no source of the kernels"
)


def run(tmp_path: Path, body: str) -> str:
    """What a C program with the pool in it puts out."""
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text(f'#include "pool.h"\n#include <stdio.h>\n#include <time.h>\n#include <unistd.h>\n{body}')
    command = [str(COMPILER), "-O2", "-pthread", f"-I{HEADERS}", "-Wno-unused-function", str(source), "-o"]
    subprocess.run([*command, str(program)], check=True)
    return subprocess.run([str(program)], capture_output=True, text=True, timeout=120, check=True).stdout


def test_who_waits_long_at_the_barrier_sleeps(tmp_path: Path) -> None:
    """One member comes half a second late: looking for it all that time would cost half a second of CPU time."""
    seconds = run(
        tmp_path,
        """
static int barrier[BARRIER_NUMBERS], members;
static void task(void *context, int member)
{
    if (members == 1) return;
    if (member == 1) usleep(500000);
    barrier_wait(barrier, member, members, 1);
    if (member == 0) usleep(500000); /* and the other way round */
    barrier_wait(barrier, member, members, 2);
}
int main(void)
{
    clock_t begin = 0;
    while (members != 2) { /* the worker must just have been there */
        begin = clock();
        pool_run_team(task, NULL, 2, &members);
    }
    printf("%f", (double)(clock() - begin) / CLOCKS_PER_SEC);
}
""",
    )
    assert float(seconds) < 0.1


def test_members_meet_at_every_turn_of_the_barrier_whoever_sleeps(tmp_path: Path) -> None:
    """More members than processors: some are late at every turn, and each must find what all others wrote before it."""
    wrong = run(
        tmp_path,
        """
enum { THREADS = 5, ROUNDS = 2000 };
static int barrier[BARRIER_NUMBERS], members, values[THREADS], wrong;
static void task(void *context, int member)
{
    for (int round = 1; round <= ROUNDS; round += 2) {
        values[member] = round;
        barrier_wait(barrier, member, members, round);
        for (int other = 0; other < members; other++)
            if (values[other] != round) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        barrier_wait(barrier, member, members, round + 1);
    }
}
int main(void)
{
    for (int run = 0; run < 5; run += members > 2) {
        usleep(20000); /* who has been crowded runs alone for a while */
        for (int i = 0; i < BARRIER_NUMBERS; i++) barrier[i] = 0;
        pool_run_team(task, NULL, THREADS, &members);
    }
    printf("%d", wrong);
}
""",
    )
    assert wrong == "0"


def test_nobody_enters_a_job_that_is_closed(tmp_path: Path) -> None:
    """Short jobs of more threads than there are processors: workers come late to nearly all of them."""
    wrong = run(
        tmp_path,
        """
enum { THREADS = 6, JOBS = 20000 };
static int members, calls, wrong;
static void in_team(void *context, int member)
{
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    if (member >= members) __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}
static void alone(void *context, int index) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }
int main(void)
{
    for (int job = 0; job < JOBS; job++) {
        calls = 0;
        pool_run_team(in_team, NULL, THREADS, &members);
        wrong += calls != members;
        calls = 0;
        pool_run(alone, NULL, 7, THREADS);
        wrong += calls != 7;
        if (job % 50 == 0) usleep(200); /* let the workers fall asleep now and then */
    }
    printf("%d", wrong);
}
""",
    )
    assert wrong == "0"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a system that binds no process to processors")
def test_a_worker_without_work_leaves_the_processor_to_other_processes(tmp_path: Path) -> None:
    """Short jobs with pauses of 200 us, beside programs that compute on the same two processors all the time.

    Looking for the next job through all pauses would take more than 100 us of a processor for each.
    """
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cpus)[:2])
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        microseconds = run(
            tmp_path,
            """
static void task(void *context, int index) {}
int main(void)
{
    const struct timespec pause = {.tv_nsec = 200000};
    const long long end = pool_now() + 1000000000LL;
    int jobs = 0;
    for (; pool_now() < end; jobs++) pool_run(task, NULL, 2, 2), nanosleep(&pause, NULL);
    printf("%f", 1e6 * clock() / CLOCKS_PER_SEC / jobs);
}
""",
        )
    finally:
        os.sched_setaffinity(0, cpus)
        for other in others:
            other.kill()
            other.wait()
    assert float(microseconds) < 70
