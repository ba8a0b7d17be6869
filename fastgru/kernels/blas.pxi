# The one door to BLAS: scipy's (see blas_call.pxi). Matrices are row-major: rows of `ld` numbers, of which the first
# columns count.


cdef inline void multiply(
    bint transpose_a, bint transpose_b, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
    const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real beta, real *c, Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) = op(A) (m, k) op(B) (k, n) + beta C, row-major."""
    # BLAS counts by columns, so it sees every matrix transposed, and C' = op(B)' op(A)'.
    cdef int m_ = <int>m, n_ = <int>n, k_ = <int>k, lda_ = <int>lda, ldb_ = <int>ldb, ldc_ = <int>ldc
    cdef real one = 1
    cdef char trans_a = b"T" if transpose_a else b"N", trans_b = b"T" if transpose_b else b"N"
    kernels.gemm(&trans_b, &trans_a, &n_, &m_, &k_, &one, <real *>b, &ldb_, <real *>a, &lda_, &beta, c, &ldc_)
