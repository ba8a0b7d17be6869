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

/* to = g + z (h - g) */
static inline void lanes_mix(ptrdiff_t lanes, const vm_real *z, const vm_real *h, const vm_real *g, vm_real *to)
{
    if (lanes == LANES) AT(to) = AT_CONST(g) + AT_CONST(z) * (AT_CONST(h) - AT_CONST(g));
    else for (ptrdiff_t l = 0; l < lanes; l++) to[l] = g[l] + z[l] * (h[l] - g[l]);
}

/* One order of summation for a row, whoever its neighbours are: every number is summed up in the order of k, in as
 * many running sums as the shape of the weights says, never the number of rows. What hides the latency of the
 * multiply-add where rows are few is more columns at once: one row takes up to TILE_BLOCKS packed blocks side by side,
 * two half as many. Only weights without a second block for that have several running sums, and tiles of half the rows,
 * whose sums take as many registers.
 *
 * In all of this a sum is sums[(split * blocks + block) * rows + row][vector]. */
enum { TILE_BLOCKS = 4, TILE_FEW_ROWS = TILE_ROWS / 2 };

/* sums += a (rows, k) * b (k, vectors, LANES) for `blocks` b that lie `stride` numbers apart, where a lies by columns
 * if `transposed`. */
TILE_INLINE void tile_sums(const int rows, const int blocks, const int vectors, const int splits, const int transposed,
                           ptrdiff_t k, const vm_real *a, ptrdiff_t lda, const vm_real *b, ptrdiff_t ldb,
                           ptrdiff_t stride, tile_vector sums[][TILE_VECTORS])
{
    ptrdiff_t i = 0;
    for (; i + splits <= k; i += splits) {
#pragma GCC unroll 4
        for (int s = 0; s < splits; s++, b += ldb) {
#pragma GCC unroll 4
            for (int block = 0; block < blocks; block++) {
                tile_vector w[TILE_VECTORS];
#pragma GCC unroll 3
                for (int v = 0; v < vectors; v++) w[v] = AT_CONST(b + block * stride + v * LANES);
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) {
                    const tile_vector x = (transposed ? a[(i + s) * lda + r] : a[r * lda + i + s]) - (tile_vector){0};
#pragma GCC unroll 3
                    for (int v = 0; v < vectors; v++) sums[(s * blocks + block) * rows + r][v] += x * w[v];
                }
            }
        }
    }
    for (; i < k; i++, b += ldb) { /* of a single block, where splits > 1 */
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const tile_vector x = (transposed ? a[i * lda + r] : a[r * lda + i]) - (tile_vector){0};
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) sums[r][v] += x * AT_CONST(b + v * LANES);
        }
    }
}

/* The sums of one vector of every row start at `start` (LANES) of their block, or at 0 where it is NULL. */
TILE_INLINE void tile_start(const int rows, const int blocks, const int splits, const int v, const vm_real *start,
                            ptrdiff_t stride, tile_vector sums[][TILE_VECTORS])
{
#pragma GCC unroll 8
    for (int i = 0; i < blocks * rows; i++) sums[i][v] = start ? AT_CONST(start + i / rows * stride) : (tile_vector){0};
#pragma GCC unroll 16
    for (int i = blocks * rows; i < splits * blocks * rows; i++) sums[i][v] = (tile_vector){0};
}

/* The running sums of one vector of every row become one. */
TILE_INLINE void tile_join(const int rows, const int blocks, const int splits, const int v,
                           tile_vector sums[][TILE_VECTORS])
{
#pragma GCC unroll 16
    for (int i = blocks * rows; i < splits * blocks * rows; i++) {
        sums[i % (blocks * rows)][v] += sums[i][v];
        sums[i][v] = (tile_vector){0};
    }
}

/* accumulators (blocks, rows, LANES), whose blocks lie `plane` numbers apart, = the sums of one vector. A sum of
 * nothing but -0 becomes 0, as it would by adding products with a state of zeros, which may be left out. */
TILE_INLINE void tile_take(const int rows, const int blocks, const int splits, const int v,
                           tile_vector sums[][TILE_VECTORS], vm_real *accumulators, ptrdiff_t plane)
{
    tile_join(rows, blocks, splits, v, sums);
#pragma GCC unroll 8
    for (int i = 0; i < blocks * rows; i++)
        AT(accumulators + i / rows * plane + i % rows * LANES) = sums[i][v] + (tile_vector){0};
}

