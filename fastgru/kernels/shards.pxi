# How work is cut. What is added up in one task depends on the shapes alone, so the number of threads changes no bit of a
# result.

cdef enum:
    SHARD_ROWS = 64      # rows of a batch on one thread: enough for BLAS to run near its best rate
    SHARD_WORK = 262144  # multiplications that are worth a second thread: some 10 us, of which it takes 1 to hand them over
    SHARD_NUMBERS = 32768  # numbers moved once that are worth a second thread: fewer stay in one processor's cache
    SHARD_UNITS = 48     # units of a single row that are worth a thread of their own
    SHARD_COLUMNS = 96   # columns of a weight gradient in one task: whole tiles of three vectors


cdef inline Py_ssize_t pieces(Py_ssize_t total, Py_ssize_t size) noexcept nogil:
    """Number of pieces of at most `size` in `total`."""
    return (total + size - 1) // size


cdef inline Py_ssize_t smaller(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


cdef inline Py_ssize_t larger(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a > b else b


cdef inline int worth(Py_ssize_t numbers, int threads) noexcept nogil:
    """Threads that are to move so many numbers."""
    return threads if numbers >= SHARD_NUMBERS else 1


cdef inline Py_ssize_t shard_rows(Py_ssize_t batch, Py_ssize_t work) noexcept nogil:
    """Rows of a shard, of which there are an even number; `work` is the number of multiplications for a row."""
    if batch * work < 2 * SHARD_WORK:
        return smaller(batch, SHARD_ROWS)
    return pieces(batch, 2 * pieces(batch, 2 * SHARD_ROWS))


cdef void add_column_sums(
    Py_ssize_t rows, Py_ssize_t columns, const real *a, Py_ssize_t lda, real *sums
) noexcept nogil:
    """sums (columns) += the sum of the rows of A (rows, columns)."""
    cdef Py_ssize_t i, j
    for i in range(0, rows - 3, 4):  # the sums come and go once for four rows
        for j in range(columns):
            sums[j] = sums[j] + a[j] + a[lda + j] + a[2 * lda + j] + a[3 * lda + j]
        a += 4 * lda
    for i in range(rows % 4):
        for j in range(columns):
            sums[j] += a[j]
        a += lda


cdef struct Tasks:
    task_function task
    void *context
    int count


cdef void one_of_both(void *context, int index) noexcept nogil:
    cdef Tasks *both = <Tasks *>context
    if index >= both.count:
        index -= both.count
        both += 1
    both.task(both.context, index)


cdef void run_both(Tasks *both, int threads) noexcept nogil:
    """The tasks of two that do not wait for each other."""
    run_tasks(one_of_both, both, both[0].count + both[1].count, threads)
