/* A GRU step as a plain loop over the same weights, and how long steps take. See measure.py. */
#include <math.h>
#include <string.h>
#include <time.h>
#include "fastgru_stream.h"

enum { UNITS = 16 }; /* of a block, whose weights lie together: for each input those of z, r and the candidate */

typedef struct {
    size_t inputs, units;
    const float *weights; /* (blocks, inputs + units, 3, UNITS) */
    const float *biases;  /* (blocks, 4, UNITS): z, r, the candidate's of inputs and of states */
} gru;

/* h = z h + (1 - z) tanh(x W + r (h U + b)) of Keras's GRU; or the products alone, whatever becomes of them. */
static void bare_step(const gru *g, int products_alone, float *state, const float *x, float *y)
{
    const float *w = g->weights, *bias = g->biases;
    for (size_t first = 0; first < g->units; first += UNITS, bias += 4 * UNITS) {
        float z[UNITS], r[UNITS], c[UNITS], d[UNITS];
        memcpy(z, bias, sizeof z), memcpy(r, bias + UNITS, sizeof r);
        memcpy(c, bias + 2 * UNITS, sizeof c), memcpy(d, bias + 3 * UNITS, sizeof d);
        for (size_t i = 0; i < g->inputs; i++, w += 3 * UNITS)
            for (int j = 0; j < UNITS; j++)
                z[j] += x[i] * w[j], r[j] += x[i] * w[UNITS + j], c[j] += x[i] * w[2 * UNITS + j];
        for (size_t i = 0; i < g->units; i++, w += 3 * UNITS)
            for (int j = 0; j < UNITS; j++)
                z[j] += state[i] * w[j], r[j] += state[i] * w[UNITS + j], d[j] += state[i] * w[2 * UNITS + j];
        for (int j = 0; j < UNITS; j++) {
            if (products_alone) {
                y[first + j] = (z[j] + r[j] + c[j] + d[j]) * 1e-3f;
                continue;
            }
            float update = 1 / (1 + expf(-z[j])), reset = 1 / (1 + expf(-r[j]));
            float candidate = 1 - 2 / (1 + expf(2 * (c[j] + reset * d[j]))); /* tanh */
            y[first + j] = update * state[first + j] + (1 - update) * candidate;
        }
    }
    memcpy(state, y, g->units * sizeof *state);
}

/* Nanoseconds of one of so many steps on (rows, inputs): by fastgru, by the bare loop, or by its products alone. */
double measure(const fastgru_stream *stream, const gru *g, int which, long steps, const float *xs, long rows,
               float *state, float *y, float *scratch)
{
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (long step = 0; step < steps; step++) {
        const float *x = xs + step % rows * (long)g->inputs;
        if (which == 0)
            stream->step(stream, state, x, y, scratch);
        else
            bare_step(g, which == 2, state, x, y);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    return (1e9 * (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec)) / (double)steps;
}
