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

/* sums[row][vector] += a (rows, k) * b (k, vectors, LANES), where a lies by columns if `transposed`. `split` running
 * sums for every number hide the latency of the multiply-add where rows are few; tile_take adds them up. */
TILE_INLINE void tile_sums(const int rows, const int vectors, const int split, const int transposed, ptrdiff_t k,
                           const vm_real *a, ptrdiff_t lda, const vm_real *b, ptrdiff_t ldb,
                           tile_vector sums[][TILE_VECTORS])
{
    ptrdiff_t i = 0;
    for (; i + split <= k; i += split) {
#pragma GCC unroll 4
        for (int s = 0; s < split; s++, b += ldb) {
            tile_vector w[TILE_VECTORS];
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) w[v] = AT_CONST(b + v * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const tile_vector x = (transposed ? a[(i + s) * lda + r] : a[r * lda + i + s]) - (tile_vector){0};
#pragma GCC unroll 3
                for (int v = 0; v < vectors; v++) sums[s * rows + r][v] += x * w[v];
            }
        }
    }
    for (; i < k; i++, b += ldb) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const tile_vector x = (transposed ? a[i * lda + r] : a[r * lda + i]) - (tile_vector){0};
#pragma GCC unroll 3
            for (int v = 0; v < vectors; v++) sums[r][v] += x * AT_CONST(b + v * LANES);
        }
    }
}

/* The sums of one vector of every row start at `start`. */
TILE_INLINE void tile_start(const int rows, const int split, const int v, const tile_vector start,
                            tile_vector sums[][TILE_VECTORS])
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sums[r][v] = start;
#pragma GCC unroll 8
    for (int i = rows; i < rows * split; i++) sums[i][v] = (tile_vector){0};
}

/* accumulators (rows, LANES) = the sums of one vector of every row. */
TILE_INLINE void tile_take(const int rows, const int split, const int v, tile_vector sums[][TILE_VECTORS],
                           vm_real *accumulators)
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        tile_vector sum = sums[r][v];
#pragma GCC unroll 4
        for (int s = 1; s < split; s++) sum += sums[s * rows + r][v];
        AT(accumulators + r * LANES) = sum;
    }
}

/* See tile_gates. */
TILE_INLINE void tile_gates_rows(const int rows, const int split, ptrdiff_t features, const vm_real *x, ptrdiff_t ldx,
                                 ptrdiff_t units, const vm_real *h, ptrdiff_t ldh, const vm_real *projected,
                                 ptrdiff_t lanes, const vm_real *packed, vm_real *accumulators)
{
    tile_vector sums[TILE_ROWS][TILE_VECTORS];
    const vm_real *weights = packed + 4 * LANES;
    for (int v = 0; v < 3; v++) tile_start(rows, split, v, AT_CONST(packed + v * LANES), sums);
    if (projected) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const vm_real *row = projected + r * 4 * ldh;
            sums[r][0] = lanes_get(lanes, row + ldh);
            sums[r][1] = lanes_get(lanes, row + 2 * ldh);
            AT(accumulators + r * LANES) = lanes_get(lanes, row);
        }
    } else {
        tile_sums(rows, 3, split, 0, features, x, ldx, weights, 3 * LANES, sums);
        tile_take(rows, split, 2, sums, accumulators);
    }
    tile_start(rows, split, 2, AT_CONST(packed + 3 * LANES), sums);
    tile_sums(rows, 3, split, 0, units, h, ldh, weights + features * 3 * LANES, 3 * LANES, sums);
    for (int v = 0; v < 3; v++) tile_take(rows, split, v, sums, accumulators + (v + 1) * rows * LANES);
}

/* See tile_product and tile_transposed. */
TILE_INLINE void tile_product_rows(const int rows, const int split, const int vectors, const int transposed, ptrdiff_t k,
                                   const vm_real *a, ptrdiff_t lda, const vm_real *b, ptrdiff_t ldb, vm_real *accumulators)
{
    tile_vector sums[TILE_ROWS][TILE_VECTORS];
    for (int v = 0; v < vectors; v++) tile_start(rows, split, v, (tile_vector){0}, sums);
    tile_sums(rows, vectors, split, transposed, k, a, lda, b, ldb, sums);
    for (int v = 0; v < vectors; v++) tile_take(rows, split, v, sums, accumulators + v * rows * LANES);
}

