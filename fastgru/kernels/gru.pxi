# The GRU over a whole sequence, forward and backward.
#
# B rows of a batch, T time steps, F input features, H units; R rows in a shard. Gates stand in the order z, r, h (update,
# reset, candidate) in `kernel` W (F, 3H), `recurrent_kernel` U (H, 3H) and the biases b, c.
#
#   reset_after                                   reset before (reset_after=False)
#   z  = f(x Wz + bz + h Uz + cz)                 z  = f(x Wz + bz + h Uz)
#   r  = f(x Wr + br + h Ur + cr)                 r  = f(x Wr + br + h Ur)
#   q  = h Uh + ch                                q  = r h
#   g  = a(x Wh + bh + r q)                       g  = a(x Wh + bh + q Uh)
#   h' = z h + (1 - z) g                          h' = z h + (1 - z) g
#
# A shard keeps its steps in time order, rows of a step together, so that one step's products read and write plain
# matrices. A row of a step is [g z r q], 4H numbers: after the backward pass it holds [dg dz dr dq], of which the first
# three are the gradient of the input projection and the last three that of the recurrent one.
#
#   xs      (T, R, F)    the inputs in time order
#   gates   (T, R, 4H)   x W, then g z r q, then their gradients
#   states  (T+1, R, H)  h before every step, and the last
#
# Without a backward pass to come the steps go through in blocks of time, and T above is the length of a block.

cdef enum:
    BLOCK_NUMBERS = 32768  # numbers in the gates of a block of one shard, so that a block stays in the L2 cache

cdef struct GRU:
    Py_ssize_t B, T, F, H
    Py_ssize_t rows                # of a shard; the last one may have fewer
    Py_ssize_t block               # steps kept in memory: T where a backward pass follows
    bint reset_after, go_backwards, zero_output_for_mask
    int activation, recurrent_activation
    const real *x                  # (B, T, F)
    const real *kernel             # (F, 3H)
    const real *recurrent_kernel   # (H, 3H)
    const real *h0                 # (B, H) or NULL for zeros
    const unsigned char *mask      # (B, T) or NULL
    real *bias                     # (4H,): what is added to a row [g z r q]
    real *xs
    real *gates
    real *states
    real *products                 # (B, 3H): h U of a step; in the backward pass dh (R, H), then d(r h) (R, H)
    real *y                        # (B, T, H) or NULL
    real *last                     # (B, H)
    const real *dy                 # (B, T, H) or NULL
    const real *d_last             # (B, H) or NULL
    real *dx                       # (B, T, F) or NULL
    real *dh0                      # (B, H) or NULL
    real *d_kernel                 # (F, 3H); this and the next are added to, or NULL
    real *d_recurrent_kernel       # (H, 3H)
    real *d_bias                   # (3H,)
    real *d_recurrent_bias         # (3H,), with reset_after alone


cdef inline Py_ssize_t time_index(GRU *p, Py_ssize_t step) noexcept nogil:
    """Where the input of a step stands in the sequence."""
    return p.T - 1 - step if p.go_backwards else step


cdef inline bint masked(GRU *p, Py_ssize_t row, Py_ssize_t step) noexcept nogil:
    return p.mask != NULL and not p.mask[row * p.T + time_index(p, step)]


cdef void project_inputs(GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start, Py_ssize_t steps,
                         real *xs, real *gates) noexcept nogil:
    """[g z r] of all rows of `steps` steps = x [Wh Wz Wr]."""
    cdef Py_ssize_t s, i, H = p.H, F = p.F
    for s in range(steps):
        for i in range(R):
            if masked(p, first + i, start + s):  # what a masked step holds, NaN perhaps, must reach no gradient
                memset(xs + (s * R + i) * F, 0, F * sizeof(real))
            else:
                memcpy(xs + (s * R + i) * F, p.x + ((first + i) * p.T + time_index(p, start + s)) * F, F * sizeof(real))
    multiply(False, False, steps * R, H, F, xs, F, p.kernel + 2 * H, 3 * H, 0, gates, 4 * H)
    multiply(False, False, steps * R, 2 * H, F, xs, F, p.kernel, 3 * H, 0, gates + H, 4 * H)


