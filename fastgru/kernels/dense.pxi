# Dense: y = f(x W + b) and its backward pass. N rows, F features in, O out.


cdef void dense_forward_rows(void *context, int block) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t i, first = <Py_ssize_t>block * MAX_BLOCK_ROWS, n = min(MAX_BLOCK_ROWS, p.N - first)
    cdef real *y = p.y + first * p.O
    if p.bias:
        for i in range(n):
            memcpy(y + i * p.O, p.bias, p.O * sizeof(real))
    # y = x W + b
    if p.packed:
        multiply_packed(n, p.O, p.F, p.x + first * p.F, p.F, p.packed, p.bias != NULL, y, p.O)
    else:
        multiply(False, False, n, p.O, p.F, p.x + first * p.F, p.F, p.kernel, p.O, 1 if p.bias else 0, y, p.O)
    activate_rows(p.activation, y, n, p.O)


cdef void dense_backward_rows(void *context, int block) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t first = <Py_ssize_t>block * MAX_BLOCK_ROWS, n = min(MAX_BLOCK_ROWS, p.N - first)
    cdef real *d = p.d + first * p.O
    memcpy(d, p.dy + first * p.O, n * p.O * sizeof(real))
    multiply_derivative_rows(p.activation, p.y + first * p.O, d, n, p.O)
    if p.dx:
        # dx = d W'
        if p.packed:
            multiply_packed(n, p.F, p.O, d, p.O, p.packed, False, p.dx + first * p.F, p.F)
        else:
            multiply(False, True, n, p.F, p.O, d, p.O, p.kernel, p.O, 0, p.dx + first * p.F, p.F)


cdef void dense_weight_columns(void *context, int block) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t first = <Py_ssize_t>block * BLOCK_COLUMNS, n = min(BLOCK_COLUMNS, p.O - first)
    # dW += x' d
    if p.d_kernel and p.packed:
        add_transposed(p.F, n, p.N, p.x, p.F, p.d + first, p.O, p.d_kernel + first, p.O)
    elif p.d_kernel:
        multiply(True, False, p.F, n, p.N, p.x, p.F, p.d + first, p.O, 1, p.d_kernel + first, p.O)
    if p.d_bias:
        add_column_sums(p.N, n, p.d + first, p.O, p.d_bias + first)


cdef Py_ssize_t dense_packed_size(Py_ssize_t F, Py_ssize_t O) noexcept nogil:
    return max(packed_size(F, O), packed_size(O, F))


cdef void dense_pack(Dense *p) noexcept nogil:
    pack(0, 1, p.F, p.O, p.kernel, p.O, 0, <real *>p.packed)


cdef void dense_forward(Dense *p, bint stale, int threads) noexcept nogil:
    if p.packed and stale:
        dense_pack(p)
    run_tasks(dense_forward_rows, p, <int>ceil_div(p.N, MAX_BLOCK_ROWS), threads)


cdef void dense_backward(Dense *p, int threads) noexcept nogil:
    if p.packed and p.dx:
        pack_transposed(0, 1, p.O, p.F, p.kernel, p.O, 0, <real *>p.packed)
    run_tasks(dense_backward_rows, p, <int>ceil_div(p.N, MAX_BLOCK_ROWS), threads)
    if p.d_kernel or p.d_bias:
        run_tasks(dense_weight_columns, p, <int>ceil_div(p.O, BLOCK_COLUMNS), threads)
