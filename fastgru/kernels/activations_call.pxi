# Activations by themselves, of arrays.

activation_ids = _compiled.activation_ids
input_activation_ids = _compiled.input_activation_ids
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


def activate_input(int kind, ndarray x not None, ndarray y not None):
    """y (N,) = f(x (N,)) for the activation that has that number among those by their input."""
    check_input_activation(kind)
    cdef Py_ssize_t N = size_of(x, 0)
    cdef const real *numbers = vector_of(x, "x", N)
    cdef real *outputs = vector_into(y, "y", N)
    with nogil:
        kernels.activate_input(kind, numbers, outputs, N)


def input_derivative(int kind, ndarray dy not None, ndarray x not None, ndarray dx not None):
    """dx (N,) = dy (N,) f'(x (N,)) for the same."""
    check_input_activation(kind)
    cdef Py_ssize_t N = size_of(x, 0)
    cdef const real *gradients = vector_of(dy, "dy", N)
    cdef const real *numbers = vector_of(x, "x", N)
    cdef real *result = vector_into(dx, "dx", N)
    with nogil:
        kernels.input_derivative(kind, gradients, numbers, result, N)


cdef int check_input_activation(int kind) except -1:
    if not 0 <= kind < len(input_activation_ids):
        raise ValueError(f"Kernels: expected an activation from 0 to {len(input_activation_ids) - 1}, got {kind}.")
    return 0
