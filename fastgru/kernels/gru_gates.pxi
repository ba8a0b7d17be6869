# What happens to the numbers of a time step one by one: gates, next states, and their gradients. See gru.pxi for the
# equations and for what a row [g z r q] is. The first functions take a row and BLAS's product beside it, the next ones a
# tile with its sums in planes.


cdef void close_units(
    GRU *p, Py_ssize_t begin, Py_ssize_t units, const real *h, real *row, real *h_next
) noexcept nogil:
    """From the sums of z, r and q and the input's part of g in a row [g z r q] to its values and the next state, for some
    of the units."""
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


cdef void add_product_and_bias(GRU *p, const real *product, real *row) noexcept nogil:
    """The sums of a row [g z r q], from x W in [g z r] and h U in `product`."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef const real *b = p.bias
    for j in range(H):
        row[j] += b[j]
    for j in range(H, 3 * H):
        row[j] += product[j - H] + b[j]
    for j in range(3 * H, 4 * H):
        row[j] = product[j - H] + b[j]


cdef void reset_gate_before(GRU *p, const real *product, const real *h, real *row) noexcept nogil:
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


cdef void candidate_before(GRU *p, const real *product, const real *h, real *row, real *h_next) noexcept nogil:
    """g and the next state of one row, from q Uh in `product`."""
    cdef Py_ssize_t j, H = p.seq.H
    cdef real *g = row
    cdef real *z = row + H
    for j in range(H):
        g[j] += product[j] + p.bias[j]
    activate(p.activation, g, H)
    for j in range(H):
        h_next[j] = g[j] + z[j] * (h[j] - g[j])


cdef inline void close_rows(
    const real *planes, Py_ssize_t rows, Py_ssize_t lanes, Py_ssize_t H, const real *h, real *row, real *h_next
) noexcept nogil:
    """h' = g + z (h - g) for `lanes` units of some rows, and [g z r q] into their `row` where it is kept."""
    cdef Py_ssize_t i, l, plane = rows * LANES
    cdef const real *g = planes
    cdef const real *z = planes + plane
    cdef const real *r = planes + 2 * plane
    cdef const real *q = planes + 3 * plane
    for i in range(rows):
        for l in range(lanes):
            h_next[i * H + l] = g[l] + z[l] * (h[i * H + l] - g[l])
        if row:
            for l in range(lanes):
                row[l] = g[l]
            for l in range(lanes):
                row[H + l] = z[l]
            for l in range(lanes):
                row[2 * H + l] = r[l]
            for l in range(lanes):
                row[3 * H + l] = q[l]
            row += 4 * H
        g += LANES
        z += LANES
        r += LANES
        q += LANES


cdef void gates_of_tile(
    int activation, int recurrent_activation, real *planes, Py_ssize_t rows, Py_ssize_t lanes, Py_ssize_t H,
    const real *h, real *row, real *h_next
) noexcept nogil:
    """From the sums of a tile, planes (4, rows, LANES) of [g z r q], to the gates and the next state."""
    cdef Py_ssize_t i, size = rows * LANES
    cdef const real *r = planes + 2 * size
    cdef const real *q = planes + 3 * size
    activate(recurrent_activation, planes + size, 2 * size)
    for i in range(size):
        planes[i] += r[i] * q[i]
    activate(activation, planes, size)
    if lanes == LANES:
        close_rows(planes, rows, LANES, H, h, row, h_next)
    else:
        close_rows(planes, rows, lanes, H, h, row, h_next)


cdef void candidate_gradients(GRU *p, const real *h, real *row, real *dh) noexcept nogil:
    """dg and dz of one row (before their activations), and what of dh goes straight to the state before:

    dg = dh (1 - z) a',   dz = dh (h - g) f',   dh <- dh z
    """
    cdef Py_ssize_t j, H = p.seq.H
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
    cdef Py_ssize_t j, begin, n, H = p.seq.H
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
