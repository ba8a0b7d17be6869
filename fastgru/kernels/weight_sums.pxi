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


cdef Py_ssize_t lay_out_sums(WeightGradients *d, const Sequences *seq, Py_ssize_t N, real *memory) noexcept nogil:
    """Where the shards add up, if that takes at most twice the memory of the states; returns how many numbers it takes."""
    cdef Py_ssize_t F = seq.F, H = seq.H
    if (F + H) * N > 2 * seq.rows * seq.T * H:
        return 0
    d.F, d.H, d.N, d.shards, d.sums = F, H, N, <int>pieces(seq.B, seq.rows), memory
    return whole_vectors((d.shards - 1) * (F + H) * N)


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
    cdef Py_ssize_t first = <Py_ssize_t>piece * SUMMED_WEIGHTS
    for row in range(first, smaller(first + SUMMED_WEIGHTS, d.F + d.H)):
        total = d.kernel if row < d.F else d.recurrent_kernel
        if not total:
            continue
        total += (row if row < d.F else row - d.F) * d.N
        for shard in range(d.shards - 1):
            own = d.sums + (shard * (d.F + d.H) + row) * d.N
            for j in range(d.N):
                total[j] += own[j]


cdef void sum_shards(WeightGradients *d, int threads) noexcept nogil:
    if d.shards > 1:
        run_tasks(add_weight_sums, d, <int>pieces(d.F + d.H, SUMMED_WEIGHTS), threads)
