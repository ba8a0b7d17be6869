/* The register tile: a few rows of a matrix times weights packed for it.
 *
 * BLAS packs the recurrent weights anew at every time step; here they are packed once per change of the weights, in the
 * order in which the tile reads them, and the sums stay in registers. Cython cannot say "these twenty-four vectors live
 * in registers", so this is C; what happens to the sums afterwards is Cython again (gru_gates.pxi).
 */
#ifndef FASTGRU_TILE_H
#define FASTGRU_TILE_H

#include <stddef.h>
#include "vector_math.h"

/* 3 vectors a row, 3 weights and a broadcast number must fit into 32 registers (16 with AVX2 and SSE2). */
#if defined(__AVX512F__)
enum { TILE_BYTES = 64, TILE_ROWS = 8 };
#elif defined(__AVX__)
enum { TILE_BYTES = 32, TILE_ROWS = 4 };
#elif defined(__aarch64__)
enum { TILE_BYTES = 16, TILE_ROWS = 8 };
#else
enum { TILE_BYTES = 16, TILE_ROWS = 4 };
#endif
enum { LANES = TILE_BYTES / sizeof(vm_real), TILE_VECTORS = 3 };

typedef vm_real tile_vector __attribute__((vector_size(TILE_BYTES), aligned(sizeof(vm_real)), may_alias));
#define TILE_INLINE static inline __attribute__((always_inline))
/* One function for all callers: a compiler would make several of them, each with all the bodies in it. */
#if defined(__clang__)
#define TILE_BODIES __attribute__((noinline))
#else
#define TILE_BODIES __attribute__((noinline, noclone))
#endif
#define AT(pointer) (*(tile_vector *)(pointer))
#define AT_CONST(pointer) (*(const tile_vector *)(pointer))

/* The first `lanes` numbers of a vector. Cython's loops would do for this, but a compiler takes one of LANES rounds
 * apart before it looks for vectors, and then finds none: the whole vector is asked for. */
static inline void lanes_put(ptrdiff_t lanes, const vm_real *from, vm_real *to)
{
    if (lanes == LANES) AT(to) = AT_CONST(from);
    else for (ptrdiff_t l = 0; l < lanes; l++) to[l] = from[l];
}

static inline tile_vector lanes_get(ptrdiff_t lanes, const vm_real *from)
{
    if (lanes == LANES) return AT_CONST(from);
    tile_vector vector = {0};
    for (ptrdiff_t l = 0; l < lanes; l++) vector[l] = from[l];
    return vector;
}

static inline void lanes_add(ptrdiff_t lanes, const vm_real *from, vm_real *to)
{
    if (lanes == LANES) AT(to) += AT_CONST(from);
    else for (ptrdiff_t l = 0; l < lanes; l++) to[l] += from[l];
}

/* C (rows, columns) = or += accumulators (vectors, rows, LANES); C may end before the vectors do. */
TILE_INLINE void tile_store(const vm_real *accumulators, ptrdiff_t vectors, ptrdiff_t rows, ptrdiff_t columns,
                            int add, vm_real *c, ptrdiff_t ldc)
{
    for (; vectors > 0; vectors--, columns -= LANES, c += LANES) {
        const ptrdiff_t lanes = columns < LANES ? columns : LANES;
        for (ptrdiff_t r = 0; r < rows; r++, accumulators += LANES) {
            if (add) lanes_add(lanes, accumulators, c + r * ldc);
            else lanes_put(lanes, accumulators, c + r * ldc);
        }
    }
}

/* to = g + z (h - g) */
static inline void lanes_mix(ptrdiff_t lanes, const vm_real *z, const vm_real *h, const vm_real *g, vm_real *to)
{
    if (lanes == LANES) AT(to) = AT_CONST(g) + AT_CONST(z) * (AT_CONST(h) - AT_CONST(g));
    else for (ptrdiff_t l = 0; l < lanes; l++) to[l] = g[l] + z[l] * (h[l] - g[l]);
}

/* One order of summation for a row, whoever its neighbours are: a number is summed up in the order of k. What hides the
 * latency of the multiply-add where rows are few is more columns at once: one row takes up to TILE_BLOCKS packed blocks
 * of columns side by side, two half as many. A block has three vectors, the last ones two. Where a single block is
 * all there is, every number has two running sums, of the even and of the odd k, for any number of rows.
 *
 * In what follows a tile has `threes` blocks of three vectors and `rest` of `vectors` behind them, and a sum is
 * sums[(split * blocks + block) * rows + row][vector]. */