/* See tile_gates; a vector's rows in the accumulators take `plane` numbers. */
TILE_INLINE void tile_gates_rows(const int rows, const int blocks, const int splits, ptrdiff_t features,
                                 const vm_real *x, ptrdiff_t ldx, ptrdiff_t units, const vm_real *h, ptrdiff_t ldh,
                                 const vm_real *projected, ptrdiff_t lanes, const vm_real *packed,
                                 vm_real *accumulators, ptrdiff_t plane)
{
    tile_vector sums[2 * TILE_ROWS][TILE_VECTORS];
    const vm_real *weights = packed + 4 * LANES;
    const ptrdiff_t stride = (4 + 3 * (features + units)) * LANES;
    for (int v = 0; v < 3; v++) tile_start(rows, blocks, splits, v, packed + v * LANES, stride, sums);
    if (projected) {
#pragma GCC unroll 8
        for (int i = 0; i < blocks * rows; i++) {
            const vm_real *row = projected + i % rows * 4 * ldh + i / rows * LANES;
            const ptrdiff_t here = lanes - i / rows * LANES < LANES ? lanes - i / rows * LANES : LANES;
            sums[i][0] = lanes_get(here, row + ldh);
            sums[i][1] = lanes_get(here, row + 2 * ldh);
            AT(accumulators + i / rows * plane + i % rows * LANES) = lanes_get(here, row);
        }
    } else {
        tile_sums(rows, blocks, 3, splits, 0, features, x, ldx, weights, 3 * LANES, stride, sums);
        for (int v = 0; v < 2; v++) tile_join(rows, blocks, splits, v, sums);
        tile_take(rows, blocks, splits, 2, sums, accumulators, plane);
    }
    tile_start(rows, blocks, splits, 2, packed + 3 * LANES, stride, sums);
    weights += features * 3 * LANES;
    if (h) tile_sums(rows, blocks, 3, splits, 0, units, h, ldh, weights, 3 * LANES, stride, sums);
    accumulators += blocks * plane;
    for (int v = 0; v < 3; v++) tile_take(rows, blocks, splits, v, sums, accumulators + v * blocks * plane, plane);
}

/* See tile_product and tile_transposed. */
TILE_INLINE void tile_product_rows(const int rows, const int blocks, const int splits, const int vectors,
                                   const int transposed, ptrdiff_t k, const vm_real *a, ptrdiff_t lda, const vm_real *b,
                                   ptrdiff_t ldb, vm_real *accumulators, ptrdiff_t plane)
{
    tile_vector sums[2 * TILE_ROWS][TILE_VECTORS];
    for (int v = 0; v < vectors; v++) tile_start(rows, blocks, splits, v, NULL, 0, sums);
    tile_sums(rows, blocks, vectors, splits, transposed, k, a, lda, b, ldb, k * vectors * LANES, sums);
    for (int v = 0; v < vectors; v++)
        tile_take(rows, blocks, splits, v, sums, accumulators + v * plane, vectors * plane);
}

/* A body of its own for every number of rows and blocks, so that each keeps its sums in registers. */
#define TILE_CASE(ROWS, BLOCKS, SPLITS, BODY, ...) \
    case 16 * BLOCKS + ROWS: BODY(ROWS, BLOCKS, SPLITS, __VA_ARGS__); break;
#define TILE_CASES_OF_FEW(SPLITS, BODY, ...) \
    TILE_CASE(1, 1, SPLITS, BODY, __VA_ARGS__) \
    TILE_CASE(2, 1, SPLITS, BODY, __VA_ARGS__)
#define TILE_CASES_OF_MANY(BODY, ...) \
    TILE_CASE(3, 1, 1, BODY, __VA_ARGS__) \
    TILE_CASE(4, 1, 1, BODY, __VA_ARGS__)
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_FEW(SPLITS, BODY, ...) \
    TILE_CASES_OF_FEW(SPLITS, BODY, __VA_ARGS__) \
    TILE_CASE(3, 1, SPLITS, BODY, __VA_ARGS__) \
    TILE_CASE(4, 1, SPLITS, BODY, __VA_ARGS__)
#define TILE_MANY(BODY, ...) \
    TILE_CASE(5, 1, 1, BODY, __VA_ARGS__) \
    TILE_CASE(6, 1, 1, BODY, __VA_ARGS__) \
    TILE_CASE(7, 1, 1, BODY, __VA_ARGS__) \
    TILE_CASE(8, 1, 1, BODY, __VA_ARGS__)
#else
#define TILE_FEW TILE_CASES_OF_FEW
#define TILE_MANY TILE_CASES_OF_MANY
#endif
#define TILE_WIDE(BODY, ...) \
    TILE_FEW(1, BODY, __VA_ARGS__) \
    TILE_MANY(BODY, __VA_ARGS__) \
    TILE_CASE(1, 2, 1, BODY, __VA_ARGS__) \
    TILE_CASE(1, 3, 1, BODY, __VA_ARGS__) \
    TILE_CASE(1, 4, 1, BODY, __VA_ARGS__) \
    TILE_CASE(2, 2, 1, BODY, __VA_ARGS__)

