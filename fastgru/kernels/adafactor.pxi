# The update of one weight by Adafactor, whose rows and columns share what is remembered of squared gradients.

cdef enum:
    SUMS = 16  # sums side by side, so that adding up is done by vectors, in an order of its own on every machine


cdef real sum_of_squares(const real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0, k
    cdef real total = 0
    cdef real[SUMS] sums
    for k in range(SUMS):
        sums[k] = 0
    while i + SUMS <= n:
        for k in range(SUMS):
            sums[k] = sums[k] + x[i + k] * x[i + k]
        i += SUMS
    for k in range(n - i):
        sums[k] = sums[k] + x[i + k] * x[i + k]
    for k in range(min(n, SUMS)):  # those behind are zero
        total += sums[k]
    return total


cdef real root_mean_square(const real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i = 0
    cdef double total = 0
    while i < n:
        total += sum_of_squares(x + i, min(UPDATE_PIECE, n - i))
        i += UPDATE_PIECE
    return <real>sqrt(total / n)


cdef void divide_by_mean(Py_ssize_t n, reads g, writes v, writes u, real beta, real rest, real epsilon) noexcept nogil:
    # v = beta v + (1 - beta) (g^2 + epsilon);  u = g / sqrt(v)
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = beta * v[i] + rest * (g[i] * g[i] + epsilon)
        u[i] = g[i] / vm_sqrt(v[i])


cdef void add_squares(Py_ssize_t n, reads g, writes sums, real factor) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        sums[i] = sums[i] + factor * (g[i] * g[i])


cdef void divide_by_factors(Py_ssize_t n, reads g, writes v, writes u, real row, reads columns) noexcept nogil:
    # v = r / mean(r) c;  u = g / sqrt(v)
    cdef Py_ssize_t i
    for i in range(n):
        v[i] = row * columns[i]
        u[i] = g[i] / vm_sqrt(v[i])


cdef void divide_matrix(
    Py_ssize_t R, Py_ssize_t C, const real *g, real *v, real *u, real *rows, real *columns, real beta, real rest,
    real epsilon,
) noexcept nogil:
    # r = beta r + (1 - beta) mean of g^2 + epsilon by rows, c by columns
    cdef Py_ssize_t i
    cdef double total = 0
    for i in range(C):
        columns[i] = beta * columns[i] + rest * epsilon
    for i in range(R):
        add_squares(C, g + i * C, columns, rest / R)
        rows[i] = beta * rows[i] + rest * (sum_of_squares(g + i * C, C) / C + epsilon)
        total += rows[i]
    for i in range(R):
        divide_by_factors(C, g + i * C, v + i * C, u + i * C, <real>(rows[i] * R / total), columns)


cdef void shrink_and_step(Py_ssize_t n, reads w, writes u, real decay, real rate) noexcept nogil:
    # w -= decay w;  w -= rate u
    cdef Py_ssize_t i
    for i in range(n):
        u[i] = w[i] - w[i] * decay - rate * u[i]


cdef void adafactor(Adafactor *p) noexcept nogil:
    cdef Py_ssize_t i, size = p.R * p.C
    cdef real rate = p.rate, length
    cdef uint64_t before = flush_denormals()
    if not p.rows:
        divide_by_mean(p.n, p.g, p.v, p.u, p.beta, p.rest, p.epsilon_1)
    for i in range(p.B):
        divide_matrix(
            p.R, p.C, p.g + i * size, p.v + i * size, p.u + i * size, p.rows + i * p.R, p.columns + i * p.C, p.beta,
            p.rest, p.epsilon_1,
        )
    rate = <real>(p.rate * max(p.epsilon_2, root_mean_square(p.w, p.n) * (1 - p.decay)))
    length = root_mean_square(p.u, p.n)
    if not length <= p.clip_threshold:  # a NaN is to be a NaN afterwards
        rate *= p.clip_threshold / length
    shrink_and_step(p.n, p.w, p.u, p.decay, rate)
    restore_denormals(before)