enum { TILE_BLOCKS = 4, TILE_SUMS = TILE_ROWS < 6 ? 6 : TILE_ROWS };
/* Of weights that come from beyond the cache, so many blocks side by side as a line of it is read of in the time of a
 * multiply-add. */
enum { TILE_FAR_BLOCKS = 64 / TILE_BYTES };

/* A vector in a register of its own, of whose value a compiler knows nothing. Else it would load weights anew for every
 * row (where there are registers for them), and let many sums begin in one register of zeros, which it copies in every
 * round of their loop. */
TILE_INLINE tile_vector tile_own(tile_vector vector)
{
#if defined(__x86_64__)
    __asm__("" : "+v"(vector));
#elif defined(__aarch64__)
    __asm__("" : "+w"(vector));
#endif
    return vector;
}

/* A pointer in a register of its own. Else a compiler would make it of another one and a distance, of which it runs out
 * of registers where there are many. */
TILE_INLINE const vm_real *tile_pointer(const vm_real *pointer)
{
    __asm__("" : "+r"(pointer));
    return pointer;
}

/* The vectors of a block. */
TILE_INLINE int tile_vectors(const int block, const int threes, const int vectors)
{
    return block < threes ? 3 : vectors;
}

/* sums += a (rows, k) * b for every `step`th of k and the splits - 1 behind it, n times; b is blocks of three vectors
 * that lie `stride` numbers apart, then those of `vectors`. Where `transposed` a lies by columns, and the rows of b are
 * `ldb` numbers long. */
TILE_INLINE void tile_sums(const int rows, const int threes, const int rest, const int vectors, const int splits,
                           const int step, const int transposed, ptrdiff_t n, const vm_real *a, ptrdiff_t lda,
                           const vm_real *b, ptrdiff_t stride, ptrdiff_t last_stride, ptrdiff_t ldb,
                           tile_vector sums[][TILE_VECTORS])
{
    enum { GROUP = 3 }; /* rows that one pointer serves */
    const int blocks = threes + rest, groups = transposed ? 1 : (rows + GROUP - 1) / GROUP;
    const vm_real *x[(TILE_ROWS + GROUP - 1) / GROUP], *from[TILE_BLOCKS];
#pragma GCC unroll 3
    for (int g = 0; g < groups; g++) x[g] = a + g * GROUP * lda;
#pragma GCC unroll 4
    for (int block = 0; block < blocks; block++)
        from[block] = b + (block < threes ? block * stride : threes * stride + (block - threes) * last_stride);
    for (; n > 0; n--) {
#pragma GCC unroll 3
        for (int g = 0; g < groups; g++) x[g] = tile_pointer(x[g]);
#pragma GCC unroll 4
        for (int block = 0; block < blocks; block++) from[block] = tile_pointer(from[block]);
#pragma GCC unroll 2
        for (int s = 0; s < splits; s++) {
#pragma GCC unroll 4
            for (int block = 0; block < blocks; block++) {
                const int count = tile_vectors(block, threes, vectors);
                tile_vector w[TILE_VECTORS];
#pragma GCC unroll 3
                for (int v = 0; v < count; v++) w[v] = AT_CONST(from[block] + (s * count + v) * LANES);
#pragma GCC unroll 3
                for (int v = 0; v < count && rows > 1 && TILE_ROWS > 4; v++) w[v] = tile_own(w[v]);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    const vm_real *number = transposed ? x[0] + r : x[r / GROUP] + r % GROUP * lda + s;
                    const tile_vector xs = *number - (tile_vector){0};
#pragma GCC unroll 3
                    for (int v = 0; v < count; v++) sums[(s * blocks + block) * rows + r][v] += xs * w[v];
                }
            }
        }
#pragma GCC unroll 3
        for (int g = 0; g < groups; g++) x[g] += transposed ? lda : step;
#pragma GCC unroll 4
        for (int block = 0; block < blocks; block++)
            from[block] += transposed ? ldb : step * tile_vectors(block, threes, vectors) * LANES;
    }
}

/* sums = 0 */
TILE_INLINE void tile_clear(const int count, tile_vector sums[][TILE_VECTORS])
{
    for (int v = 0; v < TILE_VECTORS; v++)
#pragma GCC unroll 16
        for (int i = 0; i < count; i++) sums[i][v] = tile_own((tile_vector){0});
}