cdef void gates_reset_after(GRU *p, const real *product, const real *h, real *row, real *h_next) noexcept nogil:
    """From x W in `row` and h U in `product` to [g z r q] and the next state, for one row."""
    cdef Py_ssize_t j, H = p.H
    cdef real *g = row
    cdef real *z = row + H
    cdef real *r = row + 2 * H
    cdef real *q = row + 3 * H
    cdef const real *b = p.bias
    for j in range(2 * H):
        z[j] += product[j] + b[H + j]
    activate(p.recurrent_activation, z, 2 * H)
    for j in range(H):
        q[j] = product[2 * H + j] + b[3 * H + j]
        g[j] += b[j] + r[j] * q[j]
    activate(p.activation, g, H)
    for j in range(H):
        h_next[j] = g[j] + z[j] * (h[j] - g[j])


cdef void reset_gate_before(GRU *p, const real *product, const real *h, real *row) noexcept nogil:
    """z, r and q = r h of one row, from x W in `row` and h [Uz Ur] in `product`."""
    cdef Py_ssize_t j, H = p.H
    cdef real *z = row + H
    cdef real *r = row + 2 * H
    cdef real *q = row + 3 * H
    for j in range(2 * H):
        z[j] += product[j] + p.bias[H + j]
    activate(p.recurrent_activation, z, 2 * H)
    for j in range(H):
        q[j] = r[j] * h[j]


cdef void candidate_before(GRU *p, const real *product, const real *h, real *row, real *h_next) noexcept nogil:
    """g and the next state of one row, from q Uh in `product`."""
    cdef Py_ssize_t j, H = p.H
    cdef real *g = row
    cdef real *z = row + H
    for j in range(H):
        g[j] += product[j] + p.bias[j]
    activate(p.activation, g, H)
    for j in range(H):
        h_next[j] = g[j] + z[j] * (h[j] - g[j])


cdef void gru_step(GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h, real *h_next,
                   real *products) noexcept nogil:
    """One time step of a shard."""
    cdef Py_ssize_t i, H = p.H
    cdef bint at_rest = step == 0 and p.h0 == NULL  # h is zero, and so are its products
    cdef Py_ssize_t columns = 3 * H if p.reset_after else 2 * H
    if at_rest:
        memset(products, 0, R * 3 * H * sizeof(real))
    else:
        multiply(False, False, R, columns, H, h, H, p.recurrent_kernel, 3 * H, 0, products, columns)
    if p.reset_after:
        for i in range(R):
            gates_reset_after(p, products + i * 3 * H, h + i * H, gates + i * 4 * H, h_next + i * H)
    else:
        for i in range(R):
            reset_gate_before(p, products + i * 2 * H, h + i * H, gates + i * 4 * H)
        if at_rest:
            memset(products, 0, R * H * sizeof(real))
        else:
            multiply(False, False, R, H, H, gates + 3 * H, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, products, H)
        for i in range(R):
            candidate_before(p, products + i * H, h + i * H, gates + i * 4 * H, h_next + i * H)
    if p.mask:
        for i in range(R):
            if masked(p, first + i, step):
                memcpy(h_next + i * H, h + i * H, H * sizeof(real))


cdef void gru_forward_shard(void *context, int shard) noexcept nogil:
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.H, first = shard * p.rows, R = smaller(p.rows, p.B - first)
    cdef Py_ssize_t start = 0, steps, s, i
    cdef real *xs = p.xs + first * p.block * p.F
    cdef real *gates = p.gates + first * p.block * 4 * H
    cdef real *states = p.states + first * (p.block + 1) * H
    cdef real *h = states
    cdef real *out
    if p.h0:
        memcpy(h, p.h0 + first * H, R * H * sizeof(real))
    else:
        memset(h, 0, R * H * sizeof(real))
    while start < p.T:
        steps = smaller(p.block, p.T - start)
        project_inputs(p, first, R, start, steps, xs, gates)
        if start:
            memcpy(states, h, R * H * sizeof(real))
            h = states
        for s in range(steps):
            gru_step(p, first, R, start + s, gates + s * R * 4 * H, h, h + R * H, p.products + first * 3 * H)
            h += R * H
            if p.y:
                for i in range(R):
                    out = p.y + ((first + i) * p.T + start + s) * H
                    if p.zero_output_for_mask and masked(p, first + i, start + s):
                        memset(out, 0, H * sizeof(real))
                    else:
                        memcpy(out, h + i * H, H * sizeof(real))
        start += steps
    memcpy(p.last + first * H, h, R * H * sizeof(real))


