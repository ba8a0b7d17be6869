# The GRU's forward pass over a block of rows, step by step:
#
#   z, r = f(x Wz,r + h Uz,r + biases)    g = a(x Wh + bh + r q) or a(x Wh + bh + q Uh)    h' = z h + (1 - z) g
#
# in one of three ways: a tile from x and h to h' (`gru_step_fused`), or x W for a window of steps ahead and then, at
# each step, h U (`gru_step_after`), or h [Uz Ur] and q Uh (`gru_step_before`).


cdef void project_inputs(const GRU *p, Py_ssize_t rows, const real *xs, real *gates) noexcept nogil:
    """[g z r] = x [Wh Wz Wr], for all rows of all steps at once."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    if p.packed:
        multiply_packed(rows, 3 * H, F, xs, F, p.packed, False, gates, 4 * H)
    else:
        multiply(False, False, rows, H, F, xs, F, p.kernel + 2 * H, 3 * H, 0, gates, 4 * H)
        multiply(False, False, rows, 2 * H, F, xs, F, p.kernel, 3 * H, 0, gates + H, 4 * H)


cdef void gru_step_fused(
    const GRU *p, Py_ssize_t R, bint zero_state, const real *x, Py_ssize_t ldx, real *gates, const real *h, real *h_next
) noexcept nogil:
    """One time step of a block with reset_after, tile by tile from x and h to h'."""
    cdef real[4 * TILE_SUMS * LANES] accumulators
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, i, j = 0, row, slot, rows, blocks, tile = even_part(R, TILE_ROWS)
    cdef Py_ssize_t vectors = ceil_div(H, LANES), most = tile_blocks(R, vectors)
    cdef const real *h_of_tile = NULL
    while j < H:
        blocks = min(most, vectors - j // LANES)
        i = 0
        while i < R:
            rows = next_rows(R - i, tile)
            if gates:
                for row in range(i, i + rows):
                    prefetch(h_next + row * H + j, blocks * LANES * sizeof(real))
                    for slot in range(4):
                        prefetch(gates + (4 * row + slot) * H + j, blocks * LANES * sizeof(real))
            if not zero_state:
                h_of_tile = h + i * H
            tile_gates(<int>rows, <int>blocks, F, x + i * ldx, ldx, H, h_of_tile, H, NULL, 0, fused_weights(p, j),
                       accumulators)
            gates_of_tile(p.activation, p.recurrent_activation, accumulators, rows, blocks, H - j, H, h + i * H + j,
                          gates + i * 4 * H + j if gates else NULL, h_next + i * H + j)
            i += rows
        j += blocks * LANES


cdef void gru_step_of_active_rows(
    const GRU *p, Py_ssize_t n, const Py_ssize_t *active_rows, bint zero_state, const real *x, real *xs, real *states,
    real *h,
) noexcept nogil:
    """One time step of n rows of a block alone, which are gathered; h becomes their next states."""
    cdef Py_ssize_t i, H = p.seq.H, F = p.seq.F
    for i in range(n):
        memcpy(xs + i * F, x + active_rows[i] * p.seq.T * F, F * sizeof(real))
        memcpy(states + i * H, h + active_rows[i] * H, H * sizeof(real))
    gru_step_fused(p, n, zero_state, xs, F, NULL, states, states + n * H)
    for i in range(n):
        memcpy(h + active_rows[i] * H, states + (n + i) * H, H * sizeof(real))


cdef void gru_step_after(
    const GRU *p, Py_ssize_t R, bint zero_state, real *gates, const real *h, real *h_next, real *products
) noexcept nogil:
    """One time step of a block with reset_after, from x W in `gates`, with BLAS."""
    cdef Py_ssize_t i, H = p.seq.H
    if zero_state:
        memset(products, 0, R * 3 * H * sizeof(real))
    else:
        multiply(False, False, R, 3 * H, H, h, H, p.recurrent_kernel, 3 * H, 0, products, 3 * H)
    for i in range(R):
        add_product_and_bias(p, products + i * 3 * H, gates + i * 4 * H)
        apply_gates(p, 0, H, h + i * H, gates + i * 4 * H, h_next + i * H)


cdef void gru_step_before(
    const GRU *p, Py_ssize_t R, bint zero_state, real *gates, const real *h, real *h_next, real *products
) noexcept nogil:
    """One time step of a block without reset_after, from x W in `gates`."""
    cdef Py_ssize_t i, H = p.seq.H
    cdef const real *packed = p.packed + packed_size(p.seq.F, 3 * H) if p.packed else NULL
    if zero_state:
        memset(products, 0, R * 2 * H * sizeof(real))
    elif packed:
        multiply_packed(R, 2 * H, H, h, H, packed, False, products, 2 * H)
    else:
        multiply(False, False, R, 2 * H, H, h, H, p.recurrent_kernel, 3 * H, 0, products, 2 * H)
    for i in range(R):
        reset_gate_before(p, products + i * 2 * H, h + i * H, gates + i * 4 * H)
    if zero_state:
        memset(products, 0, R * H * sizeof(real))
    elif packed:
        multiply_packed(R, H, H, gates + 3 * H, 4 * H, packed + packed_size(H, 2 * H), False, products, H)
    else:
        multiply(False, False, R, H, H, gates + 3 * H, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, products, H)
    for i in range(R):
        candidate_before(p, products + i * H, h + i * H, gates + i * 4 * H, h_next + i * H)


cdef void gru_forward_rows(void *context, int block) noexcept nogil:
    """All steps of a block of rows."""
    cdef const GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = block * p.seq.block_rows, R = rows_of_block(&p.seq, first)
    cdef Py_ssize_t step, i, steps, n
    cdef Py_ssize_t[MAX_BLOCK_ROWS] active_rows
    cdef const real *x
    cdef real *xs = p.xs + first * p.window * p.seq.F if p.xs else NULL
    cdef real *gates = block_gates(p, first) if p.gates else NULL
    cdef real *states = p.states + first * p.state_steps * H
    cdef real *scratch = p.scratch + first * 3 * H
    cdef real *h = states
    cdef real *h_next
    cdef real *row
    cdef bint zero_state
    begin_states(p, first, R)
    for step in range(p.seq.T):
        zero_state = step == 0 and p.h0 == NULL
        if step % p.window == 0:
            steps = min(p.window, p.seq.T - step)
            if p.training or not fused(p):
                gather_inputs(&p.seq, first, R, step, steps, xs)
            if not fused(p):
                project_inputs(p, steps * R, xs, gates)
        x = p.seq.x + (first * p.seq.T + time_index(&p.seq, step)) * p.seq.F
        n = find_active_rows(&p.seq, first, R, step, active_rows) if skips_masked(p) else R
        if n < R:
            if n > 0:
                gru_step_of_active_rows(p, n, active_rows, zero_state, x, xs, scratch, h)
            if p.seq.y:
                put_step(&p.seq, first, R, step, h)
            continue
        h_next = h + R * H if p.training or h == states else states
        row = gates + step % p.window * R * 4 * H if gates else NULL
        if fused(p):
            gru_step_fused(p, R, zero_state, x, p.seq.T * p.seq.F, row, h, h_next)
        elif p.reset_after:
            gru_step_after(p, R, zero_state, row, h, h_next, scratch)
        else:
            gru_step_before(p, R, zero_state, row, h, h_next, scratch)
        if p.seq.mask:
            for i in range(R):
                if masked(&p.seq, first + i, step):
                    memcpy(h_next + i * H, h + i * H, H * sizeof(real))
        h = h_next
        if p.seq.y:
            put_step(&p.seq, first, R, step, h)
    memcpy(p.last + first * H, h, R * H * sizeof(real))
