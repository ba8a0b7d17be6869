# Dense layers: see dense.pxi.


def dense_pack_size(Py_ssize_t F, Py_ssize_t O) -> int:
    """Numbers of the packed kernel, whether for the forward or the backward pass."""
    return kernels.dense_packed_size(F, O)


def dense_pack(ndarray kernel not None, ndarray packed not None):
    """Pack kernel (F, O) for the tiles of `dense_forward`."""
    cdef Dense p
    memset(&p, 0, sizeof(p))
    p.F, p.O = size_of(kernel, 0), size_of(kernel, 1)
    p.kernel = matrix_of(kernel, "kernel", p.F, p.O)
    p.packed = vector_into(packed, "packed", kernels.dense_packed_size(p.F, p.O))
    with nogil:
        kernels.dense_pack(&p)


cdef Dense dense_call(ndarray x, ndarray kernel, ndarray packed, bint stale, int activation, ndarray y):
    """What the forward and the backward pass share."""
    cdef Dense p
    memset(&p, 0, sizeof(p))
    p.N, p.F, p.O, p.activation = size_of(x, 0), size_of(kernel, 0), size_of(kernel, 1), activation
    p.x, p.kernel = matrix_of(x, "x", p.N, p.F), matrix_of(kernel, "kernel", p.F, p.O)
    p.y = matrix_into(y, "y", p.N, p.O)
    p.packed = packed_of(packed, kernels.dense_packed_size(p.F, p.O), stale)
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
        kernels.dense_forward(&p, stale, threads)


def dense_backward(
    ndarray x not None, ndarray kernel not None, ndarray packed, int activation, ndarray y not None,
    ndarray dy not None, ndarray d not None, ndarray dx, ndarray d_kernel, ndarray d_bias, int threads,
):
    """Backward of `dense_forward`. packed is memory for the kernel as its tiles read it, None for BLAS; d, of N O and
    `read_padding` numbers, receives the gradient before the activation, dx (N, F; None to skip) is written, d_kernel
    (F, O) and d_bias (O,) are added to where they are not None."""
    cdef Dense p = dense_call(x, kernel, packed, True, activation, y)
    p.dy, p.d = matrix_of(dy, "dy", p.N, p.O), vector_into(d, "d", p.N * p.O + kernels.read_padding)
    p.dx, p.d_kernel = matrix_into(dx, "dx", p.N, p.F), matrix_into(d_kernel, "d_kernel", p.F, p.O)
    p.d_bias = vector_into(d_bias, "d_bias", p.O)
    with nogil:
        kernels.dense_backward(&p, threads)