/* The sums of vector v of the rows of `blocks` blocks start at `start` (LANES) of their block. */
TILE_INLINE void tile_start(const int rows, const int blocks, const int v, const vm_real *start, ptrdiff_t stride,
                            tile_vector sums[][TILE_VECTORS])
{
#pragma GCC unroll 8
    for (int i = 0; i < blocks * rows; i++) sums[i][v] = AT_CONST(start + i / rows * stride);
}

/* accumulators (blocks, rows, LANES), whose blocks lie `stride` numbers apart, = the sums of vector v. A sum of nothing
 * but -0 becomes 0, as it would by adding products with a state of zeros, which may be left out. */
TILE_INLINE void tile_take(const int rows, const int blocks, const int v, tile_vector sums[][TILE_VECTORS],
                           vm_real *accumulators, ptrdiff_t stride)
{
#pragma GCC unroll 8
    for (int i = 0; i < blocks * rows; i++)
        AT(accumulators + i / rows * stride + i % rows * LANES) = sums[i][v] + (tile_vector){0};
}

/* See tile_gates; the gates' accumulators lie `slot` numbers apart. */
TILE_INLINE void tile_gates_rows(const int rows, const int blocks, const int rest, ptrdiff_t features, const vm_real *x,
                                 ptrdiff_t ldx, ptrdiff_t units, const vm_real *h, ptrdiff_t ldh,
                                 const vm_real *projected, ptrdiff_t lanes, const vm_real *packed,
                                 vm_real *accumulators, ptrdiff_t slot)
{
    tile_vector sums[TILE_ROWS][TILE_VECTORS];
    const vm_real *weights = packed + 4 * LANES;
    const ptrdiff_t stride = (4 + 3 * (features + units)) * LANES, plane = rows * LANES;
#pragma GCC unroll 3
    for (int v = 0; v < 3; v++) tile_start(rows, blocks, v, packed + v * LANES, stride, sums);
    if (projected) {
#pragma GCC unroll 8
        for (int i = 0; i < blocks * rows; i++) {
            const vm_real *row = projected + i % rows * 4 * ldh + i / rows * LANES;
            const ptrdiff_t here = lanes - i / rows * LANES < LANES ? lanes - i / rows * LANES : LANES;
            sums[i][0] = lanes_get(here, row + ldh);
            sums[i][1] = lanes_get(here, row + 2 * ldh);
            AT(accumulators + i * LANES) = lanes_get(here, row);
        }
    } else {
        tile_sums(rows, blocks, rest, 3, 1, 1, 0, features, x, ldx, weights, stride, 0, 0, sums);
        tile_take(rows, blocks, 2, sums, accumulators, plane);
    }
    tile_start(rows, blocks, 2, packed + 3 * LANES, stride, sums);
    weights += features * 3 * LANES;
    if (h) tile_sums(rows, blocks, rest, 3, 1, 1, 0, units, h, ldh, weights, stride, 0, 0, sums);
#pragma GCC unroll 3
    for (int v = 0; v < 3; v++) tile_take(rows, blocks, v, sums, accumulators + (v + 1) * slot, plane);
}

/* C (rows, columns) = or += the sums; C may end before the last vector does. */
TILE_INLINE void tile_put(const int rows, const int threes, const int rest, const int vectors, const int add,
                          tile_vector sums[][TILE_VECTORS], ptrdiff_t columns, vm_real *c, ptrdiff_t ldc)
{
    int remaining = 3 * threes + rest * vectors;
#pragma GCC unroll 4
    for (int block = 0; block < threes + rest; block++)
#pragma GCC unroll 3
        for (int v = 0; v < tile_vectors(block, threes, vectors); v++, remaining--, columns -= LANES, c += LANES)
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                tile_vector sum = sums[block * rows + r][v];
                vm_real *to = c + r * ldc;
                if (!add) sum += (tile_vector){0}; /* as tile_take */
                if (remaining == 1 && columns < LANES) {
                    if (add) lanes_add(columns, (const vm_real *)&sum, to);
                    else lanes_put(columns, (const vm_real *)&sum, to);
                } else if (add) AT(to) += sum;
                else AT(to) = sum;
            }
}

