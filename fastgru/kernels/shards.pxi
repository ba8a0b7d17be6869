# How work is cut. Boundaries depend on the shapes alone, so the number of threads changes no bit of a result.

cdef enum:
    SHARD_ROWS = 64     # rows of a batch on one thread: enough for BLAS to run near its best rate
    SHARD_LEAST = 8     # fewer are not worth a second thread
    SHARD_UNITS = 96    # units that are worth a second thread where there are only a few rows
    SHARD_COLUMNS = 96  # columns of a weight gradient in one task: whole tiles of three vectors


cdef inline Py_ssize_t shard_rows(Py_ssize_t batch) noexcept nogil:
    """Rows of a shard: half of a small batch, so that two threads have work, at most SHARD_ROWS."""
    cdef Py_ssize_t half = (batch + 2 * SHARD_LEAST - 1) // (2 * SHARD_LEAST) * SHARD_LEAST
    return SHARD_ROWS if half > SHARD_ROWS else half


cdef inline Py_ssize_t pieces(Py_ssize_t total, Py_ssize_t size) noexcept nogil:
    """Number of pieces of at most `size` in `total`."""
    return (total + size - 1) // size


cdef inline Py_ssize_t smaller(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


cdef void add_column_sums(
    Py_ssize_t rows, Py_ssize_t columns, const real *a, Py_ssize_t lda, real *sums
) noexcept nogil:
    """sums (columns) += the sum of the rows of A (rows, columns)."""
    cdef Py_ssize_t i, j
    for i in range(rows):
        for j in range(columns):
            sums[j] += a[i * lda + j]
