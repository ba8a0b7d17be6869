# Products by register tiles (tile.h): with weights packed once for many steps, and of two plain matrices for the
# gradients of weights.

cdef extern from "tile.h" nogil:
    enum:
        LANES         # numbers of a vector
        TILE_ROWS     # rows of a tile
        TILE_VECTORS  # vectors of a tile's row, at most
    void lanes_put(Py_ssize_t lanes, const real *source, real *to)
    void lanes_add(Py_ssize_t lanes, const real *source, real *to)
    void lanes_mix(Py_ssize_t lanes, const real *z, const real *h, const real *g, real *to)
    void bring_near(const real *number)
    void tile_gates(int rows, Py_ssize_t features, const real *x, Py_ssize_t ldx, Py_ssize_t units, const real *h,
                    Py_ssize_t ldh, const real *projected, const real *packed, real *planes)
    void tile_product(int rows, int vectors, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *packed,
                      real *planes)
    void tile_transposed(int rows, int vectors, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *b,
                         Py_ssize_t ldb, real *planes)

cdef enum:
    SUMMED_ROWS = 256  # rows that a tile of a weight gradient sums up before it adds to memory: they stay in the cache


slack = LANES  # numbers that must be readable behind a matrix whose rows `add_transposed` reads


cdef inline Py_ssize_t block_vectors(Py_ssize_t left) noexcept nogil:
    """Vectors of the next block where `left` are left: threes, but two twos rather than a three and a one."""
    return 3 if left == 3 or left > 4 else 2 if left > 1 else 1


cdef inline Py_ssize_t whole_vectors(Py_ssize_t n) noexcept nogil:
    """n rounded up to whole vectors."""
    return pieces(n, LANES) * LANES


cdef inline void bring_row_near(Py_ssize_t n, const real *row) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(pieces(n, LANES)):
        bring_near(row + i * LANES)


cdef inline Py_ssize_t packed_numbers(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Numbers of a packed matrix (k, n)."""
    return k * whole_vectors(n)


cdef inline void pack_vector(
    Py_ssize_t n, const real *row, Py_ssize_t step, Py_ssize_t begin, Py_ssize_t turn, real *packed
) noexcept nogil:
    """The numbers begin, begin + 1, ... of a row of n that starts with its number `turn`, and zeros behind its end."""
    cdef Py_ssize_t l, first = begin + turn if begin + turn < n else begin + turn - n
    if begin + LANES > n or first + LANES > n:
        for l in range(LANES):
            packed[l] = 0 if begin + l >= n else row[(first + l if first + l < n else first + l - n) * step]
    elif step == 1:
        memcpy(packed, row + first, LANES * sizeof(real))
    else:
        for l in range(LANES):
            packed[l] = row[(first + l) * step]


cdef void pack(
    Py_ssize_t k, Py_ssize_t n, const real *b, Py_ssize_t step_k, Py_ssize_t step_n, Py_ssize_t turn_k, Py_ssize_t turn_n,
    real *packed,
) noexcept nogil:
    """B (k, n), its numbers step_k and step_n apart, as blocks of columns (k, vectors, LANES) padded with zeros; its rows
    begin with row turn_k and its columns with column turn_n, and end with those before."""
    cdef Py_ssize_t begin = 0, i, v, vectors
    cdef const real *row
    while begin < n:
        vectors = block_vectors(pieces(n - begin, LANES))
        for i in range(k):
            row = b + (i + turn_k if i + turn_k < k else i + turn_k - k) * step_k
            for v in range(vectors):
                pack_vector(n, row, step_n, begin + v * LANES, turn_n, packed)
                packed += LANES
        begin += vectors * LANES


cdef inline void put_planes(
    const real *planes, Py_ssize_t vectors, Py_ssize_t rows, Py_ssize_t columns, bint add, real *c, Py_ssize_t ldc
) noexcept nogil:
    """C (rows, columns) = or += planes (vectors, rows, LANES); C ends with the columns."""
    cdef Py_ssize_t v, i, lanes
    for v in range(vectors):
        lanes = smaller(LANES, columns - v * LANES)
        for i in range(rows):
            if add:
                lanes_add(lanes, planes + (v * rows + i) * LANES, c + i * ldc + v * LANES)
            else:
                lanes_put(lanes, planes + (v * rows + i) * LANES, c + i * ldc + v * LANES)


cdef void multiply_packed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *packed, bint add, real *c,
    Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) = A (m, k) B, or C += A B, with B (k, n) packed by `pack`."""
    cdef real[TILE_VECTORS * TILE_ROWS * LANES] planes
    cdef Py_ssize_t j = 0, i, rows, vectors
    while j < n:
        vectors = block_vectors(pieces(n - j, LANES))
        i = 0
        while i < m:
            rows = smaller(TILE_ROWS, m - i)
            tile_product(<int>rows, <int>vectors, k, a + i * lda, lda, packed, planes)
            put_planes(planes, vectors, rows, n - j, add, c + i * ldc + j, ldc)
            i += rows
        packed += k * vectors * LANES
        j += vectors * LANES


cdef void add_transposed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real *c,
    Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) += A' B for A (k, m) and B (k, n); up to LANES - 1 numbers behind a row of B are read and not used."""
    cdef real[TILE_VECTORS * TILE_ROWS * LANES] planes
    cdef Py_ssize_t start = 0, i, j, depth, rows, vectors
    while start < k:
        depth = smaller(SUMMED_ROWS, k - start)
        j = 0
        while j < n:
            vectors = block_vectors(pieces(n - j, LANES))
            i = 0
            while i < m:
                rows = smaller(TILE_ROWS, m - i)
                tile_transposed(<int>rows, <int>vectors, depth, a + start * lda + i, lda, b + start * ldb + j, ldb, planes)
                put_planes(planes, vectors, rows, n - j, True, c + i * ldc + j, ldc)
                i += rows
            j += vectors * LANES
        start += depth
