# Cross-entropies of probabilities, each with its gradient: small enough for one thread, and too many steps for numpy,
# whose calls would take longer than a small model's kernels. Probabilities are kept EPSILON away from 0 and 1, as in
# Keras; one that had to be moved has no gradient.

from libc.math cimport log

cdef real EPSILON = 1e-7


def binary_crossentropy(const real[:, ::1] t, const real[:, ::1] p, real[::1] losses, real[:, ::1] gradient):
    """Of N rows of C probabilities p with labels t (N, C):

    losses = -mean_j (t_j log p_j + (1 - t_j) log(1 - p_j)),   gradient_j = (p_j - t_j) / (p_j (1 - p_j) C)
    """
    cdef Py_ssize_t i, j, C = p.shape[1]
    cdef double total
    cdef real q
    with nogil:
        for i in range(p.shape[0]):
            total = 0
            for j in range(C):
                q = clip(p[i, j], EPSILON, 1 - EPSILON)
                total -= t[i, j] * log(q) + (1 - t[i, j]) * log(1 - q)
                gradient[i, j] = (q - t[i, j]) / (q * (1 - q) * C) if q == p[i, j] else 0
            losses[i] = <real>(total / C)


def categorical_crossentropy(const real[:, ::1] t, const real[:, ::1] p, real[::1] losses, real[:, ::1] gradient):
    """Of N rows of C probabilities p with labels t (N, C), after p was divided by its sum s:

    losses = -sum_j t_j log(p_j / s),   gradient_k = (sum_j t_j) / s - t_k / p_k, over the j that were not moved
    """
    cdef Py_ssize_t i, j
    cdef real total, counted, q
    with nogil:
        for i in range(p.shape[0]):
            total = 0
            for j in range(p.shape[1]):
                total += p[i, j]
            losses[i] = counted = 0
            for j in range(p.shape[1]):
                q = clip(p[i, j] / total, EPSILON, 1 - EPSILON)
                losses[i] -= <real>(t[i, j] * log(q))
                gradient[i, j] = 0
                if q == p[i, j] / total:
                    counted += t[i, j]
                    gradient[i, j] = -t[i, j] / (q * total)
            for j in range(p.shape[1]):
                gradient[i, j] += counted / total


def sparse_categorical_crossentropy(
    const long long[::1] labels, const real[:, ::1] p, real[::1] losses, real[:, ::1] gradient
) -> bool:
    """`categorical_crossentropy` for the numbers (N,) of the classes; False where one is not from 0 to C - 1."""
    cdef Py_ssize_t i, j
    cdef real total, slope, q
    with nogil:
        for i in range(p.shape[0]):
            if not 0 <= labels[i] < p.shape[1]:
                with gil:
                    return False
            total = 0
            for j in range(p.shape[1]):
                total += p[i, j]
            q = clip(p[i, labels[i]] / total, EPSILON, 1 - EPSILON)
            losses[i] = -<real>log(q)
            slope = 1 / total if q == p[i, labels[i]] / total else 0
            for j in range(p.shape[1]):
                gradient[i, j] = slope
            gradient[i, labels[i]] -= slope / q
    return True
