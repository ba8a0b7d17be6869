# How work is cut: a batch into blocks of rows, a weight's gradient into blocks of columns. What is added up in one task
# depends on the shapes alone, so the number of threads changes no bit of a result.

cdef enum:
    MAX_BLOCK_ROWS = 64     # rows of a batch on one thread: enough for BLAS to run near its best rate
    BLOCK_COLUMNS = 96      # columns of a weight gradient in one task: whole tiles of three vectors
    THREAD_WORK = 262144    # multiplications that pay for a second thread: some 10 us, of which handing over takes 1
    THREAD_NUMBERS = 32768  # numbers moved once that do: fewer stay in one processor's cache
    THREAD_UNITS = 48       # units of a single row that do


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef inline int threads_for(Py_ssize_t numbers, int threads) noexcept nogil:
    """Threads that are to move so many numbers."""
    return threads if numbers >= THREAD_NUMBERS else 1


cdef inline Py_ssize_t rows_per_block(Py_ssize_t batch, Py_ssize_t work) noexcept nogil:
    """Rows of a block, of which there are an even number; `work` is the number of multiplications for a row."""
    if batch * work < 2 * THREAD_WORK:
        return min(batch, MAX_BLOCK_ROWS)
    return ceil_div(batch, 2 * ceil_div(batch, 2 * MAX_BLOCK_ROWS))


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