/* A body of its own for every number of rows, so that each keeps its sums in registers; at most TILE_ROWS sums of three
 * vectors, split or not. How far they are split is as measured: as many sums as the multiply-adds under way at a time,
 * and no more, for those are added up in the end. */
#define TILE_CASE(ROWS, SPLIT, BODY, ...) \
    case ROWS: BODY(ROWS, SPLIT, __VA_ARGS__); break;
#if defined(__aarch64__)
enum { SPLIT_1 = 4, SPLIT_2 = 4, SPLIT_3 = 2, SPLIT_4 = 2 }; /* not measured: for four at a time that take four cycles */
#else
enum { SPLIT_1 = 2, SPLIT_2 = 2, SPLIT_3 = 1, SPLIT_4 = 1 };
#endif
#define TILE_CASES_TO_4(BODY, ...) \
    TILE_CASE(1, SPLIT_1, BODY, __VA_ARGS__) \
    TILE_CASE(2, SPLIT_2, BODY, __VA_ARGS__) \
    TILE_CASE(3, SPLIT_3, BODY, __VA_ARGS__) \
    TILE_CASE(4, SPLIT_4, BODY, __VA_ARGS__)
#if defined(__AVX512F__) || defined(__aarch64__)
#define TILE_CASES(BODY, ...) \
    TILE_CASES_TO_4(BODY, __VA_ARGS__) \
    TILE_CASE(5, 1, BODY, __VA_ARGS__) \
    TILE_CASE(6, 1, BODY, __VA_ARGS__) \
    TILE_CASE(7, 1, BODY, __VA_ARGS__) \
    TILE_CASE(8, 1, BODY, __VA_ARGS__)
#else
#define TILE_CASES TILE_CASES_TO_4
#endif

/* accumulators (4, rows, LANES) = [g z r q] of LANES units before their activations: z and r gather x and h, g the
 * candidate's x, q its h. packed: what z, r, g and q start at (4, LANES), the input weights (features, 3, LANES) with
 * gates z r h, the recurrent weights (units, 3, LANES). Where `projected` is not NULL it holds rows [g z r q] of 4 ldh
 * numbers with what x and the starts have added up to before, and x is not read; nor is what lies behind the `lanes`
 * units that there are, for another thread may be writing there. */
static TILE_BODIES void tile_gates(int rows, ptrdiff_t features, const vm_real *x, ptrdiff_t ldx,
                                                 ptrdiff_t units, const vm_real *h, ptrdiff_t ldh,
                                                 const vm_real *projected, ptrdiff_t lanes, const vm_real *packed,
                                                 vm_real *accumulators)
{
    switch (rows) { TILE_CASES(tile_gates_rows, features, x, ldx, units, h, ldh, projected, lanes, packed, accumulators) }
}

/* accumulators (vectors, rows, LANES) = a (rows, k) * packed (k, vectors, LANES). */
static TILE_BODIES void tile_product(int rows, int vectors, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                                   const vm_real *packed, vm_real *accumulators)
{
    switch (vectors) {
    case 1: switch (rows) { TILE_CASES(tile_product_rows, 1, 0, k, a, lda, packed, LANES, accumulators) } break;
    case 2: switch (rows) { TILE_CASES(tile_product_rows, 2, 0, k, a, lda, packed, 2 * LANES, accumulators) } break;
    default: switch (rows) { TILE_CASES(tile_product_rows, 3, 0, k, a, lda, packed, 3 * LANES, accumulators) }
    }
}

/* accumulators (vectors, rows, LANES) = a' b for a (k, rows) and b (k, vectors * LANES), neither packed. */
static TILE_BODIES void tile_transposed(int rows, int vectors, ptrdiff_t k, const vm_real *a, ptrdiff_t lda,
                                                      const vm_real *b, ptrdiff_t ldb, vm_real *accumulators)
{
    switch (vectors) {
    case 1: switch (rows) { TILE_CASES(tile_product_rows, 1, 1, k, a, lda, b, ldb, accumulators) } break;
    case 2: switch (rows) { TILE_CASES(tile_product_rows, 2, 1, k, a, lda, b, ldb, accumulators) } break;
    default: switch (rows) { TILE_CASES(tile_product_rows, 3, 1, k, a, lda, b, ldb, accumulators) }
    }
}

#endif
