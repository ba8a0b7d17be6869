# A model step by step for many sessions: a plan is a list of steps, each of which is a layer, and goes through it by the
# functions of that layer's whole sequence. R rows are sessions of a block.
#
# A value is what a step makes: rows (R, numbers), one after the other. Values lie in the memory of a block, the caller's
# alone, at multiples of R; behind them masks (R,) and what a step works in. The states of a session are a row of
# (capacity, states) where each layer has a part, which is read there where R is 1, else gathered, and written when the
# layer's new state is known.

cdef enum:
    THREAD_TASKS = 4  # for each thread: one that comes late finds less to do

cdef struct StreamBlock:
    Py_ssize_t R
    const long long *slots
    real *states
    Py_ssize_t row_states         # numbers of a row of these
    const char *x                 # (R,) rows of the input
    real *y                       # (R, outputs)
    real *values
    unsigned char *masks
    real *scratch


cdef inline real *value(const StreamBlock *b, Py_ssize_t begin) noexcept nogil:
    """Rows that a step reads or makes."""
    if begin >= 0:
        return b.values + begin * b.R
    return <real *>b.x if begin == STREAM_INPUT else b.y


cdef inline real *state_of(const StreamBlock *b, const StreamStep *step, Py_ssize_t i) noexcept nogil:
    """A layer's part of the states of a row's session."""
    return b.states + (b.slots[i] if b.slots else i) * b.row_states + step.state


cdef inline bint left_out(const StreamBlock *b, const StreamStep *step, Py_ssize_t i) noexcept nogil:
    return step.mask >= 0 and not b.masks[step.mask * b.R + i]


cdef const real *gather_states(
    const StreamBlock *b, const StreamStep *step, Py_ssize_t begin, Py_ssize_t n, real *rows
) noexcept nogil:
    """n numbers of the states of all rows, from `begin` on: (R, n), in `rows` where they do not lie so already."""
    cdef Py_ssize_t i
    if b.R == 1:
        return state_of(b, step, 0) + begin
    for i in range(b.R):
        memcpy(rows + i * n, state_of(b, step, i) + begin, n * sizeof(real))
    return rows


cdef void put_states(const StreamBlock *b, const StreamStep *step, Py_ssize_t H, real *h, const real *c) noexcept nogil:
    """The new states h and, of an LSTM, c (R, H) to their sessions; rows that are masked keep theirs, and show them."""
    cdef Py_ssize_t i
    cdef real *state
    for i in range(b.R):
        state = state_of(b, step, i)
        if not left_out(b, step, i):
            memcpy(state, h + i * H, H * sizeof(real))
            if c:
                memcpy(state + H, c + i * H, H * sizeof(real))
        elif step.zero_output_for_mask:
            memset(h + i * H, 0, H * sizeof(real))
        else:
            memcpy(h + i * H, state, H * sizeof(real))