cdef void candidate_gradients(GRU *p, const real *h, real *row, real *dh) noexcept nogil:
    """dg and dz of one row (before their activations), and what of dh goes straight to the state before:

    dg = dh (1 - z) a',   dz = dh (h - g) f',   dh <- dh z
    """
    cdef Py_ssize_t j, H = p.H
    cdef real *g = row
    cdef real *z = row + H
    cdef real d, old_z
    cdef real[64] dg, dz
    cdef Py_ssize_t begin, n
    for begin in range(0, H, 64):
        n = smaller(64, H - begin)
        for j in range(n):
            d = dh[begin + j]
            old_z = z[begin + j]
            dg[j] = d * (1 - old_z)
            dz[j] = d * (h[begin + j] - g[begin + j])
            dh[begin + j] = d * old_z
        multiply_derivative(p.activation, g + begin, dg, n)
        multiply_derivative(p.recurrent_activation, z + begin, dz, n)
        memcpy(g + begin, dg, n * sizeof(real))
        memcpy(z + begin, dz, n * sizeof(real))


cdef void reset_gradients(GRU *p, const real *dq, real *row, const real *q, real *d_through) noexcept nogil:
    """dr of one row, dr = dq q f', and what passes through the gate: d_through = dq r.

    With reset_after dq is dg and q the candidate's recurrent part; else dq is d(r h) and q is h.
    """
    cdef Py_ssize_t j, begin, n, H = p.H
    cdef real *r = row + 2 * H
    cdef real[64] dr, through
    for begin in range(0, H, 64):
        n = smaller(64, H - begin)
        for j in range(n):
            dr[j] = dq[begin + j] * q[begin + j]
            through[j] = dq[begin + j] * r[begin + j]
        multiply_derivative(p.recurrent_activation, r + begin, dr, n)
        memcpy(r + begin, dr, n * sizeof(real))
        memcpy(d_through + begin, through, n * sizeof(real))


cdef void gru_backward_step(GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h,
                            real *dh, real *scratch) noexcept nogil:
    """One time step of a shard backwards: [g z r q] become their gradients, dh that of the state before the step."""
    cdef Py_ssize_t i, j, H = p.H
    cdef real *row
    for i in range(R):
        row = gates + i * 4 * H
        if masked(p, first + i, step):
            memset(row, 0, 4 * H * sizeof(real))
            continue
        candidate_gradients(p, h + i * H, row, dh + i * H)
        if p.reset_after:
            reset_gradients(p, row, row, row + 3 * H, row + 3 * H)
    if p.reset_after:
        # dh += [dz dr dq] U'
        multiply(False, True, R, H, 3 * H, gates + H, 4 * H, p.recurrent_kernel, 3 * H, 1, dh, H)
        return
    # d(r h) = dg Uh'
    multiply(False, True, R, H, H, gates, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, scratch, H)
    for i in range(R):
        if masked(p, first + i, step):
            continue
        reset_gradients(p, scratch + i * H, gates + i * 4 * H, h + i * H, scratch + i * H)
        for j in range(H):
            dh[i * H + j] += scratch[i * H + j]
    # dh += [dz dr] [Uz Ur]'
    multiply(False, True, R, H, 2 * H, gates + H, 4 * H, p.recurrent_kernel, 3 * H, 1, dh, H)


cdef void gru_backward_shard(void *context, int shard) noexcept nogil:
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.H, F = p.F, first = shard * p.rows, R = smaller(p.rows, p.B - first)
    cdef Py_ssize_t s, i, j
    cdef real *gates
    cdef real *dx
    cdef real *dh = p.products + first * 3 * H
    cdef const real *h
    cdef const real *dy
    if p.d_last:
        memcpy(dh, p.d_last + first * H, R * H * sizeof(real))
    else:
        memset(dh, 0, R * H * sizeof(real))
    for s in range(p.T - 1, -1, -1):
        gates = p.gates + (first * p.T + s * R) * 4 * H
        h = p.states + (first * (p.T + 1) + s * R) * H
        if p.dy:
            for i in range(R):
                if p.zero_output_for_mask and masked(p, first + i, s):
                    continue
                dy = p.dy + ((first + i) * p.T + s) * H
                for j in range(H):
                    dh[i * H + j] += dy[j]
        gru_backward_step(p, first, R, s, gates, h, dh, dh + R * H)
        if p.dx:
            # dx = [dz dr] [Wz Wr]' + dg Wh', into rows that stand T F apart
            dx = p.dx + (first * p.T + time_index(p, s)) * F
            multiply(False, True, R, F, 2 * H, gates + H, 4 * H, p.kernel, 3 * H, 0, dx, p.T * F)
            multiply(False, True, R, F, H, gates, 4 * H, p.kernel + 2 * H, 3 * H, 1, dx, p.T * F)
    if p.dh0:
        memcpy(p.dh0 + first * H, dh, R * H * sizeof(real))


