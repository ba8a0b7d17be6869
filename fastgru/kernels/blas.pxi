# The one door to BLAS: scipy's, as every Cython module may call it (scipy.linalg.cython_blas). It is fetched with the
# first product that wants it rather than imported with this module, since importing scipy.linalg takes longer than all
# the rest that a first prediction waits for. Matrices are row-major: rows of `ld` numbers, of which the first columns
# count.

from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.limits cimport INT_MAX

ctypedef void (*gemm_type)(
    char *trans_a, char *trans_b, int *m, int *n, int *k, real *alpha, real *a, int *lda, real *b, int *ldb, real *beta,
    real *c, int *ldc,
) noexcept nogil

cdef gemm_type blas_gemm = NULL


# What the capsule says of the function in it: one that counts in 64 bits (ILP64), or any other, must not be called so.
cdef str GEMM_SIGNATURE = (
    "void (char *, char *, int *, int *, int *, {0} *, {0} *, int *, {0} *, int *, {0} *, {0} *, int *)".format(
        "__pyx_t_5scipy_6linalg_11cython_blas_" + ("s" if sizeof(real) == sizeof(float) else "d")
    )
)


cdef int fetch_blas(Py_ssize_t largest) except -1:
    """Make `multiply` ready for sizes up to `largest`; who multiplies with BLAS does so while it holds the GIL."""
    global blas_gemm
    if largest > INT_MAX:
        raise ValueError(
            f"Kernels: BLAS counts up to {INT_MAX}, got a size of {largest}; compute fewer rows or steps at a time."
        )
    if blas_gemm == NULL:
        from scipy.linalg import cython_blas

        gemm = cython_blas.__pyx_capi__["sgemm" if sizeof(real) == sizeof(float) else "dgemm"]
        signature = PyCapsule_GetName(gemm)
        if signature.decode() != GEMM_SIGNATURE:
            raise ImportError(
                f"Kernels: expected SciPy's BLAS to be {GEMM_SIGNATURE!r}, got {signature.decode()!r}; install another "
                'build of SciPy, or do without: FASTGRU_PRODUCTS=tiles.'
            )
        blas_gemm = <gemm_type>PyCapsule_GetPointer(gemm, signature)
    return 0


cdef inline void multiply(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real beta, real *c, Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) = op(A) (m, k) op(B) (k, n) + beta C, row-major."""
    # BLAS counts by columns, so it sees every matrix transposed, and C' = op(B)' op(A)'.
    cdef int m_ = <int>m, n_ = <int>n, k_ = <int>k, lda_ = <int>lda, ldb_ = <int>ldb, ldc_ = <int>ldc
    cdef real one = 1
    cdef char trans_a = b"T" if transpose_a else b"N", trans_b = b"T" if transpose_b else b"N"
    blas_gemm(&trans_b, &trans_a, &n_, &m_, &k_, &one, <real *>b, &ldb_, <real *>a, &lda_, &beta, c, &ldc_)
