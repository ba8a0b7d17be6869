# Products by register tiles (tile.h): with weights packed once for many steps, and of two plain matrices for the
# gradients of weights.

cdef extern from "tile.h" nogil:
    enum:
        LANES            # numbers of a vector
        TILE_ROWS        # rows of a tile
        TILE_VECTORS     # vectors of a block of columns, at most
        TILE_BLOCKS      # blocks of columns that a tile of one row has at most
        TILE_SUMS        # rows of all blocks of a tile, at most
        TILE_FAR_BLOCKS  # blocks side by side of weights beyond the cache
    void lanes_put(Py_ssize_t lanes, const real *source, real *to)
    void tile_store(const real *accumulators, Py_ssize_t vectors, Py_ssize_t rows, Py_ssize_t columns, bint add,
                    real *c, Py_ssize_t ldc)
    void lanes_mix(Py_ssize_t lanes, const real *z, const real *h, const real *g, real *to)
    void tile_gates(int rows, int blocks, Py_ssize_t features, const real *x, Py_ssize_t ldx, Py_ssize_t units,
                    const real *h, Py_ssize_t ldh, const real *projected, Py_ssize_t lanes, const real *packed,
                    real *accumulators)
    void tile_product(int rows, int threes, int twos, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *packed,
                      bint add, Py_ssize_t columns, real *c, Py_ssize_t ldc)
    void tile_narrow(int rows, int vectors, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *packed, bint add,
                     Py_ssize_t columns, real *c, Py_ssize_t ldc)
    void tile_transposed(int rows, int vectors, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *b,
                         Py_ssize_t ldb, Py_ssize_t columns, real *c, Py_ssize_t ldc)

cdef extern from "prefetch.h" nogil:
    void prefetch(const void *memory, Py_ssize_t bytes)

cdef enum:
    L1_BYTES = 32768    # of a processor's L1 cache, or about that
    L2_BYTES = 1048576  # of its L2 cache
    SUMMED_ROWS = 256  # rows that a tile of a weight gradient sums up before it adds to memory: they stay in the cache
    PACKED_ROWS = 64   # see `pack_transposed`
    PACK_TASKS = 4     # in which a layer's weights are packed


cdef inline Py_ssize_t block_vectors(Py_ssize_t vectors) noexcept nogil:
    """Vectors of the next block where so many are to come: threes, but two twos rather than a three and a one."""
    return 3 if vectors == 3 or vectors > 4 else 2 if vectors > 1 else 1


cdef inline Py_ssize_t even_part(Py_ssize_t n, Py_ssize_t most) noexcept nogil:
    """The size of the largest part of n, cut evenly into as few parts of at most `most` as can be."""
    return n if n <= most else ceil_div(n, ceil_div(n, most))


cdef inline Py_ssize_t next_rows(Py_ssize_t rows, Py_ssize_t tile) noexcept nogil:
    """Rows of the next tile, where so many are left: of tiles of `tile` the last two are about even."""
    return tile if rows >= 2 * tile else rows if rows <= tile else ceil_div(rows, 2)


