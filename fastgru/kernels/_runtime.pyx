# cython: language_level=3, freethreading_compatible=True
"""What the compiled kernels stand on: the thread pool, and which instruction sets this CPU has."""

from cpython.buffer cimport Py_buffer, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer

cdef extern from "pool.h" nogil:
    ctypedef void (*pool_task)(void *context, int index)
    void pool_run(pool_task task, void *context, int n, int threads)
    void pool_run_together(pool_task task, void *context, int threads, int *members)
    void pool_meet(int *arrivals, int member, int members, int count)
    void pool_forked()

cdef extern from *:
    """
    #if defined(__x86_64__)
    static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
    static int has_avx512(void)
    {
        return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
            && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int has_avx2(void) { return 0; }
    static int has_avx512(void) { return 0; }
    #endif
    """
    int has_avx2()
    int has_avx512()

cdef extern from *:
    """
    _Static_assert(POOL_MEMBERS == 16 && POOL_ARRIVALS == 18 * 32, "the numbers of _runtime.pxd are those of pool.h");
    """

cdef extern from "<pthread.h>":
    int pthread_atfork(void (*prepare)(), void (*parent)(), void (*child)())

pthread_atfork(NULL, NULL, pool_forked)


cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil:
    pool_run(<pool_task>task, context, n, threads)


cdef void run_together(task_function task, void *context, int threads, int *members) noexcept nogil:
    pool_run_together(<pool_task>task, context, threads, members)


cdef void meet(int *arrivals, int member, int members, int count) noexcept nogil:
    pool_meet(arrivals, member, members, count)


def address(memory) -> int:
    """Where the bytes of a contiguous array begin; numpy takes ten times as long to tell."""
    cdef Py_buffer view
    PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE)
    begin = <size_t>view.buf
    PyBuffer_Release(&view)
    return begin


def cpu_isas() -> list[str]:
    """The instruction sets that this CPU and operating system support, the plainest first."""
    return ["baseline"] + ["avx2"] * bool(has_avx2()) + ["avx512"] * bool(has_avx512())