/* accumulators (4, blocks, rows, LANES) = [g z r q] of blocks of LANES units before their activations: z and r gather
 * x and h, g the candidate's x, q its h. h is NULL where it is zero, and so are its products. packed: for every block
 * what z, r, g and q start at (4, LANES), the input weights (features, 3, LANES) with gates z r h, the recurrent weights
 * (units, 3, LANES). Where `projected` is not NULL it holds rows [g z r q] of 4 ldh numbers with what x and the starts
 * have added up to before, and x is not read; nor is what lies behind the `lanes` units that there are, for another
 * thread may be writing there. `blocks` is at most `tile_blocks` of the rows. */
static TILE_BODIES void tile_gates(int rows, int blocks, ptrdiff_t features, const vm_real *x, ptrdiff_t ldx,
                                   ptrdiff_t units, const vm_real *h, ptrdiff_t ldh, const vm_real *projected,
                                   ptrdiff_t lanes, const vm_real *packed, vm_real *accumulators)
{
    const ptrdiff_t plane = rows * LANES;
    if (units > LANES) switch (16 * blocks + rows) {
        TILE_WIDE(tile_gates_rows, features, x, ldx, units, h, ldh, projected, lanes, packed, accumulators, plane)
    }
    else for (int done = 0; done < rows; done += TILE_FEW_ROWS) {
        switch (16 + (rows - done < TILE_FEW_ROWS ? rows - done : TILE_FEW_ROWS)) {
            TILE_FEW(2, tile_gates_rows, features, x + done * ldx, ldx, units, h ? h + done * ldh : NULL, ldh,
                     projected ? projected + done * 4 * ldh : NULL, lanes, packed, accumulators + done * LANES, plane)
        }
    }
}

/* accumulators (blocks, vectors, rows, LANES) = a (rows, k) * packed (blocks, k, vectors, LANES). `alone` says of a
 * block of three vectors that the product has no other one; those of fewer are always alone. `blocks` is 1 of what is
 * alone, else at most `tile_blocks` of the rows. */
static TILE_BODIES void tile_product(int rows, int blocks, int vectors, int alone, ptrdiff_t k, const vm_real *a,
                                     ptrdiff_t lda, const vm_real *packed, vm_real *accumulators)
{
    const ptrdiff_t plane = rows * LANES;
    if (vectors == 3 && !alone) switch (16 * blocks + rows) {
        TILE_WIDE(tile_product_rows, 3, 0, k, a, lda, packed, 3 * LANES, accumulators, plane)
    }
    else for (int done = 0; done < rows; done += TILE_FEW_ROWS, a += TILE_FEW_ROWS * lda) {
        const int few = 16 + (rows - done < TILE_FEW_ROWS ? rows - done : TILE_FEW_ROWS);
        vm_real *here = accumulators + done * LANES;
        switch (vectors) {
        case 1: switch (few) { TILE_FEW(4, tile_product_rows, 1, 0, k, a, lda, packed, LANES, here, plane) } break;
        case 2: switch (few) { TILE_FEW(2, tile_product_rows, 2, 0, k, a, lda, packed, 2 * LANES, here, plane) } break;
        default: switch (few) { TILE_FEW(2, tile_product_rows, 3, 0, k, a, lda, packed, 3 * LANES, here, plane) }
        }
    }
}

/* accumulators (vectors, rows, LANES) = a' b for a (k, rows) and b (k, vectors * LANES), neither packed. */
static TILE_BODIES void tile_transposed(int rows, int vectors, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                        const vm_real *b, ptrdiff_t ldb, vm_real *accumulators)
{
    const ptrdiff_t plane = rows * LANES;
    switch (vectors) {
    case 1: switch (16 + rows) {
        TILE_FEW(2, tile_product_rows, 1, 1, k, a, lda, b, ldb, accumulators, plane)
        TILE_MANY(tile_product_rows, 1, 1, k, a, lda, b, ldb, accumulators, plane)
    } break;
    case 2: switch (16 + rows) {
        TILE_FEW(2, tile_product_rows, 2, 1, k, a, lda, b, ldb, accumulators, plane)
        TILE_MANY(tile_product_rows, 2, 1, k, a, lda, b, ldb, accumulators, plane)
    } break;
    default: switch (16 + rows) {
        TILE_FEW(2, tile_product_rows, 3, 1, k, a, lda, b, ldb, accumulators, plane)
        TILE_MANY(tile_product_rows, 3, 1, k, a, lda, b, ldb, accumulators, plane)
    }
    }
}

#endif
