# Rows brought to mean 0 and variance 1: see normalization.pxi.


def normalize_rows(ndarray x not None, double epsilon, ndarray normal not None, ndarray inverse not None):
    """normal (N, C) = (x (N, C) - mean) inverse of each row, and inverse (N,) = 1 / sqrt(variance + epsilon)."""
    cdef Py_ssize_t N = size_of(x, 0), C = size_of(x, 1)
    cdef const real *numbers = matrix_of(x, "x", N, C)
    cdef real *normals = matrix_into(normal, "normal", N, C)
    cdef real *inverses = vector_into(inverse, "inverse", N)
    with nogil:
        kernels.normalize_rows(N, C, numbers, <real>epsilon, normals, inverses)
