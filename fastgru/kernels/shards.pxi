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


# The gradients of a recurrent layer's weights go over all rows and steps. A shard adds up its own while its gates are in
# the cache, and no other processor touches them, which matters where processors do not share a cache: the next forward
# pass writes there. Only where so many weights would take more memory than that saves, a task adds up some columns for
# all shards at the end.

cdef enum:
    SUMMED_WEIGHTS = 32  # rows of the weights in which one task adds the shards' gradients

cdef struct WeightGradients:
    real *kernel            # (F, N), added to, or NULL
    real *recurrent_kernel  # (H, N), likewise
    Py_ssize_t F, H, N
    int shards
    real *sums              # (shards - 1, F + H, N): those of all shards but the first; NULL where they add up nothing


cdef inline bint sums_by_shard(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N, Py_ssize_t rows, Py_ssize_t T) noexcept nogil:
    """Whether the gradients of a shard, of `rows` rows, take at most twice the memory of its states."""
    return (F + H) * N <= 2 * rows * T * H


cdef WeightGradients gradients_of_shard(const WeightGradients *d, int shard) noexcept nogil:
    """Where a shard adds up."""
    cdef WeightGradients own = d[0]
    cdef Py_ssize_t size = (d.F + d.H) * d.N
    if d.sums and shard > 0:
        own.kernel = d.sums + (shard - 1) * size
        own.recurrent_kernel = own.kernel + d.F * d.N
        memset(own.kernel, 0, size * sizeof(real))
    return own


cdef void add_weight_sums(void *context, int piece) noexcept nogil:
    """SUMMED_WEIGHTS rows of the shards' gradients, in the order of the shards, to those of the first."""
    cdef const WeightGradients *d = <const WeightGradients *>context
    cdef Py_ssize_t row, j, shard
    cdef real *total
    cdef const real *own
    for row in range(piece * SUMMED_WEIGHTS, smaller((piece + 1) * SUMMED_WEIGHTS, d.F + d.H)):
        total = d.kernel if row < d.F else d.recurrent_kernel
        if not total:
            continue
        total += (row if row < d.F else row - d.F) * d.N
        for shard in range(d.shards - 1):
            own = d.sums + (shard * (d.F + d.H) + row) * d.N
            for j in range(d.N):
                total[j] += own[j]