cdef void stream_gru(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    cdef const GRU *p = &step.gru
    cdef Py_ssize_t H = p.seq.H, R = b.R
    cdef const real *x = value(b, step.input)
    cdef const real *h = gather_states(b, step, 0, H, b.scratch + R * 6 * H)
    cdef real *h_next = value(b, step.output)
    cdef real *gates = b.scratch
    if not p.reset_after:
        project_inputs(p, R, x, gates)
        gru_step_before(p, R, False, gates, h, h_next, gates + R * 4 * H)
    else:
        gru_step_fused(p, R, False, x, p.seq.F, NULL, h, h_next)
    put_states(b, step, H, h_next, NULL)


cdef void stream_rnn(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    cdef const RNN *p = &step.rnn
    cdef Py_ssize_t H = p.seq.H, R = b.R
    cdef const real *h = gather_states(b, step, 0, H, b.scratch + R * 5 * H)
    cdef const real *c = gather_states(b, step, H, H, b.scratch + R * 6 * H) if p.lstm else NULL
    cdef real *h_next = value(b, step.output)
    cdef real *c_next = b.scratch + R * 7 * H if p.lstm else NULL
    cdef real *gates = b.scratch
    multiply_packed(R, p.sums, p.seq.F, value(b, step.input), p.seq.F, p.packed, False, gates, p.row)
    rnn_step(p, 0, R, 0, False, gates, h, c, h_next, c_next)
    put_states(b, step, H, h_next, c_next)


cdef inline void stream_product(const StreamStep *step, const StreamBlock *b, const real *x) noexcept nogil:
    """f(x W + b)."""
    cdef Dense p = step.dense
    p.N, p.x, p.y = b.R, x, value(b, step.output)
    dense_forward_rows(&p, 0)


cdef void stream_convolution(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """A session keeps the steps before, oldest first, that the window covers."""
    cdef Py_ssize_t C = step.inputs, i, cell, kept_numbers = (step.cells - 1) * step.dilation * C
    cdef const real *x = value(b, step.input)
    cdef real *window = b.scratch
    cdef real *before
    for i in range(b.R):
        before = state_of(b, step, i)
        for cell in range(step.cells - 1):
            memcpy(window, before + cell * step.dilation * C, C * sizeof(real))
            window += C
        memcpy(window, x + i * C, C * sizeof(real))
        window += C
        if kept_numbers:
            memmove(before, before + C, (kept_numbers - C) * sizeof(real))
            memcpy(before + kept_numbers - C, x + i * C, C * sizeof(real))
    stream_product(step, b, b.scratch)


cdef void stream_embedding(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    cdef const long long *tokens = <const long long *>b.x
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, n = step.outputs
    for i in range(b.R):
        memcpy(y + i * n, step.table + tokens[i] * n, n * sizeof(real))
        if step.mask_zero:
            b.masks[step.made_mask * b.R + i] = tokens[i] != 0


cdef void stream_masking(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """Rows whose numbers all are the mask's value do not count, and are zero."""
    cdef const real *x = value(b, step.input)
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, j, n = step.inputs
    cdef bint counts
    for i in range(b.R):
        counts = False
        for j in range(n):
            counts = counts or x[i * n + j] != step.mask_value
        b.masks[step.made_mask * b.R + i] = counts
        copy_or_clear(y + i * n, x + i * n if counts else NULL, n)


cdef void stream_mask(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """Which words are not a certain one, or which rows one of two masks has."""
    cdef const long long *words = <const long long *>b.x
    cdef unsigned char *made = b.masks + step.made_mask * b.R
    cdef Py_ssize_t i
    for i in range(b.R):
        if step.kind == STREAM_WORD_MASK:
            made[i] = words[i] != step.word
        else:
            made[i] = b.masks[step.mask * b.R + i] or b.masks[step.other_mask * b.R + i]


include "stream_numbers.pxi"


cdef void stream_step(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    cdef real *y
    if step.kind == STREAM_GRU:
        stream_gru(step, b)
    elif step.kind == STREAM_RNN:
        stream_rnn(step, b)
    elif step.kind == STREAM_DENSE:
        stream_product(step, b, value(b, step.input))
    elif step.kind == STREAM_EMBEDDING:
        stream_embedding(step, b)
    elif step.kind == STREAM_CONVOLUTION:
        stream_convolution(step, b)
    elif step.kind == STREAM_INPUT_ACTIVATION:
        activate_input(step.activation, value(b, step.input), value(b, step.output), b.R * step.inputs)
    elif step.kind == STREAM_ACTIVATION:
        y = value(b, step.output)
        memcpy(y, value(b, step.input), b.R * step.inputs * sizeof(real))
        activate_rows(step.activation, y, b.R, step.inputs)
    elif step.kind == STREAM_NORMALIZATION:
        normalize_rows(b.R, step.inputs, value(b, step.input), step.epsilon, value(b, step.output), b.scratch)
    elif step.kind == STREAM_AFFINE:
        stream_affine(step, b)
    elif step.kind == STREAM_MASKING:
        stream_masking(step, b)
    elif step.kind == STREAM_WORD_MASK or step.kind == STREAM_EITHER_MASK:
        stream_mask(step, b)
    elif step.kind == STREAM_RELU:
        stream_relu(step, b)
    elif step.kind == STREAM_PRELU:
        stream_prelu(step, b)
    else:
        stream_merge(step, b)


# --- plans ------------------------------------------------------------------------------------------


cdef void stream_prepare(StreamStep *step) noexcept nogil:
    """What a recurrent step reads and its call does not say."""
    cdef GRU *gru = &step.gru
    cdef RNN *rnn = &step.rnn
    if step.kind == STREAM_GRU and not gru.reset_after:
        sum_biases(gru)
    elif step.kind == STREAM_RNN:
        rnn.lstm = rnn.sums != rnn.seq.H
        rnn.row = rnn.sums + rnn.seq.H if rnn.lstm else rnn.seq.H


cdef inline Py_ssize_t input_bytes(const StreamPlan *plan) noexcept nogil:
    """Of a row."""
    return sizeof(long long) if plan.tokens else plan.inputs * sizeof(real)


cdef inline Py_ssize_t gathered_numbers(const StreamPlan *plan, Py_ssize_t rows) noexcept nogil:
    """Of the inputs and answers of a step, where they lie apart with the caller."""
    if rows == 1:
        return 0
    return pad_to_vectors(ceil_div(rows * input_bytes(plan), sizeof(real))) + pad_to_vectors(rows * plan.outputs)


cdef Py_ssize_t stream_memory(const StreamPlan *plan, Py_ssize_t rows) noexcept nogil:
    """Numbers that a block of so many rows works in."""
    cdef Py_ssize_t masks = ceil_div(plan.masks * rows, sizeof(real))
    return gathered_numbers(plan, rows) + rows * plan.values + rows * plan.scratch + pad_to_vectors(masks)


cdef void stream_block(const StreamRun *run, Py_ssize_t block, real *memory) noexcept nogil:
    """All steps of a block of rows."""
    cdef const StreamPlan *plan = run.plan
    cdef Py_ssize_t first = block * run.block_rows, R = min(run.block_rows, run.k - first), i, t
    cdef Py_ssize_t row_bytes = input_bytes(plan), n = run.n, O = plan.outputs
    cdef const char *x = run.x + first * n * row_bytes
    cdef real *y = run.y + first * n * O
    cdef bint apart = R > 1 and n > 1
    cdef StreamBlock b
    cdef int index
    b.R, b.row_states, b.slots = R, plan.states, run.slots + first if run.slots else NULL
    b.states = run.states if run.slots else run.states + first * plan.states
    b.values = memory + gathered_numbers(plan, R)
    b.scratch = b.values + R * plan.values
    b.masks = <unsigned char *>(b.scratch + R * plan.scratch)
    b.x, b.y = x, y
    if apart:
        b.x, b.y = <char *>memory, b.values - pad_to_vectors(R * O)
    for t in range(n):
        if apart:
            for i in range(R):
                memcpy(<char *>b.x + i * row_bytes, x + (i * n + t) * row_bytes, row_bytes)
        else:
            b.x, b.y = x + t * row_bytes, y + t * O
        for index in range(plan.count):
            stream_step(&plan.steps[index], &b)
        if apart:
            for i in range(R):
                memcpy(y + (i * n + t) * O, b.y + i * O, O * sizeof(real))


cdef void stream_task(void *context, int task) noexcept nogil:
    """Every so many of the blocks, in one memory: it stays in the cache."""
    cdef const StreamRun *run = <StreamRun *>context
    cdef Py_ssize_t block = task
    while block * run.block_rows < run.k:
        stream_block(run, block, run.memory + task * stream_memory(run.plan, run.block_rows))
        block += run.tasks


cdef Py_ssize_t stream_cut(StreamRun *run, int threads) noexcept nogil:
    """How many rows a block has, and how the blocks are shared; returns how many numbers of memory that takes."""
    cdef Py_ssize_t blocks
    run.block_rows = rows_per_block(run.k, run.plan.work * run.n) if threads > 1 else min(run.k, MAX_BLOCK_ROWS)
    blocks = ceil_div(run.k, run.block_rows)
    run.tasks = <int>min(blocks, 1 if threads == 1 else THREAD_TASKS * threads)
    return run.tasks * stream_memory(run.plan, run.block_rows)


cdef void stream(StreamRun *run, int threads) noexcept nogil:
    """All steps of all blocks; of a single one without the pool, and so without its lock."""
    if run.tasks == 1:
        stream_task(run, 0)
    else:
        run_tasks(stream_task, run, run.tasks, threads)
