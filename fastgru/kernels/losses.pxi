# Cross-entropies of probabilities, each with its gradient: small enough for one thread, and too many steps for numpy,
# whose calls would take longer than a small model's kernels. Probabilities are kept EPSILON away from 0 and 1, as in
# Keras; one that had to be moved has no gradient. N rows of C probabilities p.

from libc.math cimport log

cdef real EPSILON = 1e-7


cdef void binary_crossentropy(
    Py_ssize_t N, Py_ssize_t C, const real *label, const real *row, real *loss, real *d
) noexcept nogil:
    """With labels t (N, C):

    losses = -mean_j (t_j log p_j + (1 - t_j) log(1 - p_j)),   gradient_j = (p_j - t_j) / (p_j (1 - p_j) C)
    """
    cdef Py_ssize_t i, j
    cdef double total
    cdef real q
    for i in range(N):
        total = 0
        for j in range(C):
            q = clip(row[j], EPSILON, 1 - EPSILON)
            total -= label[j] * log(q) + (1 - label[j]) * log(1 - q)
            d[j] = (q - label[j]) / (q * (1 - q) * C) if q == row[j] else 0
        loss[i] = <real>(total / C)
        label, row, d = label + C, row + C, d + C


cdef void categorical_crossentropy(
    Py_ssize_t N, Py_ssize_t C, const real *label, const real *row, real *loss, real *d
) noexcept nogil:
    """With labels t (N, C), after p was divided by its sum s:

    losses = -sum_j t_j log(p_j / s),   gradient_k = (sum_j t_j) / s - t_k / p_k, over the j that were not moved
    """
    cdef Py_ssize_t i, j
    cdef real total, counted, q
    for i in range(N):
        total = 0
        for j in range(C):
            total += row[j]
        loss[i] = counted = 0
        for j in range(C):
            q = clip(row[j] / total, EPSILON, 1 - EPSILON)
            loss[i] -= <real>(label[j] * log(q))
            d[j] = 0
            if q == row[j] / total:
                counted += label[j]
                d[j] = -label[j] / (q * total)
        for j in range(C):
            d[j] += counted / total
        label, row, d = label + C, row + C, d + C


cdef bint sparse_categorical_crossentropy(
    Py_ssize_t N, Py_ssize_t C, const long long *label, const real *row, real *loss, real *d
) noexcept nogil:
    """`categorical_crossentropy` for the numbers (N,) of the classes; False where one is not from 0 to C - 1."""
    cdef Py_ssize_t i, j
    cdef real total, slope, q
    for i in range(N):
        if not 0 <= label[i] < C:
            return False
        total = 0
        for j in range(C):
            total += row[j]
        q = clip(row[label[i]] / total, EPSILON, 1 - EPSILON)
        loss[i] = -<real>log(q)
        slope = 1 / total if q == row[label[i]] / total else 0
        for j in range(C):
            d[j] = slope
        d[label[i]] -= slope / q
        row, d = row + C, d + C
    return True
