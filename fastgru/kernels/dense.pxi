# Dense: y = f(x W + b) and its backward pass. N rows, F features in, O out.

from libc.string cimport memcpy, memset

cdef struct Dense:
    Py_ssize_t N, F, O
    int activation
    const real *x       # (N, F)
    const real *kernel  # (F, O)
    const real *packed  # the kernel for tiles, transposed in the backward pass, or NULL: BLAS multiplies
    const real *bias    # (O,) or NULL
    real *y             # (N, O)
    const real *dy      # (N, O): gradient of y
    real *d             # (N, O) and `read_padding`: that of x W + b
    real *dx            # (N, F) or NULL
    real *d_kernel      # (F, O), added to, or NULL
    real *d_bias        # (O,), added to, or NULL


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


cdef inline Py_ssize_t dense_packed_size(Py_ssize_t F, Py_ssize_t O) noexcept nogil:
    return max(packed_size(F, O), packed_size(O, F))


def dense_pack_size(Py_ssize_t F, Py_ssize_t O) -> int:
    """Numbers of the packed kernel, whether for the forward or the backward pass."""
    return dense_packed_size(F, O)


def dense_pack(ndarray kernel not None, ndarray packed not None):
    """Pack kernel (F, O) for the tiles of `dense_forward`."""
    cdef Py_ssize_t F = size_of(kernel, 0), O = size_of(kernel, 1)
    cdef const real *numbers = matrix_of(kernel, "kernel", F, O)
    cdef real *out = vector_into(packed, "packed", dense_packed_size(F, O))
    with nogil:
        pack(0, 1, F, O, numbers, O, 0, out)


cdef Dense dense_call(ndarray x, ndarray kernel, ndarray packed, bint stale, int activation, ndarray y):
    """What the forward and the backward pass share."""
    cdef Dense p
    memset(&p, 0, sizeof(p))
    p.N, p.F, p.O, p.activation = size_of(x, 0), size_of(kernel, 0), size_of(kernel, 1), activation
    p.x, p.kernel = matrix_of(x, "x", p.N, p.F), matrix_of(kernel, "kernel", p.F, p.O)
    p.y = matrix_into(y, "y", p.N, p.O)
    p.packed = packed_of(packed, dense_packed_size(p.F, p.O), stale)
    check_activation(activation, SOFTMAX)
    check_not_empty(x, "x")
    check_not_empty(kernel, "kernel")
    if not p.packed:
        fetch_blas(max(p.N, max(p.F, p.O)))
    return p


def dense_forward(
    ndarray x not None, ndarray kernel not None, ndarray packed, bint stale, ndarray bias, int activation,
    ndarray y not None, int threads,
):
    """y (N, O) = f(x (N, F) kernel (F, O) + bias (O,) or None).

    packed is what `dense_pack` made or, if that is `stale`, memory where it is made now; None for BLAS.
    """
    cdef Dense p = dense_call(x, kernel, packed, stale, activation, y)
    p.bias = vector_of(bias, "bias", p.O)
    with nogil:
        if p.packed and stale:
            pack(0, 1, p.F, p.O, p.kernel, p.O, 0, <real *>p.packed)
        run_tasks(dense_forward_rows, &p, <int>ceil_div(p.N, MAX_BLOCK_ROWS), threads)


def dense_backward(
    ndarray x not None, ndarray kernel not None, ndarray packed, int activation, ndarray y not None,
    ndarray dy not None, ndarray d not None, ndarray dx, ndarray d_kernel, ndarray d_bias, int threads,
):
    """Backward of `dense_forward`. packed is memory for the kernel as its tiles read it, None for BLAS; d, of N O and
    `read_padding` numbers, receives the gradient before the activation, dx (N, F; None to skip) is written, d_kernel (F, O) and d_bias (O,) are
    added to where they are not None."""
    cdef Dense p = dense_call(x, kernel, packed, True, activation, y)
    p.dy, p.d = matrix_of(dy, "dy", p.N, p.O), vector_into(d, "d", p.N * p.O + LANES)
    p.dx, p.d_kernel = matrix_into(dx, "dx", p.N, p.F), matrix_into(d_kernel, "d_kernel", p.F, p.O)
    p.d_bias = vector_into(d_bias, "d_bias", p.O)
    with nogil:
        if p.packed and p.dx:
            pack_transposed(0, 1, p.O, p.F, p.kernel, p.O, 0, <real *>p.packed)
        run_tasks(dense_backward_rows, &p, <int>ceil_div(p.N, MAX_BLOCK_ROWS), threads)
        if p.d_kernel or p.d_bias:
            run_tasks(dense_weight_columns, &p, <int>ceil_div(p.O, BLOCK_COLUMNS), threads)
