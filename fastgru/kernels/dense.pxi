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
    real *dy            # (N, O): gradient of y, becomes that of x W + b
    real *dx            # (N, F) or NULL
    real *d_kernel      # (F, O), added to, or NULL
    real *d_bias        # (O,), added to, or NULL


cdef void dense_forward_shard(void *context, int shard) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t i, first = <Py_ssize_t>shard * SHARD_ROWS, n = smaller(SHARD_ROWS, p.N - first)
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


cdef void dense_backward_shard(void *context, int shard) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t first = <Py_ssize_t>shard * SHARD_ROWS, n = smaller(SHARD_ROWS, p.N - first)
    cdef real *dy = p.dy + first * p.O
    multiply_derivative_rows(p.activation, p.y + first * p.O, dy, n, p.O)
    if p.dx:
        # dx = dy W'
        if p.packed:
            multiply_packed(n, p.F, p.O, dy, p.O, p.packed, False, p.dx + first * p.F, p.F)
        else:
            multiply(False, True, n, p.F, p.O, dy, p.O, p.kernel, p.O, 0, p.dx + first * p.F, p.F)


cdef void dense_weights_shard(void *context, int shard) noexcept nogil:
    cdef Dense *p = <Dense *>context
    cdef Py_ssize_t first = <Py_ssize_t>shard * SHARD_COLUMNS, n = smaller(SHARD_COLUMNS, p.O - first)
    # dW += x' dy
    if p.d_kernel and p.packed:
        add_transposed(p.F, n, p.N, p.x, p.F, p.dy + first, p.O, p.d_kernel + first, p.O)
    elif p.d_kernel:
        multiply(True, False, p.F, n, p.N, p.x, p.F, p.dy + first, p.O, 1, p.d_kernel + first, p.O)
    if p.d_bias:
        add_column_sums(p.N, n, p.dy + first, p.O, p.d_bias + first)


def dense_pack_size(Py_ssize_t F, Py_ssize_t O) -> int:
    """Numbers of the packed kernel, whether for the forward or the backward pass."""
    return larger(packed_numbers(F, O), packed_numbers(O, F))


def dense_pack(const real[:, ::1] kernel, real[::1] packed):
    """Pack kernel (F, O) for the tiles of `dense_forward`."""
    cdef Py_ssize_t F = kernel.shape[0], O = kernel.shape[1]
    with nogil:
        pack(0, 1, F, O, &kernel[0, 0], O, 0, &packed[0])


def dense_forward(
    const real[:, ::1] x, const real[:, ::1] kernel, const real[::1] packed, bint stale, const real[::1] bias,
    int activation, real[:, ::1] y, int threads,
):
    """y (N, O) = f(x (N, F) kernel (F, O) + bias (O,) or None).

    packed is what `dense_pack` made or, if that is `stale`, memory where it is made now; None for BLAS.
    """
    cdef Dense p
    memset(&p, 0, sizeof(p))
    p.N, p.F, p.O, p.activation = x.shape[0], kernel.shape[0], kernel.shape[1], activation
    p.x, p.kernel, p.y = &x[0, 0], &kernel[0, 0], &y[0, 0]
    if packed is not None:
        p.packed = &packed[0]
    else:
        fetch_blas()
    if bias is not None:
        p.bias = &bias[0]
    with nogil:
        if p.packed and stale:
            pack(0, 1, p.F, p.O, p.kernel, p.O, 0, <real *>p.packed)
        run_tasks(dense_forward_shard, &p, <int>pieces(p.N, SHARD_ROWS), threads)


def dense_backward(
    const real[:, ::1] x, const real[:, ::1] kernel, real[::1] packed, int activation, const real[:, ::1] y,
    real[::1] dy, real[:, ::1] dx, real[:, ::1] d_kernel, real[::1] d_bias, int threads,
):
    """Backward of `dense_forward`. packed is memory for the kernel as its tiles read it, None for BLAS; dy (N O + `slack`)
    becomes the gradient before the activation, dx (N, F; None to skip) is written, d_kernel (F, O) and d_bias (O,) are
    added to where they are not None."""
    cdef Dense p
    memset(&p, 0, sizeof(p))
    p.N, p.F, p.O, p.activation = x.shape[0], kernel.shape[0], kernel.shape[1], activation
    p.x, p.kernel, p.y, p.dy = &x[0, 0], &kernel[0, 0], <real *>&y[0, 0], &dy[0]
    if packed is not None:
        p.packed = &packed[0]
    else:
        fetch_blas()
    if d_kernel is not None:
        p.d_kernel = &d_kernel[0, 0]
    if dx is not None:
        p.dx = &dx[0, 0]
    if d_bias is not None:
        p.d_bias = &d_bias[0]
    with nogil:
        if p.packed and p.dx:
            pack_transposed(0, 1, p.O, p.F, p.kernel, p.O, 0, <real *>p.packed)
        run_tasks(dense_backward_shard, &p, <int>pieces(p.N, SHARD_ROWS), threads)
        if p.d_kernel or p.d_bias:
            run_tasks(dense_weights_shard, &p, <int>pieces(p.O, SHARD_COLUMNS), threads)