cdef void gru_weights_shard(void *context, int shard) noexcept nogil:
    """Gradients of SHARD_COLUMNS columns of one gate: one product over all rows and steps of each batch shard."""
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.H, F = p.F, T = p.T
    cdef Py_ssize_t per_gate = pieces(H, SHARD_COLUMNS)
    cdef Py_ssize_t gate = shard // per_gate, begin = shard % per_gate * SHARD_COLUMNS
    cdef Py_ssize_t n = smaller(SHARD_COLUMNS, H - begin), column = gate * H + begin
    cdef Py_ssize_t first = 0, R, skip
    cdef const real *d_input       # [dz dr dg] of this gate
    cdef const real *d_recurrent   # [dz dr dq]; without reset_after the candidate's is dg again
    cdef const real *left          # what the recurrent product multiplied: h, or q = r h
    cdef Py_ssize_t left_ld
    while first < p.B:
        R = smaller(p.rows, p.B - first)
        d_input = p.gates + first * T * 4 * H + (begin if gate == 2 else (gate + 1) * H + begin)
        d_recurrent = p.gates + first * T * 4 * H + (gate + 1) * H + begin
        left, left_ld = p.states + first * (T + 1) * H, H
        if gate == 2 and not p.reset_after:
            left, left_ld = p.gates + first * T * 4 * H + 3 * H, 4 * H
            d_recurrent = d_input
        if p.d_kernel:
            multiply(True, False, F, n, T * R, p.xs + first * T * F, F, d_input, 4 * H, 1, p.d_kernel + column, 3 * H)
        skip = 0 if p.h0 else R  # rows of the first step, whose state is zero
        if p.d_recurrent_kernel and T * R > skip:
            multiply(True, False, H, n, T * R - skip, left + skip * left_ld, left_ld, d_recurrent + skip * 4 * H, 4 * H,
                     1, p.d_recurrent_kernel + column, 3 * H)
        if p.d_bias:
            add_column_sums(T * R, n, d_input, 4 * H, p.d_bias + column)
        if p.d_recurrent_bias:
            add_column_sums(T * R, n, d_recurrent, 4 * H, p.d_recurrent_bias + column)
        first += R


cdef Py_ssize_t block_steps(Py_ssize_t rows, Py_ssize_t T, Py_ssize_t H, bint differentiate) noexcept nogil:
    cdef Py_ssize_t fitting = BLOCK_NUMBERS // (rows * 4 * H)
    if differentiate or fitting > T:
        return T
    return fitting if fitting > 0 else 1


def gru_memory(Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, bint differentiate) -> int:
    """Numbers of workspace that `gru_forward` wants; `gru_backward` reads the same memory."""
    cdef Py_ssize_t block = block_steps(shard_rows(B), T, H, differentiate)
    return 4 * H + B * (block * (F + 4 * H) + (block + 1) * H + 3 * H)


cdef void lay_out(GRU *p, real *memory) noexcept nogil:
    """Where the pieces of the workspace lie."""
    p.bias = memory
    p.xs = p.bias + 4 * p.H
    p.gates = p.xs + p.B * p.block * p.F
    p.states = p.gates + p.B * p.block * 4 * p.H
    p.products = p.states + p.B * (p.block + 1) * p.H


cdef void sum_biases(GRU *p, const real *bias, const real *recurrent_bias) noexcept nogil:
    """[bh, bz + cz, br + cr, ch]: z and r need the sum of their two biases only."""
    cdef Py_ssize_t j, H = p.H
    memset(p.bias, 0, 4 * H * sizeof(real))
    if bias:
        memcpy(p.bias, bias + 2 * H, H * sizeof(real))
        memcpy(p.bias + H, bias, 2 * H * sizeof(real))
    if recurrent_bias:
        for j in range(3 * H):
            p.bias[H + j] += recurrent_bias[j]


