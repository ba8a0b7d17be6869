# What the kernels of all recurrent layers share: the sequences that they read and write, cut into blocks of rows.

cdef inline Py_ssize_t weights_numbers(const Sequences *seq, Py_ssize_t columns) noexcept nogil:
    """Of the input and the recurrent kernel together."""
    return (seq.F + seq.H) * columns


cdef void run_packing(
    task_function pack_part, void *context, const Sequences *seq, Py_ssize_t columns, int threads
) noexcept nogil:
    """All parts of the weights, on one thread where they are few."""
    run_tasks(pack_part, context, PACK_TASKS, threads_for(weights_numbers(seq, columns), threads))


cdef inline void copy_or_clear(real *to, const real *source, Py_ssize_t n) noexcept nogil:
    """`to` (n) = source, or zeros where active_rows is none."""
    if source:
        memcpy(to, source, n * sizeof(real))
    else:
        memset(to, 0, n * sizeof(real))


cdef inline void join_blocks(Sequences *seq) noexcept nogil:
    """All rows in one block, for a thread that has nobody to share them with: weights come once for all. With tiles no
    bit of a result depends on it, but for sums over rows."""
    if seq.B <= MAX_BLOCK_ROWS:
        seq.block_rows = seq.B


cdef inline Py_ssize_t rows_of_block(const Sequences *seq, Py_ssize_t first) noexcept nogil:
    """Rows of the block that begins with a row."""
    return min(seq.block_rows, seq.B - first)


cdef inline Py_ssize_t time_index(const Sequences *seq, Py_ssize_t step) noexcept nogil:
    """Where the input of a step stands in the sequence."""
    return seq.T - 1 - step if seq.go_backwards else step


cdef inline bint masked(const Sequences *seq, Py_ssize_t row, Py_ssize_t step) noexcept nogil:
    return seq.mask != NULL and not seq.mask[row * seq.T + time_index(seq, step)]


cdef Py_ssize_t find_active_rows(
    const Sequences *seq, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, Py_ssize_t *active_rows
) noexcept nogil:
    """Which rows of a block are not masked at a step, counted from its first; returns how many."""
    cdef Py_ssize_t i, n = 0
    for i in range(R):
        active_rows[n] = i
        n += not masked(seq, first + i, step)
    return n


cdef void gather_inputs(const Sequences *seq, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start, Py_ssize_t steps,
                        real *xs) noexcept nogil:
    """The inputs of `steps` steps of a block in time order."""
    cdef Py_ssize_t s, i, F = seq.F
    for s in range(steps):
        for i in range(R):
            if masked(seq, first + i, start + s):  # what a masked step holds, NaN perhaps, must reach no gradient
                memset(xs + (s * R + i) * F, 0, F * sizeof(real))
            else:
                memcpy(xs + (s * R + i) * F, seq.x + ((first + i) * seq.T + time_index(seq, start + s)) * F,
                       F * sizeof(real))


cdef void put_step(const Sequences *seq, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, const real *h) noexcept nogil:
    """The states of a step of a block into their place in y."""
    cdef Py_ssize_t i, H = seq.H
    cdef real *y
    for i in range(R):
        y = seq.y + ((first + i) * seq.T + step) * H
        if seq.zero_output_for_mask and masked(seq, first + i, step):
            memset(y, 0, H * sizeof(real))
        else:
            memcpy(y, h + i * H, H * sizeof(real))


cdef void add_output_gradients(
    const Sequences *seq, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *dh
) noexcept nogil:
    """dh (R, H) += the gradients of a step's outputs, where active_rows are any."""
    cdef Py_ssize_t i, j, H = seq.H
    cdef const real *dy
    if not seq.dy:
        return
    for i in range(R):
        if seq.zero_output_for_mask and masked(seq, first + i, step):
            continue
        dy = seq.dy + ((first + i) * seq.T + step) * H
        for j in range(H):
            dh[i * H + j] += dy[j]