/* See tile_product and tile_transposed. */
TILE_INLINE void tile_product_rows(const int rows, const int threes, const int rest, const int vectors,
                                   const int splits, const int transposed, ptrdiff_t k, const vm_real *a,
                                   ptrdiff_t lda, const vm_real *b, ptrdiff_t ldb, int add, ptrdiff_t columns,
                                   vm_real *c, ptrdiff_t ldc)
{
    tile_vector sums[2 * TILE_ROWS][TILE_VECTORS];
    const ptrdiff_t row = vectors * LANES, even = k - k % 2;
    tile_clear((threes + rest) * rows, sums);
    if (splits == 1) {
        tile_sums(rows, threes, rest, vectors, 1, 1, transposed, k, a, lda, b, k * 3 * LANES, k * row, ldb, sums);
    } else {
        if (2 * rows * vectors <= 3 * TILE_ROWS) { /* the registers hold all sums */
            tile_clear(rows, sums + rows);
            tile_sums(rows, 0, 1, vectors, 2, 2, 0, k / 2, a, lda, b, 0, 0, 0, sums);
            tile_sums(rows, 0, 1, vectors, 1, 1, 0, k - even, a + even, lda, b + even * row, 0, 0, 0, sums);
        } else {
            tile_sums(rows, 0, 1, vectors, 1, 2, 0, k - k / 2, a, lda, b, 0, 0, 0, sums);
            tile_clear(rows, sums + rows);
            tile_sums(rows, 0, 1, vectors, 1, 2, 0, k / 2, a + 1, lda, b + row, 0, 0, 0, sums + rows);
        }
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) sums[r][v] += sums[rows + r][v];
    }
    if (add) tile_put(rows, threes, rest, vectors, 1, sums, columns, c, ldc);
    else tile_put(rows, threes, rest, vectors, 0, sums, columns, c, ldc);
}

/* A body of its own for every number of rows and of blocks, so that each keeps its sums in registers. */
#define TILE_CASE(ROWS, THREES, REST, BODY, ...) \
    case 256 * THREES + 16 * REST + ROWS: BODY(ROWS, THREES, REST, __VA_ARGS__); break;
