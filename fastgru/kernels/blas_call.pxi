# scipy's BLAS, as every Cython module may call it (scipy.linalg.cython_blas). It is fetched with the first product that
# wants it rather than imported with this module, since importing scipy.linalg takes longer than all the rest that a
# first prediction waits for.

from libc.limits cimport INT_MAX

# What the capsule says of the function in it: one that counts in 64 bits (ILP64), or any other, must not be called so.
cdef str GEMM_SIGNATURE = (
    "void (char *, char *, int *, int *, int *, {0} *, {0} *, int *, {0} *, int *, {0} *, {0} *, int *)".format(
        "__pyx_t_5scipy_6linalg_11cython_blas_" + ("s" if sizeof(real) == sizeof(float) else "d")
    )
)


cdef int fetch_blas(Py_ssize_t largest) except -1:
    """Make `multiply` ready for sizes up to `largest`; who multiplies with BLAS does so while it holds the GIL."""
    if largest > INT_MAX:
        raise ValueError(
            f"Kernels: BLAS counts up to {INT_MAX}, got a size of {largest}; compute fewer rows or steps at a time."
        )
    if kernels.gemm == NULL:
        from scipy.linalg import cython_blas

        gemm = cython_blas.__pyx_capi__["sgemm" if sizeof(real) == sizeof(float) else "dgemm"]
        signature = PyCapsule_GetName(gemm)
        if signature.decode() != GEMM_SIGNATURE:
            raise ImportError(
                f"Kernels: expected SciPy's BLAS to be {GEMM_SIGNATURE!r}, got {signature.decode()!r}; install another "
                'build of SciPy, or do without: FASTGRU_PRODUCTS=tiles.'
            )
        kernels.gemm = <gemm_type>PyCapsule_GetPointer(gemm, signature)
    return 0
