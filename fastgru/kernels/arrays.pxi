# What a kernel is handed: numpy arrays, checked before anything of them is used. Memoryviews in a signature would check
# nearly the same, but each takes an eighth of a microsecond to come and go, and the kernels of a small model's batch are
# handed fifty arrays.

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_INT64, NPY_UINT8, PyArray_DATA, PyArray_DescrFromType, PyArray_EquivTypenums,
    PyArray_ISCARRAY, PyArray_ISCARRAY_RO, PyArray_NDIM, PyArray_TYPE, import_array, ndarray,
)

import_array()

cdef int REAL_TYPE = NPY_FLOAT if sizeof(real) == sizeof(float) else NPY_DOUBLE


cdef int refuse(object array, int type, int axes, bint written) except -1:
    raise ValueError(
        f"Kernels: expected a C-contiguous, aligned{', writeable' if written else ''} array of "
        f"{PyArray_DescrFromType(type)} with {axes} {'axis' if axes == 1 else 'axes'}, got {array.dtype} of shape "
        f"{array.shape}, strides {array.strides}, aligned: {array.flags.aligned}, writeable: {array.flags.writeable}."
    )


cdef inline void *data_of(ndarray array, int type, int axes, bint written) except? NULL:
    """Where the numbers of an array begin, one after the other; NULL for None."""
    if array is None:
        return NULL
    cdef bint fits = PyArray_ISCARRAY(array) if written else PyArray_ISCARRAY_RO(array)
    if PyArray_TYPE(array) != type:  # one type may have two codes, as long and long long do
        fits = fits and PyArray_EquivTypenums(PyArray_TYPE(array), type)
    if not fits or PyArray_NDIM(array) != axes:
        refuse(array, type, axes, written)
    return PyArray_DATA(array)


cdef inline const real *numbers_of(ndarray array, int axes) except? NULL:
    """The numbers of an array to read; NULL for None."""
    return <const real *>data_of(array, REAL_TYPE, axes, False)


cdef inline real *memory_of(ndarray array, int axes) except? NULL:
    """The numbers of an array to write; NULL for None."""
    return <real *>data_of(array, REAL_TYPE, axes, True)


cdef inline const real *packed_of(ndarray array, bint stale) except? NULL:
    """Packed weights, or where they are `stale` the memory in which they are packed anew; NULL for None: BLAS multiplies."""
    return <const real *>data_of(array, REAL_TYPE, 1, stale)


cdef int check_workspace(ndarray memory, Py_ssize_t numbers) except -1:
    """ValueError where it is too small, as for a backward pass behind a forward pass that kept nothing for one."""
    if memory.shape[0] < numbers:
        raise ValueError(f"Kernels: expected a workspace of {numbers} numbers, got {memory.shape[0]}.")
    return 0


cdef inline const unsigned char *mask_of(ndarray array) except? NULL:
    """The bytes of a mask (B, T); NULL for None."""
    return <const unsigned char *>data_of(array, NPY_UINT8, 2, False)


cdef inline const long long *labels_of(ndarray array) except? NULL:
    """The numbers (N,) of classes."""
    return <const long long *>data_of(array, NPY_INT64, 1, False)
