# The gradients of a recurrent layer's weights go over all rows and steps. A block of rows adds up its own while its
# gates are in the cache, and no other processor touches them, which matters where processors do not share a cache: the
# next forward pass writes there. Only where so many weights would take more memory than that saves, a task adds up some
# columns for all blocks at the end.

cdef enum:
    SUMMED_WEIGHTS = 32  # rows of the weights in which one task adds the blocks' gradients

cdef Py_ssize_t plan_sums(WeightGradients *d, const Sequences *seq, Py_ssize_t N, real *memory) noexcept nogil:
    """Where the blocks add up, if that takes at most twice the memory of the states; returns how many numbers."""
    cdef Py_ssize_t F = seq.F, H = seq.H
    d.sums = NULL
    if (F + H) * N > 2 * seq.block_rows * seq.T * H:
        return 0
    d.F, d.H, d.N, d.blocks, d.sums = F, H, N, <int>ceil_div(seq.B, seq.block_rows), memory
    return pad_to_vectors((d.blocks - 1) * (F + H) * N)


cdef WeightGradients gradients_of_block(const WeightGradients *d, int block) noexcept nogil:
    """Where a block of rows adds up."""
    cdef WeightGradients total = d[0]
    cdef Py_ssize_t size = (d.F + d.H) * d.N
    if d.sums and block > 0:
        total.kernel = d.sums + (block - 1) * size
        total.recurrent_kernel = total.kernel + d.F * d.N
        memset(total.kernel, 0, size * sizeof(real))
    return total


cdef void add_weight_sums(void *context, int task) noexcept nogil:
    """SUMMED_WEIGHTS rows of the blocks' gradients, in the order of the blocks, to those of the first."""
    cdef const WeightGradients *d = <const WeightGradients *>context
    cdef Py_ssize_t row, j, block
    cdef real *total
    cdef const real *sums
    cdef Py_ssize_t first = <Py_ssize_t>task * SUMMED_WEIGHTS
    for row in range(first, min(first + SUMMED_WEIGHTS, d.F + d.H)):
        total = d.kernel if row < d.F else d.recurrent_kernel
        if not total:
            continue
        total += (row if row < d.F else row - d.F) * d.N
        for block in range(d.blocks - 1):
            sums = d.sums + (block * (d.F + d.H) + row) * d.N
            for j in range(d.N):
                total[j] += sums[j]


cdef void sum_row_blocks(WeightGradients *d, int threads) noexcept nogil:
    if d.blocks > 1:
        run_tasks(add_weight_sums, d, <int>ceil_div(d.F + d.H, SUMMED_WEIGHTS), threads)