cdef inline Py_ssize_t tile_blocks(Py_ssize_t rows, Py_ssize_t blocks) noexcept nogil:
    """Blocks at a time, of so many, for tiles of so many rows in all: those of the tile with the fewest rows, which are
    two of five where four rows fill the registers (see `next_rows`)."""
    if rows > 2 and (TILE_ROWS > 4 or rows != 5):
        return 1
    return even_part(blocks, TILE_BLOCKS if rows == 1 else TILE_BLOCKS // 2)


cdef inline Py_ssize_t pad_to_vectors(Py_ssize_t n) noexcept nogil:
    """n rounded up to whole vectors."""
    return ceil_div(n, LANES) * LANES


cdef inline Py_ssize_t packed_size(Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Numbers of a packed matrix (k, n)."""
    return k * pad_to_vectors(n)


cdef inline void pack_vector(
    Py_ssize_t n, const real *row, Py_ssize_t begin, Py_ssize_t rotation, real *packed
) noexcept nogil:
    """The numbers begin, begin + 1, ... of a row of n that starts with its number `rotation`, and zeros behind it."""
    cdef Py_ssize_t l, first = begin + rotation if begin + rotation < n else begin + rotation - n
    if begin + LANES > n or first + LANES > n:
        for l in range(LANES):
            packed[l] = 0 if begin + l >= n else row[first + l if first + l < n else first + l - n]
    else:
        memcpy(packed, row + first, LANES * sizeof(real))


# A packed matrix B (k, n) is blocks of columns (k, vectors, LANES), padded with zeros. The next two write the `part`th
# of `parts` parts of its rows.


cdef void pack(
    Py_ssize_t part, Py_ssize_t parts, Py_ssize_t k, Py_ssize_t n, const real *b, Py_ssize_t ldb, Py_ssize_t rotation,
    real *packed,
) noexcept nogil:
    """B (k, n), whose columns begin with column `rotation` and end with those before it."""
    cdef Py_ssize_t begin = 0, i, v, vectors
    while begin < n:
        vectors = block_vectors(ceil_div(n - begin, LANES))
        for i in range(k * part // parts, k * (part + 1) // parts):
            for v in range(vectors):
                pack_vector(n, b + i * ldb, begin + v * LANES, rotation, packed + (i * vectors + v) * LANES)
        packed += k * vectors * LANES
        begin += vectors * LANES


cdef void pack_transposed(Py_ssize_t part, Py_ssize_t parts, Py_ssize_t k, Py_ssize_t n, const real *a, Py_ssize_t lda,
                          Py_ssize_t rotation, real *packed) noexcept nogil:
    """B = A' for A (n, k), whose columns begin with column `rotation` and end with those before it.

    The numbers of a row of A go a row of the packed block apart; PACKED_ROWS of them stay in the L1 cache until all
    columns of the block have come.
    """
    cdef Py_ssize_t begin = 0, end = k * (part + 1) // parts, i, j, column, rows, vectors
    cdef const real *row
    cdef real *out
    while begin < n:
        vectors = block_vectors(ceil_div(n - begin, LANES))
        i = k * part // parts
        while i < end:
            rows = min(min(PACKED_ROWS, end - i), k - rotation - i if i < k - rotation else k)
            for column in range(vectors * LANES):
                out = packed + i * vectors * LANES + column
                if begin + column < n:
                    row = a + (begin + column) * lda + (i + rotation if i < k - rotation else i + rotation - k)
                    for j in range(rows):
                        out[j * vectors * LANES] = row[j]
                else:
                    for j in range(rows):
                        out[j * vectors * LANES] = 0
            i += rows
        packed += k * vectors * LANES
        begin += vectors * LANES


cdef void multiply_packed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *packed, bint add, real *c,
    Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) = A (m, k) B, or C += A B, with B (k, n) packed by `pack`."""
    cdef Py_ssize_t vectors = ceil_div(n, LANES), blocks = ceil_div(vectors, TILE_VECTORS)
    cdef Py_ssize_t all_threes = blocks - 2 * vectors % TILE_VECTORS  # see `block_vectors`
    cdef Py_ssize_t most = tile_blocks(m, blocks), tile = even_part(m, TILE_ROWS)
    cdef Py_ssize_t block = 0, j = 0, i, rows, threes, twos
    if n * k * <Py_ssize_t>sizeof(real) > L2_BYTES:
        most = min(most, TILE_FAR_BLOCKS)
    while block < blocks:
        threes = min(most, max(all_threes - block, 0))
        twos = min(most, blocks - block) - threes
        i = 0
        while i < m:
            rows = next_rows(m - i, tile)
            if blocks == 1:
                tile_narrow(<int>rows, <int>vectors, k, a + i * lda, lda, packed, add, n, c + i * ldc, ldc)
            else:
                tile_product(<int>rows, <int>threes, <int>twos, k, a + i * lda, lda, packed, add, n - j,
                             c + i * ldc + j, ldc)
            i += rows
        vectors = 3 * threes + 2 * twos
        packed += k * vectors * LANES
        block += threes + twos
        j += vectors * LANES


cdef void add_transposed(
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *b, Py_ssize_t ldb, real *c,
    Py_ssize_t ldc,
) noexcept nogil:
    """C (m, n) += A' B for A (k, m) and B (k, n); up to LANES - 1 numbers behind a row of B are read and not used."""
    cdef Py_ssize_t start = 0, i, j, depth, rows, vectors
    while start < k:
        depth = min(SUMMED_ROWS, k - start)
        j = 0
        while j < n:
            vectors = block_vectors(ceil_div(n - j, LANES))
            i = 0
            while i < m:
                rows = min(TILE_ROWS, m - i)
                tile_transposed(<int>rows, <int>vectors, depth, a + start * lda + i, lda, b + start * ldb + j, ldb,
                                n - j, c + i * ldc + j, ldc)
                i += rows
            j += vectors * LANES
        start += depth
