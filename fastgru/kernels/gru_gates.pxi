# What happens to the numbers of a time step one by one: gates, next states, and their gradients. See gru.pxi for the
# equations and for what a row [g z r q] is. The first functions take a row and BLAS's product beside it, the next ones
# a tile with its sums in accumulators.


cdef void apply_gates(
    const GRU *p, Py_ssize_t begin, Py_ssize_t units, const real *h, real *row, real *h_next
) noexcept nogil:
    """From the sums of z, r and q and the input's part of g in a row [g z r q] to its values and the next state, for
    some of the units."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef real *g = row + begin
    cdef real *z = row + H + begin
    cdef real *r = row + 2 * H + begin
    cdef const real *q = row + 3 * H + begin
    if units == H:
        activate(p.recurrent_activation, z, 2 * H)
    else:
        activate(p.recurrent_activation, z, units)
        activate(p.recurrent_activation, r, units)
    for j in range(units):
        g[j] += r[j] * q[j]
    activate(p.activation, g, units)
    for j in range(units):
        h_next[begin + j] = g[j] + z[j] * (h[begin + j] - g[j])


cdef void add_product_and_bias(const GRU *p, const real *product, real *row) noexcept nogil:
    """The sums of a row [g z r q], from x W in [g z r] and h U in `product`."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef const real *b = p.bias
    for j in range(H):
        row[j] += b[j]
    for j in range(H, 3 * H):
        row[j] += product[j - H] + b[j]
    for j in range(3 * H, 4 * H):
        row[j] = product[j - H] + b[j]


cdef void reset_gate_before(const GRU *p, const real *product, const real *h, real *row) noexcept nogil:
    """z, r and q = r h of one row, from x W in `row` and h [Uz Ur] in `product`."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef real *z = row + H
    cdef real *r = row + 2 * H
    cdef real *q = row + 3 * H
    for j in range(2 * H):
        z[j] += product[j] + p.bias[H + j]
    activate(p.recurrent_activation, z, 2 * H)
    for j in range(H):
        q[j] = r[j] * h[j]


cdef void candidate_before(const GRU *p, const real *product, const real *h, real *row, real *h_next) noexcept nogil:
    """g and the next state of one row, from q Uh in `product`."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef real *g = row
    cdef real *z = row + H
    for j in range(H):
        g[j] += product[j] + p.bias[j]
    activate(p.activation, g, H)
    for j in range(H):
        h_next[j] = g[j] + z[j] * (h[j] - g[j])


cdef void gates_of_tile(
    int activation, int recurrent_activation, real *accumulators, Py_ssize_t rows, Py_ssize_t blocks, Py_ssize_t units,
    Py_ssize_t H, const real *h, real *row, real *h_next
) noexcept nogil:
    """From the sums of a tile, accumulators (4, blocks, rows, LANES) of [g z r q], to the next state of its units, of
    which there are at most `units`, and to their gates in the rows from `row` on, where they are kept."""
    cdef Py_ssize_t i, slot, block, lanes, plane = blocks * rows * LANES
    cdef real *g = accumulators
    cdef const real *z = accumulators + plane
    cdef const real *r = accumulators + 2 * plane
    cdef const real *q = accumulators + 3 * plane
    activate(recurrent_activation, accumulators + plane, 2 * plane)
    for i in range(plane):
        g[i] += r[i] * q[i]
    activate(activation, g, plane)
    for block in range(blocks):
        lanes = min(LANES, units)
        for i in range(rows):
            lanes_mix(lanes, z + i * LANES, h + i * H, g + i * LANES, h_next + i * H)
            if row:
                for slot in range(4):
                    lanes_put(lanes, g + slot * plane + i * LANES, row + (4 * i + slot) * H)
        g, z = g + rows * LANES, z + rows * LANES
        h += LANES
        h_next, row = h_next + LANES, row + LANES if row else NULL
        units -= LANES


cdef void candidate_gradients(const GRU *p, const real *h, real *row, real *dh) noexcept nogil:
    """dg and dz of one row (before their activations), and what of dh goes straight to the state before:

    dg = dh (1 - z) a',   dz = dh (h - g) f',   dh <- dh z
    """
    cdef real[CHUNK] through_g, through_z
    cdef real *g = row
    cdef real *z = row + p.seq.H
    cdef real d
    cdef Py_ssize_t remaining = p.seq.H, n, j
    while remaining > 0:
        n = min(CHUNK, remaining)
        for j in range(n):
            d = dh[j]
            through_g[j] = d * (<real>1 - z[j])
            through_z[j] = d * (h[j] - g[j])
            dh[j] = d * z[j]
        activation_backward(p.activation, through_g, g, n)
        activation_backward(p.recurrent_activation, through_z, z, n)
        h, g, z, dh, remaining = h + n, g + n, z + n, dh + n, remaining - n


cdef void reset_gradients(const GRU *p, const real *dq, real *row, const real *q, real *d_through) noexcept nogil:
    """dr of one row, dr = dq q f', and what passes through the gate: d_through = dq r.

    With reset_after dq is dg and q the candidate's recurrent part; else dq is d(r h) and q is h. d_through may lie
    where dq or q does.
    """
    cdef real[CHUNK] through, through_r
    cdef real *r = row + 2 * p.seq.H
    cdef Py_ssize_t remaining = p.seq.H, n, j
    while remaining > 0:
        n = min(CHUNK, remaining)
        for j in range(n):
            through_r[j] = dq[j] * q[j]
            through[j] = dq[j] * r[j]
        activation_backward(p.recurrent_activation, through_r, r, n)
        memcpy(d_through, through, n * sizeof(real))
        dq, r, q, d_through, remaining = dq + n, r + n, q + n, d_through + n, remaining - n
