# Rows brought to mean 0 and variance 1: x' = (x - mean) / sqrt(variance + epsilon). Sums as Adafactor's: of a row alone,
# in an order that its length tells.


cdef real sum_of_row(const real *x, Py_ssize_t n) noexcept nogil:
    cdef real[SUMS] sums
    cdef real total = 0
    cdef Py_ssize_t i = 0, k
    memset(sums, 0, sizeof(sums))
    while i + SUMS <= n:
        for k in range(SUMS):
            sums[k] += x[i + k]
        i += SUMS
    for k in range(n - i):
        sums[k] += x[i + k]
    for k in range(min(n, SUMS)):  # those behind are zero
        total += sums[k]
    return total


cdef void normalize_rows(
    Py_ssize_t rows, Py_ssize_t columns, const real *x, real epsilon, real *normal, real *inverse
) noexcept nogil:
    """normal (rows, columns) of x, and 1 / sqrt(variance + epsilon) of each row in `inverse` (rows,)."""
    cdef Py_ssize_t i, j
    cdef real mean
    for i in range(rows):
        mean = sum_of_row(x, columns) / <real>columns
        for j in range(columns):
            normal[j] = x[j] - mean
        inverse[i] = <real>1 / vm_sqrt(sum_of_squares(normal, columns) / <real>columns + epsilon)
        for j in range(columns):
            normal[j] *= inverse[i]
        x, normal = x + columns, normal + columns