cdef GRU gru_call(
    const real[:, :, ::1] x, const real[:, ::1] kernel, const real[:, ::1] recurrent_kernel, const real[:, ::1] h0,
    const unsigned char[:, ::1] mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
    bint zero_output_for_mask, bint differentiate, real[::1] memory,
):
    """What the forward and the backward pass share."""
    cdef GRU p
    memset(&p, 0, sizeof(p))
    p.B, p.T, p.F, p.H = x.shape[0], x.shape[1], x.shape[2], recurrent_kernel.shape[0]
    p.rows = shard_rows(p.B)
    p.block = block_steps(p.rows, p.T, p.H, differentiate)
    p.reset_after, p.go_backwards, p.zero_output_for_mask = reset_after, go_backwards, zero_output_for_mask
    p.activation, p.recurrent_activation = activation, recurrent_activation
    p.x, p.kernel, p.recurrent_kernel = &x[0, 0, 0], &kernel[0, 0], &recurrent_kernel[0, 0]
    if h0 is not None:
        p.h0 = &h0[0, 0]
    if mask is not None:
        p.mask = &mask[0, 0]
    lay_out(&p, &memory[0])
    return p


def gru_forward(
    const real[:, :, ::1] x, const real[:, ::1] kernel, const real[:, ::1] recurrent_kernel, const real[:, ::1] bias,
    const real[:, ::1] h0, const unsigned char[:, ::1] mask, int activation, int recurrent_activation, bint reset_after,
    bint go_backwards, bint zero_output_for_mask, bint differentiate, real[::1] memory, real[:, :, ::1] y,
    real[:, ::1] last, int threads,
):
    """Run a GRU over x (B, T, F).

    bias is (2, 3H) with reset_after, (1, 3H) without, or None; h0 (B, H), mask (B, T) and y (B, T, H) may be None; last
    (B, H) receives the final state. `memory` has `gru_memory` numbers; with `differentiate` it is what `gru_backward`
    reads.
    """
    cdef GRU p = gru_call(x, kernel, recurrent_kernel, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, differentiate, memory)
    cdef const real *input_bias = NULL
    cdef const real *recurrent_bias = NULL
    if bias is not None:
        input_bias = &bias[0, 0]
        if reset_after:
            recurrent_bias = &bias[1, 0]
    if y is not None:
        p.y = &y[0, 0, 0]
    p.last = &last[0, 0]
    with nogil:
        sum_biases(&p, input_bias, recurrent_bias)
        run_tasks(gru_forward_shard, &p, <int>pieces(p.B, p.rows), threads)


def gru_backward(
    const real[:, :, ::1] x, const real[:, ::1] kernel, const real[:, ::1] recurrent_kernel, const real[:, ::1] h0,
    const unsigned char[:, ::1] mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
    bint zero_output_for_mask, real[::1] memory, const real[:, :, ::1] dy, const real[:, ::1] d_last,
    real[:, :, ::1] dx, real[:, ::1] dh0, real[:, ::1] d_kernel, real[:, ::1] d_recurrent_kernel, real[:, ::1] d_bias,
    int threads,
):
    """Backward of `gru_forward` with the same first arguments and its memory, which is used up.

    dy (B, T, H) and d_last (B, H) are the gradients of the outputs, each may be None; dx and dh0 are written where they
    are not None; d_kernel, d_recurrent_kernel and d_bias are added to where they are not None.
    """
    cdef GRU p = gru_call(x, kernel, recurrent_kernel, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, True, memory)
    if dy is not None:
        p.dy = &dy[0, 0, 0]
    if d_last is not None:
        p.d_last = &d_last[0, 0]
    if dx is not None:
        p.dx = &dx[0, 0, 0]
    if dh0 is not None:
        p.dh0 = &dh0[0, 0]
    if d_kernel is not None:
        p.d_kernel = &d_kernel[0, 0]
    if d_recurrent_kernel is not None:
        p.d_recurrent_kernel = &d_recurrent_kernel[0, 0]
    if d_bias is not None:
        p.d_bias = &d_bias[0, 0]
        if reset_after:
            p.d_recurrent_bias = &d_bias[1, 0]
    with nogil:
        run_tasks(gru_backward_shard, &p, <int>pieces(p.B, p.rows), threads)
        run_tasks(gru_weights_shard, &p, <int>(3 * pieces(p.H, SHARD_COLUMNS)), threads)
