# The GRU's backward pass. From the gradient dh of the state after a step, and for h the state before it:
#
#   dz = dh (h - g) f'(z)        dg = dh (1 - z) a'(g)
#
#   reset_after                                   reset before (reset_after=False)
#   dr = dg q f'(r)                               d(r h) = dg Uh'
#   dq = dg r                                     dr = d(r h) h f'(r)
#   dh <- dh z + [dz dr dq] U'                    dh <- dh z + d(r h) r + [dz dr] [Uz Ur]'
#   dU += h' [dz dr dq]                           dU += [h' [dz dr], q' dg]
#
#   dx = [dz dr dg] W'    dW += x' [dz dr dg]    the biases' gradients are sums of rows
#
# A block of rows goes through its steps from the last to the first, and a row [g z r q] becomes [dg dz dr dq].


cdef void reset_gate_gradients_before(
    const GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h, real *dh, real *scratch
) noexcept nogil:
    """What follows from d(r h) without reset_after: dr of a block's rows, and what it adds to dh."""
    cdef Py_ssize_t i, j, H = p.seq.H
    # d(r h) = dg Uh'
    if p.packed:
        multiply_packed(R, H, H, gates, 4 * H, p.packed + packed_size(2 * H, H), False, scratch, H)
    else:
        multiply(False, True, R, H, H, gates, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, scratch, H)
    for i in range(R):
        if masked(&p.seq, first + i, step):
            continue
        reset_gradients(p, scratch + i * H, gates + i * 4 * H, h + i * H, scratch + i * H)
        for j in range(H):
            dh[i * H + j] += scratch[i * H + j]


cdef void gru_backward_step(
    const GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h, real *dh, real *scratch
) noexcept nogil:
    """One time step of a block backwards: [g z r q] become their gradients, dh that of the state before the step."""
    cdef Py_ssize_t i, H = p.seq.H, columns = 3 * H if p.reset_after else 2 * H
    cdef real *row
    for i in range(R):
        row = gates + i * 4 * H
        if step > 0:  # the same row of the step that comes next
            prefetch(row - R * 4 * H, 4 * H * sizeof(real))
            prefetch(h + (i - R) * H, H * sizeof(real))
        if masked(&p.seq, first + i, step):
            memset(row, 0, 4 * H * sizeof(real))
            continue
        candidate_gradients(p, h + i * H, row, dh + i * H)
        if p.reset_after:
            reset_gradients(p, row, row, row + 3 * H, row + 3 * H)
    if not p.reset_after:
        reset_gate_gradients_before(p, first, R, step, gates, h, dh, scratch)
    if step == 0 and not p.dh0:
        return  # the gradient of the state before is not asked for
    # dh += [dz dr dq] U', or [dz dr] [Uz Ur]' without reset_after
    if p.packed:
        multiply_packed(R, H, columns, gates + H, 4 * H, p.packed, True, dh, H)
    else:
        multiply(False, True, R, H, columns, gates + H, 4 * H, p.recurrent_kernel, 3 * H, 1, dh, H)


cdef void input_gradients(const GRU *p, Py_ssize_t R, const real *gates, real *dx) noexcept nogil:
    """dx = dg Wh' + [dz dr] [Wz Wr]' of one step, into rows that stand T F apart."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    if p.packed:
        multiply_packed(R, F, 3 * H, gates, 4 * H, p.packed + packed_size(3 * H, H), False, dx, p.seq.T * F)
    else:
        multiply(False, True, R, F, H, gates, 4 * H, p.kernel + 2 * H, 3 * H, 0, dx, p.seq.T * F)
        multiply(False, True, R, F, 2 * H, gates + H, 4 * H, p.kernel, 3 * H, 1, dx, p.seq.T * F)


cdef inline void add_product(
    const GRU *p, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *d, real *c
) noexcept nogil:
    """C (m, n) += A' D for A (k, m) and D (k, n), a part of the gates' gradients; C is a part of a weight's."""
    if p.packed:
        add_transposed(m, n, k, a, lda, d, 4 * p.seq.H, c, 3 * p.seq.H)
    else:
        multiply(True, False, m, n, k, a, lda, d, 4 * p.seq.H, 1, c, 3 * p.seq.H)


cdef struct WeightPart:
    # columns of a weight's gradient that are next to each other in it and in a row [dg dz dr dq]
    bint recurrent       # of the recurrent kernel, not the input one
    bint left_is_q       # what they are multiplied with from the left is q = r h, not h
    Py_ssize_t column    # where they begin in the weight
    Py_ssize_t slot      # and in a row
    Py_ssize_t columns


cdef int weight_parts(const GRU *p, WeightPart *parts) noexcept nogil:
    """The parts whose gradients are asked for, the recurrent ones, which take longer, first; returns how many."""
    cdef Py_ssize_t H = p.seq.H
    cdef int n = 0
    if p.d.recurrent_kernel and p.reset_after:
        parts[n] = WeightPart(True, False, 0, H, 3 * H)
        n += 1
    elif p.d.recurrent_kernel:
        parts[n] = WeightPart(True, False, 0, H, 2 * H)
        parts[n + 1] = WeightPart(True, True, 2 * H, 0, H)
        n += 2
    if p.d.kernel:
        parts[n] = WeightPart(False, False, 0, H, 2 * H)
        parts[n + 1] = WeightPart(False, False, 2 * H, 0, H)
        n += 2
    return n


