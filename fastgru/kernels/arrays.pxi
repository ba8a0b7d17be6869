# What a kernel is handed: numpy arrays. Memoryviews in a signature would check the same, but each takes an eighth of a
# microsecond to come and go, and the kernels of a small model's batch are handed fifty arrays.

from numpy cimport (
    NPY_DOUBLE, NPY_FLOAT, NPY_INT64, NPY_UINT8, PyArray_DATA, PyArray_DescrFromType, PyArray_EquivTypenums,
    PyArray_ISCARRAY, PyArray_ISCARRAY_RO, PyArray_NDIM, PyArray_TYPE, import_array, ndarray,
)

import_array()

cdef int REAL_TYPE = NPY_FLOAT if sizeof(real) == sizeof(float) else NPY_DOUBLE


cdef int refuse(object array, int type, int axes, bint written) except -1:
    raise ValueError(
        f"Kernels: expected a C-contiguous{' and writeable' if written else ''} array of {PyArray_DescrFromType(type)} "
        f"with {axes} axes, got {array.dtype} of shape {array.shape} and strides {array.strides}."
    )


cdef inline void *data_of(ndarray array, int type, int axes, bint written) except? NULL:
    """Where the numbers of an array begin, one after the other; NULL for None."""
    if array is None:
        return NULL
    cdef bint fits = PyArray_ISCARRAY(array) if written else PyArray_ISCARRAY_RO(array)
    if PyArray_TYPE(array) != type:  # the same type may have two numbers, as long and long long have
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


cdef inline const unsigned char *mask_of(ndarray array) except? NULL:
    """The bytes of a mask (B, T); NULL for None."""
    return <const unsigned char *>data_of(array, NPY_UINT8, 2, False)


cdef inline const long long *labels_of(ndarray array) except? NULL:
    """The numbers (N,) of classes."""
    return <const long long *>data_of(array, NPY_INT64, 1, False)