#define TILE_KEY(rows, threes, rest) (256 * (threes) + 16 * (rest) + (rows))
#define TILE_TO_2(THREES, REST, BODY, ...) \
    TILE_CASE(1, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(2, THREES, REST, BODY, __VA_ARGS__)
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_FROM_3(THREES, REST, BODY, ...) \
    TILE_CASE(3, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(4, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(5, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(6, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(7, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(8, THREES, REST, BODY, __VA_ARGS__)
#else
#define TILE_FROM_3(THREES, REST, BODY, ...) \
    TILE_CASE(3, THREES, REST, BODY, __VA_ARGS__) \
    TILE_CASE(4, THREES, REST, BODY, __VA_ARGS__)
#endif
#define TILE_THREES(BODY, ...) \
    TILE_TO_2(1, 0, BODY, __VA_ARGS__) \
    TILE_FROM_3(1, 0, BODY, __VA_ARGS__) \
    TILE_TO_2(2, 0, BODY, __VA_ARGS__) \
    TILE_CASE(1, 3, 0, BODY, __VA_ARGS__) \
    TILE_CASE(1, 4, 0, BODY, __VA_ARGS__)
#define TILE_THREES_AND_TWOS(BODY, ...) \
    TILE_TO_2(0, 1, BODY, __VA_ARGS__) \
    TILE_FROM_3(0, 1, BODY, __VA_ARGS__) \
    TILE_TO_2(0, 2, BODY, __VA_ARGS__) \
    TILE_TO_2(1, 1, BODY, __VA_ARGS__) \
    TILE_CASE(1, 1, 2, BODY, __VA_ARGS__) \
    TILE_CASE(1, 2, 1, BODY, __VA_ARGS__) \
    TILE_CASE(1, 2, 2, BODY, __VA_ARGS__) \
    TILE_CASE(1, 3, 1, BODY, __VA_ARGS__)
#define TILE_ONE_BLOCK(...) \
    switch (TILE_KEY(rows, 0, 1)) { \
        TILE_TO_2(0, 1, tile_product_rows, __VA_ARGS__) \
        TILE_FROM_3(0, 1, tile_product_rows, __VA_ARGS__) \
    }

/* `tile_gates` of as many blocks as such a tile has at once. */
static TILE_BODIES void tile_gates_blocks(int rows, int blocks, ptrdiff_t features, const vm_real *x, ptrdiff_t ldx,
                                          ptrdiff_t units, const vm_real *h, ptrdiff_t ldh, const vm_real *projected,
                                          ptrdiff_t lanes, const vm_real *packed, vm_real *accumulators, ptrdiff_t slot)
{
    switch (TILE_KEY(rows, blocks, 0)) {
        TILE_THREES(tile_gates_rows, features, x, ldx, units, h, ldh, projected, lanes, packed, accumulators, slot)
    }
}

/* accumulators (4, blocks, rows, LANES) = [g z r q] of blocks of LANES units before their activations: z and r gather
 * x and h, g the candidate's x, q its h. h is NULL where it is zero, and so are its products. packed: for every block
 * what z, r, g and q start at (4, LANES), the input weights (features, 3, LANES) with gates z r h, the recurrent
 * weights (units, 3, LANES). Where `projected` is not NULL it holds rows [g z r q] of 4 ldh numbers with what x and the
 * starts have added up to before, and x is not read; nor is what lies behind the `lanes` units that there are, for
 * another thread may be writing there. There are
 * as many blocks as `tile_blocks` says, or fewer. */
static inline void tile_gates(int rows, int blocks, ptrdiff_t features, const vm_real *x, ptrdiff_t ldx,
                              ptrdiff_t units, const vm_real *h, ptrdiff_t ldh, const vm_real *projected,
                              ptrdiff_t lanes, const vm_real *packed, vm_real *accumulators)
{
    const int now = rows > 2 ? 1 : blocks;
    const ptrdiff_t slot = blocks * rows * LANES;
    for (; blocks > 0; blocks -= now) {
        tile_gates_blocks(rows, now, features, x, ldx, units, h, ldh, projected, lanes, packed, accumulators, slot);
        if (projected) projected += LANES;
        lanes -= LANES;
        packed += (4 + 3 * (features + units)) * LANES;
        accumulators += rows * LANES;
    }
}

/* C (rows, columns) = or += a (rows, k) * packed: blocks (k, 3, LANES), then (k, 2, LANES). More than two rows take one
 * block after the other, fewer as many as `tile_blocks` says, or fewer, at once. */
static TILE_BODIES void tile_product(int rows, int threes, int twos, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                     const vm_real *packed, int add, ptrdiff_t columns, vm_real *c, ptrdiff_t ldc)
{
    while (threes + twos > 0) {
        const int now = rows > 2 && threes > 1 ? 1 : threes, rest = rows > 2 ? 1 - now : twos;
        const ptrdiff_t numbers = (3 * now + 2 * rest) * LANES;
        switch (TILE_KEY(rows, now, rest)) {
            TILE_THREES(tile_product_rows, 2, 1, 0, k, a, lda, packed, 0, add, columns, c, ldc)
            TILE_THREES_AND_TWOS(tile_product_rows, 2, 1, 0, k, a, lda, packed, 0, add, columns, c, ldc)
        }
        threes -= now;
        twos -= rest;
        packed += k * numbers;
        columns -= numbers;
        c += numbers;
    }
}

/* C (rows, columns) = or += a (rows, k) * packed (k, vectors, LANES), a block that is all there is. */
static TILE_BODIES void tile_narrow(int rows, int vectors, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                    const vm_real *packed, int add, ptrdiff_t columns, vm_real *c, ptrdiff_t ldc)
{
    switch (vectors) {
    case 1: TILE_ONE_BLOCK(1, 2, 0, k, a, lda, packed, 0, add, columns, c, ldc) break;
    case 2: TILE_ONE_BLOCK(2, 2, 0, k, a, lda, packed, 0, add, columns, c, ldc) break;
    default: TILE_ONE_BLOCK(3, 2, 0, k, a, lda, packed, 0, add, columns, c, ldc)
    }
}

/* C (rows, columns) += a' b for a (k, rows) and b (k, vectors * LANES), neither packed. */
static TILE_BODIES void tile_transposed(int rows, int vectors, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                        const vm_real *b, ptrdiff_t ldb, ptrdiff_t columns, vm_real *c, ptrdiff_t ldc)
{
    switch (vectors) {
    case 1: TILE_ONE_BLOCK(1, 1, 1, k, a, lda, b, ldb, 1, columns, c, ldc) break;
    case 2: TILE_ONE_BLOCK(2, 1, 1, k, a, lda, b, ldb, 1, columns, c, ldc) break;
    default: TILE_ONE_BLOCK(3, 1, 1, k, a, lda, b, ldb, 1, columns, c, ldc)
    }
}

#endif
