# What a kernel is handed: numpy arrays, checked before anything of them is used. Memoryviews in a signature would
# check nearly the same, but each takes an eighth of a microsecond to come and go, and the kernels of a small model's
# batch are handed fifty arrays. Sizes are compared with those of the other arrays: a kernel trusts them.

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_INT64, NPY_UINT8, PyArray_DATA, PyArray_DescrFromType, PyArray_EquivTypenums,
    PyArray_DIM, PyArray_ISCARRAY, PyArray_ISCARRAY_RO, PyArray_NDIM, PyArray_SIZE, PyArray_TYPE, import_array, ndarray,
)

import_array()

cdef int REAL_TYPE = NPY_FLOAT if sizeof(real) == sizeof(float) else NPY_DOUBLE


cdef int refuse_kind(str name, object array, int type, int axes, bint written) except -1:
    raise ValueError(
        f"Kernels, {name}: expected a C-contiguous, aligned{', writeable' if written else ''} array of "
        f"{PyArray_DescrFromType(type)} with {axes} {'axis' if axes == 1 else 'axes'}, got {array.dtype} of shape "
        f"{array.shape}, strides {array.strides}, aligned: {array.flags.aligned}, writeable: {array.flags.writeable}."
    )


cdef int refuse_shape(str name, object array, tuple shape) except -1:
    raise ValueError(f"Kernels, {name}: expected an array of shape {shape}, got {array.shape}.")


cdef inline Py_ssize_t size_of(ndarray array, int axis) noexcept:
    """The length of an axis, 0 where there is none: what reads the array then refuses it."""
    return PyArray_DIM(array, axis) if axis < PyArray_NDIM(array) else 0


cdef inline void *data_of(ndarray array, str name, int type, int axes, bint written) except? NULL:
    """Where the numbers of an array begin, one after the other."""
    cdef bint fits = PyArray_ISCARRAY(array) if written else PyArray_ISCARRAY_RO(array)
    if PyArray_TYPE(array) != type:  # one type may have two codes, as long and long long do
        fits = fits and PyArray_EquivTypenums(PyArray_TYPE(array), type)
    if not fits or PyArray_NDIM(array) != axes:
        refuse_kind(name, array, type, axes, written)
    return PyArray_DATA(array)


# The numbers of an array of the shape that follows from the other arrays, NULL for None: to read (`_of`) and to write
# (`_into`).


cdef inline void *vector(ndarray array, str name, int type, bint written, Py_ssize_t n) except? NULL:
    if array is None:
        return NULL
    data = data_of(array, name, type, 1, written)
    if PyArray_DIM(array, 0) != n:
        refuse_shape(name, array, (n,))
    return data


cdef inline void *matrix(ndarray array, str name, int type, bint written, Py_ssize_t m, Py_ssize_t n) except? NULL:
    if array is None:
        return NULL
    data = data_of(array, name, type, 2, written)
    if PyArray_DIM(array, 0) != m or PyArray_DIM(array, 1) != n:
        refuse_shape(name, array, (m, n))
    return data


cdef inline void *sequences(
    ndarray array, str name, bint written, Py_ssize_t B, Py_ssize_t T, Py_ssize_t n
) except? NULL:
    if array is None:
        return NULL
    data = data_of(array, name, REAL_TYPE, 3, written)
    if PyArray_DIM(array, 0) != B or PyArray_DIM(array, 1) != T or PyArray_DIM(array, 2) != n:
        refuse_shape(name, array, (B, T, n))
    return data


cdef inline const real *vector_of(ndarray array, str name, Py_ssize_t n) except? NULL:
    return <const real *>vector(array, name, REAL_TYPE, False, n)


cdef inline real *vector_into(ndarray array, str name, Py_ssize_t n) except? NULL:
    return <real *>vector(array, name, REAL_TYPE, True, n)


cdef inline const real *matrix_of(ndarray array, str name, Py_ssize_t m, Py_ssize_t n) except? NULL:
    return <const real *>matrix(array, name, REAL_TYPE, False, m, n)


cdef inline real *matrix_into(ndarray array, str name, Py_ssize_t m, Py_ssize_t n) except? NULL:
    return <real *>matrix(array, name, REAL_TYPE, True, m, n)


cdef inline const real *sequences_of(ndarray array, str name, Py_ssize_t B, Py_ssize_t T, Py_ssize_t n) except? NULL:
    return <const real *>sequences(array, name, False, B, T, n)


cdef inline real *sequences_into(ndarray array, str name, Py_ssize_t B, Py_ssize_t T, Py_ssize_t n) except? NULL:
    return <real *>sequences(array, name, True, B, T, n)


cdef inline const real *packed_of(ndarray array, Py_ssize_t n, bint stale) except? NULL:
    """Packed weights, or where they are `stale` the memory to pack them in anew; NULL for None: BLAS multiplies."""
    return <const real *>vector(array, "packed", REAL_TYPE, stale, n)


cdef inline const unsigned char *mask_of(ndarray array, Py_ssize_t B, Py_ssize_t T) except? NULL:
    return <const unsigned char *>matrix(array, "mask", NPY_UINT8, False, B, T)


cdef inline const long long *labels_of(ndarray array, Py_ssize_t N) except? NULL:
    """The numbers of classes."""
    return <const long long *>vector(array, "labels", NPY_INT64, False, N)


cdef inline real *workspace_of(ndarray array) except? NULL:
    """Memory of any size, which `check_workspace` compares."""
    check_present(array, "memory")
    return vector_into(array, "memory", size_of(array, 0))


cdef int check_workspace(ndarray memory, Py_ssize_t numbers) except -1:
    if memory.shape[0] != numbers:
        raise ValueError(f"Kernels, memory: expected a workspace of {numbers} numbers, got {memory.shape[0]}.")
    return 0


cdef int check_training(bint training) except -1:
    if not training:
        raise ValueError(
            "Kernels: expected a workspace of a forward pass with training=True, got one with training=False."
        )
    return 0


cdef inline int check_present(ndarray array, str name) except -1:
    if array is None:
        raise TypeError(f"Kernels, {name}: expected an array, got None.")
    return 0


cdef int refuse_empty(str name, object array) except -1:
    raise ValueError(f"Kernels, {name}: expected at least one number, got an array of shape {array.shape}.")


cdef inline int check_not_empty(ndarray array, str name) except -1:
    return refuse_empty(name, array) if PyArray_SIZE(array) == 0 else 0


cdef int check_positive(tuple sizes) except -1:
    if min(sizes) < 1:
        raise ValueError(f"Kernels: expected sizes of at least 1, got {sizes}.")
    return 0


cdef int take_sequences(Sequences *seq, ndarray x, ndarray mask) except -1:
    """x (B, T, F), which says what B, T and F are, and mask (B, T) or None."""
    check_present(x, "x")
    seq.B, seq.T, seq.F = size_of(x, 0), size_of(x, 1), size_of(x, 2)
    seq.x, seq.mask = sequences_of(x, "x", seq.B, seq.T, seq.F), mask_of(mask, seq.B, seq.T)
    return check_not_empty(x, "x")


cdef inline Py_ssize_t largest_size(const Sequences *seq, Py_ssize_t row) noexcept:
    """Of the matrices that BLAS multiplies, and of the steps from row to row in them; `row` is the gates' row."""
    return max(max(seq.B * seq.T, seq.T * seq.F), row)
