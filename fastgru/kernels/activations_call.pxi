# Activations by themselves, of arrays.

activation_ids = _compiled.activation_ids
cdef int SOFTMAX = activation_ids["softmax"]  # the last one


cdef int check_activation(int kind, int last) except -1:
    if not 0 <= kind <= last:
        raise ValueError(f"Kernels: expected an activation from 0 to {last}, got {kind}.")
    return 0


def apply_activation(int kind, ndarray x not None):
    """x (N, C) = f(x) for the activation of that number."""
    check_activation(kind, SOFTMAX)
    cdef Py_ssize_t N = size_of(x, 0), C = size_of(x, 1)
    cdef real *numbers = matrix_into(x, "x", N, C)
    check_not_empty(x, "x")
    with nogil:
        kernels.activate_rows(kind, numbers, N, C)


def apply_derivative(int kind, ndarray y not None, ndarray dy not None):
    """dy (N, C) becomes the gradient before the activation of that number, whose output was y."""
    check_activation(kind, SOFTMAX)
    cdef Py_ssize_t N = size_of(y, 0), C = size_of(y, 1)
    cdef const real *outputs = matrix_of(y, "y", N, C)
    cdef real *gradients = matrix_into(dy, "dy", N, C)
    check_not_empty(y, "y")
    with nogil:
        kernels.multiply_derivative_rows(kind, outputs, gradients, N, C)
