# cython: language_level=3
"""What the compiled kernels stand on: the thread pool, bytes in memory, and which instruction sets this CPU has."""

from cpython.buffer cimport (
    Py_buffer, PyBUF_FORMAT, PyBUF_ND, PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.string cimport memcmp, memcpy

cdef extern from "pool.h" nogil:
    ctypedef void (*pool_task)(void *context, int index)
    void pool_run(pool_task task, void *context, int n, int threads)
    void pool_run_team(pool_task task, void *context, int threads, int *members)
    void pool_barrier_wait "barrier_wait"(int *barrier, int member, int members, int phase)
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
    _Static_assert(TEAM_MEMBERS == 16 && BARRIER_NUMBERS == 18 * 32, "the numbers of _runtime.pxd are those of pool.h");
    """

cdef extern from "openmp.h" nogil:
    ctypedef struct OpenMP:
        void *parallel
        void *thread_num
        void *num_threads
    OpenMP openmp
    int openmp_borrows

cdef extern from *:
    const char *__VERSION__
    const char *BUILD_FLAGS  # which setup.py defines

cdef extern from "<pthread.h>":
    int pthread_atfork(void (*prepare)(), void (*parent)(), void (*child)())

pthread_atfork(NULL, NULL, pool_forked)


cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil:
    pool_run(<pool_task>task, context, n, threads)


cdef void run_team(task_function task, void *context, int threads, int *members) noexcept nogil:
    pool_run_team(<pool_task>task, context, threads, members)


cdef void barrier_wait(int *barrier, int member, int members, int phase) noexcept nogil:
    pool_barrier_wait(barrier, member, members, phase)


def use_openmp(size_t parallel, size_t thread_num, size_t num_threads):
    """Where GOMP_parallel, omp_get_thread_num and omp_get_num_threads stand of the OpenMP runtime that `on_openmp` runs
    on; all 0 for none."""
    openmp.thread_num, openmp.num_threads = <void *>thread_num, <void *>num_threads
    openmp.parallel = <void *>parallel


def on_openmp(run, call, int threads):
    """run(call, threads), whose kernels run on the threads of OpenMP where `use_openmp` has said of which."""
    global openmp_borrows
    openmp_borrows = 1
    try:
        return run(call, threads)
    finally:
        openmp_borrows = 0


def address(memory) -> int:
    """Where the bytes of a contiguous array begin; numpy takes ten times as long to tell."""
    cdef Py_buffer view
    PyObject_GetBuffer(memory, &view, PyBUF_SIMPLE)
    begin = <size_t>view.buf
    PyBuffer_Release(&view)
    return begin


def same_bytes(one, other) -> bool:
    """Whether two contiguous arrays have the same bytes."""
    cdef Py_buffer first, second
    PyObject_GetBuffer(one, &first, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(other, &second, PyBUF_SIMPLE)
        same = first.len == second.len and memcmp(first.buf, second.buf, first.len) == 0
        PyBuffer_Release(&second)
    finally:
        PyBuffer_Release(&first)
    return same


cdef enum:
    GATHERED_BYTES = 32768   # that one task copies: a few us of work, from memory that no cache holds
    PREFETCHED_BYTES = 4096  # of a row at most: the processor itself fetches what follows


cdef extern from "prefetch.h" nogil:
    void prefetch(const void *memory, Py_ssize_t bytes)


cdef struct Gather:
    Py_ssize_t count       # rows to gather
    Py_ssize_t row_bytes
    Py_ssize_t task_rows   # rows of a task
    const char *source
    const long long *indices
    char *out


cdef void gather_task(void *context, int task) noexcept nogil:
    cdef Gather *p = <Gather *>context
    cdef Py_ssize_t i, first = task * p.task_rows, end = min(first + p.task_rows, p.count)
    for i in range(first, end):
        if i + 1 < end:  # rows lie anywhere: while one is copied the next is on its way
            prefetch(p.source + p.indices[i + 1] * p.row_bytes, min(p.row_bytes, PREFETCHED_BYTES))
        memcpy(p.out + i * p.row_bytes, p.source + p.indices[i] * p.row_bytes, p.row_bytes)


cdef int check_indices(const Py_buffer *indices) except -1:
    """ValueError unless they are one row of int64, to which C has two names."""
    if indices.ndim != 1 or indices.itemsize != sizeof(long long) or indices.format not in (b"l", b"q"):
        raise ValueError(
            f"gather_rows: expected indices of int64 with 1 axis, got {indices.ndim} axes of type "
            f"{indices.format.decode()!r} with {indices.itemsize} bytes a number."
        )
    return 0


cdef int check_rows(const Py_buffer *source, const Py_buffer *out, Py_ssize_t count) except -1:
    """ValueError unless `out` has `count` of the source's rows."""
    cdef bint fit = source.ndim == out.ndim > 0 and source.itemsize == out.itemsize and out.shape[0] == count
    cdef int axis
    for axis in range(1, source.ndim):
        fit = fit and source.shape[axis] == out.shape[axis]
    if not fit:
        source_shape = [source.shape[axis] for axis in range(source.ndim)]
        shape = [out.shape[axis] for axis in range(out.ndim)]
        raise ValueError(
            f"gather_rows: expected {count} rows of an array of shape {source_shape} with {source.itemsize} bytes a "
            f"number, got memory of shape {shape} with {out.itemsize}."
        )
    return 0


cdef int gather(const Py_buffer *source, const Py_buffer *indices, const Py_buffer *out, int threads) except -1:
    cdef Gather p
    cdef Py_ssize_t i
    check_indices(indices)
    p.count, p.indices = indices.shape[0], <const long long *>indices.buf
    check_rows(source, out, p.count)
    p.row_bytes = out.itemsize
    for i in range(1, out.ndim):
        p.row_bytes *= out.shape[i]
    for i in range(p.count):
        if not 0 <= p.indices[i] < source.shape[0]:
            raise IndexError(f"gather_rows: there are {source.shape[0]} rows, no row {p.indices[i]}.")
    if p.row_bytes == 0 or p.count == 0:
        return 0
    p.source, p.out = <const char *>source.buf, <char *>out.buf
    p.task_rows = 1 + GATHERED_BYTES // p.row_bytes
    with nogil:
        run_tasks(gather_task, &p, <int>((p.count + p.task_rows - 1) // p.task_rows), threads)
    return 0


def gather_rows(source, indices, out, int threads):
    """out[i] = source[indices[i]] for contiguous arrays of one type and rows of one shape, on several threads where
    there is much to copy; indices are int64. IndexError for a row that the source does not have, ValueError where
    shapes or the type of the indices do not fit."""
    # a memoryview in the signature would do for the indices, and take two thirds of this module's compilation
    cdef Py_buffer read, numbers, written
    PyObject_GetBuffer(source, &read, PyBUF_ND)
    try:
        PyObject_GetBuffer(indices, &numbers, PyBUF_ND | PyBUF_FORMAT)
        try:
            PyObject_GetBuffer(out, &written, PyBUF_ND | PyBUF_WRITABLE)
            try:
                gather(&read, &numbers, &written, threads)
            finally:
                PyBuffer_Release(&written)
        finally:
            PyBuffer_Release(&numbers)
    finally:
        PyBuffer_Release(&read)


def cpu_isas() -> list[str]:
    """The instruction sets that this CPU and operating system support, the plainest first."""
    return ["baseline"] + ["avx2"] * bool(has_avx2()) + ["avx512"] * bool(has_avx512())


def compiler() -> str:
    """The compiler with its version, and its flags."""
    version = __VERSION__.decode()
    name = version if "clang" in version.lower() else f"gcc {version}"  # which leaves out its name
    return f"{name} ({BUILD_FLAGS.decode()})"