cdef void add_weights(
    const GRU *p, const WeightPart *part, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t first, Py_ssize_t R,
    Py_ssize_t start, Py_ssize_t steps, const WeightGradients *total,
) noexcept nogil:
    """What some steps of a block of rows add to n columns of a part."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, T = p.seq.T
    cdef Py_ssize_t skip = R if part.recurrent and start == 0 and not p.h0 else 0  # rows whose state is zero
    cdef Py_ssize_t row = start * R + skip, rows = steps * R - skip
    cdef const real *gates = block_gates(p, first) + row * 4 * H
    cdef const real *d = gates + part.slot + begin
    begin += part.column
    if not part.recurrent:
        add_product(p, F, n, rows, p.xs + (first * T + row) * F, F, d, total.kernel + begin)
    elif part.left_is_q:
        add_product(p, H, n, rows, gates + 3 * H, 4 * H, d, total.recurrent_kernel + begin)
    else:
        add_product(p, H, n, rows, p.states + (first * (T + 1) + row) * H, H, d, total.recurrent_kernel + begin)


cdef void gru_backward_rows(void *context, int block) noexcept nogil:
    """All steps of a block of rows, and what they add to the weights' gradients where each block adds up its own."""
    cdef const GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = block * p.seq.block_rows, R = rows_of_block(&p.seq, first)
    cdef Py_ssize_t s
    cdef real *gates
    cdef real *dh = p.scratch + first * 3 * H
    cdef real *sums = p.bias_sums + block * 4 * H
    cdef WeightGradients total = gradients_of_block(&p.d, block)
    cdef WeightPart[4] parts
    cdef int part, part_count = weight_parts(p, parts) if p.d.sums else 0
    cdef Py_ssize_t summed = p.seq.T  # the steps from here on have their products in the weights' gradients
    cdef const real *h
    copy_or_clear(dh, p.d_last + first * H if p.d_last else NULL, R * H)
    memset(sums, 0, 4 * H * sizeof(real))
    for s in range(p.seq.T - 1, -1, -1):
        gates = block_gates(p, first) + s * R * 4 * H
        h = p.states + (first * (p.seq.T + 1) + s * R) * H
        add_output_gradients(&p.seq, first, R, s, dh)
        gru_backward_step(p, first, R, s, gates, h, dh, dh + R * H)
        add_column_sums(R, 4 * H, gates, 4 * H, sums)
        if p.dx:
            input_gradients(p, R, gates, p.dx + (first * p.seq.T + time_index(&p.seq, s)) * p.seq.F)
        if (summed - s) * R >= SUMMED_ROWS or s == 0:
            for part in range(part_count):
                add_weights(p, parts + part, 0, parts[part].columns, first, R, s, summed - s, &total)
            summed = s
    if p.dh0:
        memcpy(p.dh0 + first * H, dh, R * H * sizeof(real))


cdef void bias_gradients(const GRU *p) noexcept nogil:
    """The biases' gradients from the sums of the blocks of rows, in their order."""
    cdef Py_ssize_t block, j, H = p.seq.H
    cdef const real *sums
    for block in range(ceil_div(p.seq.B, p.seq.block_rows)):
        sums = p.bias_sums + block * 4 * H
        if p.d_bias:
            for j in range(2 * H):
                p.d_bias[j] += sums[H + j]
            for j in range(H):
                p.d_bias[2 * H + j] += sums[j]
        if p.d_recurrent_bias:
            for j in range(3 * H):
                p.d_recurrent_bias[j] += sums[H + j]


cdef void gru_weight_columns(void *context, int block) noexcept nogil:
    """The weights' gradients of a block of columns, from all rows."""
    cdef const GRU *p = <GRU *>context
    cdef Py_ssize_t first = 0, begin
    cdef WeightPart[4] parts
    cdef WeightPart *part = parts
    weight_parts(p, parts)
    while block >= ceil_div(part.columns, BLOCK_COLUMNS):
        block -= <int>ceil_div(part.columns, BLOCK_COLUMNS)
        part += 1
    begin = <Py_ssize_t>block * BLOCK_COLUMNS
    while first < p.seq.B:
        add_weights(p, part, begin, min(BLOCK_COLUMNS, part.columns - begin), first, rows_of_block(&p.seq, first), 0,
                    p.seq.T, &p.d)
        first += p.seq.block_rows


cdef int weight_column_blocks(const GRU *p) noexcept nogil:
    """How many blocks of columns the gradients of the weights are."""
    cdef WeightPart[4] parts
    cdef int i, n = 0
    for i in range(weight_parts(p, parts)):
        n += <int>ceil_div(parts[i].columns, BLOCK_COLUMNS)
    return n
