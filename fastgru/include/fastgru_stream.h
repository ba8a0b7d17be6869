/* fastgru_stream.h: a model of fastgru step by step, from C.
 *
 * Python loads the model and hands out a capsule, `fastgru.streaming.stepper(model)`; from there on neither Python nor
 * its lock is needed: `step` allocates nothing, waits for nobody and calls nothing of Python, so an audio callback may
 * call it. What lives as long as the capsule: the struct and the weights, which are those of when it was made.
 *
 *     fastgru_stream *stream = PyCapsule_GetPointer(capsule, FASTGRU_STREAM_CAPSULE);
 *     if (!stream || stream->version != FASTGRU_STREAM_VERSION || stream->number_bytes != sizeof(float)) ...
 *     float *state = calloc(stream->states, sizeof(float));     a session at its beginning is zeros
 *     float *scratch = aligned_alloc(64, stream->scratch * sizeof(float));
 *     stream->step(stream, state, x, y, scratch);
 *
 * One struct serves any number of threads and sessions, each with a state of its own; two calls at once need two
 * scratches. Numbers of the kind that turn a processor slow (denormals) are computed with as they are: an audio host
 * that wants them flushed to zero sets that for its thread, as it does for itself.
 */
#ifndef FASTGRU_STREAM_H
#define FASTGRU_STREAM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTGRU_STREAM_VERSION 1 /* grows where a program must be compiled anew */
#define FASTGRU_STREAM_CAPSULE "fastgru.stream"

typedef struct fastgru_stream fastgru_stream;

struct fastgru_stream {
    unsigned version;      /* FASTGRU_STREAM_VERSION of the library */
    unsigned number_bytes; /* of all numbers: 4, they are floats, or 8, doubles */
    size_t inputs;         /* numbers of x */
    size_t outputs;        /* numbers of y, where several outputs of a model stand one behind the other */
    size_t states;         /* numbers that a session keeps */
    size_t scratch;        /* numbers of memory to work in, which keeps nothing; best on a line of the cache (64 bytes) */
    size_t tokens;         /* 0, or x is the number of a word: one long long from 0 up to, not including, this */

    /* One step of one session: x (inputs) in, y (outputs) out, state (states) goes on. None of the memories overlap.
     * Returns 0, or -1 for the number of a word that there is not, and then nothing has changed. */
    int (*step)(const fastgru_stream *stream, void *state, const void *x, void *y, void *scratch);

    const void *plan; /* fastgru's own */
};

#ifdef __cplusplus
}
#endif

#endif
