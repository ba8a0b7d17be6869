# Cross-entropies of N rows of C probabilities p, each with its gradient (N, C): see losses.pxi.


def binary_crossentropy(ndarray t not None, ndarray p not None, ndarray losses not None, ndarray gradient not None):
    """losses (N,) for labels t (N, C)."""
    cdef Py_ssize_t N = size_of(p, 0), C = size_of(p, 1)
    cdef const real *labels = matrix_of(t, "t", N, C)
    cdef const real *probabilities = matrix_of(p, "p", N, C)
    cdef real *loss = vector_into(losses, "losses", N)
    cdef real *d = matrix_into(gradient, "gradient", N, C)
    with nogil:
        kernels.binary_crossentropy(N, C, labels, probabilities, loss, d)


def categorical_crossentropy(ndarray t not None, ndarray p not None, ndarray losses not None, ndarray gradient not None):
    """losses (N,) for labels t (N, C)."""
    cdef Py_ssize_t N = size_of(p, 0), C = size_of(p, 1)
    cdef const real *labels = matrix_of(t, "t", N, C)
    cdef const real *probabilities = matrix_of(p, "p", N, C)
    cdef real *loss = vector_into(losses, "losses", N)
    cdef real *d = matrix_into(gradient, "gradient", N, C)
    with nogil:
        kernels.categorical_crossentropy(N, C, labels, probabilities, loss, d)


def sparse_categorical_crossentropy(
    ndarray labels not None, ndarray p not None, ndarray losses not None, ndarray gradient not None
) -> bool:
    """losses (N,) for the numbers (N,) of the classes; False where one is not from 0 to C - 1."""
    cdef Py_ssize_t N = size_of(p, 0), C = size_of(p, 1)
    cdef const long long *classes = labels_of(labels, N)
    cdef const real *probabilities = matrix_of(p, "p", N, C)
    cdef real *loss = vector_into(losses, "losses", N)
    cdef real *d = matrix_into(gradient, "gradient", N, C)
    cdef bint valid
    with nogil:
        valid = kernels.sparse_categorical_crossentropy(N, C, classes, probabilities, loss, d)
    return valid
