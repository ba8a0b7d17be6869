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
    for k in range(SUMS):
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


def adafactor(
    ndarray values not None, ndarray updated not None, ndarray gradients not None, ndarray v not None, ndarray rows,
    ndarray columns, double decay, double rate, double beta, double epsilon_1, double epsilon_2, double clip_threshold,
):
    """One update of a weight (N,), seen as (B, R, C): rows (B, R) and columns (B, C), None where it has one axis."""
    cdef Py_ssize_t n = size_of(values, 0), B = 0, R = 0, C = 0, i
    check_not_empty(values, "values")
    if rows is not None:
        check_present(columns, "columns")
        B, R, C = size_of(rows, 0), size_of(rows, 1), size_of(columns, 1)
        if B * R * C != n:
            raise ValueError(f"Kernels, rows: expected factors of {n} numbers, got {B} times {R} and {C}.")
    cdef const real *w = vector_of(values, "values", n)
    cdef const real *g = vector_of(gradients, "gradients", n)
    cdef real *u = vector_into(updated, "updated", n)
    cdef real *squares = vector_into(v, "v", n)
    cdef real *r = matrix_into(rows, "rows", B, R)
    cdef real *c = matrix_into(columns, "columns", B, C)
    cdef uint64_t before
    cdef real length
    with nogil:
        before = flush_denormals()
        if not r:
            divide_by_mean(n, g, squares, u, <real>beta, <real>(1 - beta), <real>epsilon_1)
        for i in range(B):
            divide_matrix(
                R, C, g + i * R * C, squares + i * R * C, u + i * R * C, r + i * R, c + i * C, <real>beta,
                <real>(1 - beta), <real>epsilon_1,
            )
        rate *= max(epsilon_2, root_mean_square(w, n) * (1 - decay))
        length = root_mean_square(u, n)
        if not length <= clip_threshold:  # a NaN is to be a NaN afterwards
            rate *= clip_threshold / length
        shrink_and_step(n, w, u, <real>decay, <real>rate)
        restore_denormals(before)
