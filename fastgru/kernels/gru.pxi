# The GRU over a whole sequence: what its forward and backward pass share. gru_forward.pxi, gru_small_batch.pxi and
# gru_backward.pxi are the passes, gru_gates.pxi what happens number by number in them, gru_weights.pxi the weights as
# tiles read them, gru_passes.pxi the passes as tasks.
#
# B rows of a batch, T time steps, F input features, H units; R rows in a block. Gates stand in the order z, r, h
# (update, reset, candidate) in `kernel` W (F, 3H), `recurrent_kernel` U (H, 3H) and the biases b, c.
#
#   reset_after                                   reset before (reset_after=False)
#   z  = f(x Wz + bz + h Uz + cz)                 z  = f(x Wz + bz + h Uz)
#   r  = f(x Wr + br + h Ur + cr)                 r  = f(x Wr + br + h Ur)
#   q  = h Uh + ch                                q  = r h
#   g  = a(x Wh + bh + r q)                       g  = a(x Wh + bh + q Uh)
#   h' = z h + (1 - z) g                          h' = z h + (1 - z) g
#
# A block of rows keeps its steps in time order, rows of a step next to each other, so that one step's products read and
# write plain matrices. A row of a step is [g z r q], 4H numbers: after the backward pass it holds [dg dz dr dq], of
# which the first three are the gradient of the input projection and the last three that of the recurrent one.
#
#   xs      (T, R, F)    the inputs in time order
#   gates   (T, R, 4H)   x W, then g z r q, then their gradients
#   states  (T+1, R, H)  h before every step, and the last
#
# Where no backward pass follows two states are enough, and inputs that are projected ahead are so in windows of time,
# so that memory does not grow with T.
#
# The products go through register tiles with packed weights (tiles.pxi) or, where no memory is given for these, through
# BLAS. With tiles and reset_after a step goes from the inputs to the next state tile by tile, and nothing but what the
# backward pass reads leaves the cache.

cdef enum:
    WINDOW_NUMBERS = 32768  # numbers in the gates of a window of one block, so that they stay in the L2 cache

cdef inline bint fused(const GRU *p) noexcept nogil:
    """Whether a tile goes from the inputs to the next state; without reset_after r h must come first for all units."""
    return p.packed != NULL and p.reset_after


cdef inline bint skips_masked(const GRU *p) noexcept nogil:
    """Whether rows that are masked at a step are left out of its products: where no backward pass reads all rows."""
    return fused(p) and p.seq.mask != NULL and not p.training


cdef inline const real *fused_weights(const GRU *p, Py_ssize_t unit) noexcept nogil:
    """The packed weights of the LANES units that begin with `unit`."""
    return p.packed + unit * (4 + 3 * (p.seq.F + p.seq.H))


cdef inline real *block_gates(const GRU *p, Py_ssize_t first) noexcept nogil:
    """The gates of the block that begins with a row; behind each is what `add_transposed` reads on, and nobody writes."""
    return p.gates + first * p.window * 4 * p.seq.H + first // p.seq.block_rows * LANES


cdef const real *begin_states(const GRU *p, Py_ssize_t first, Py_ssize_t R) noexcept nogil:
    """The states of a block before its first step; NULL where they are zero, and so are their products."""
    cdef real *states = p.states + first * p.state_steps * p.seq.H
    copy_or_clear(states, p.h0 + first * p.seq.H if p.h0 else NULL, R * p.seq.H)
    return states if p.h0 else NULL


cdef inline bint shares_units(const GRU *p) noexcept nogil:
    """Whether threads share the units of all rows instead of the rows: see gru_small_batch.pxi."""
    cdef Py_ssize_t weights_bytes = weights_numbers(&p.seq, 3 * p.seq.H) * sizeof(real)
    cdef bint no_rows_to_share = p.seq.B == 1 or p.seq.B < TILE_ROWS and weights_bytes > L2_BYTES
    return fused(p) and p.seq.H >= 2 * THREAD_UNITS and no_rows_to_share


cdef Py_ssize_t gru_plan_workspace(GRU *p, real *memory) noexcept nogil:
    """How the work is cut, and where the parts of the workspace begin; returns how many numbers they take."""
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H, blocks, steps
    cdef Py_ssize_t numbers = pad_to_vectors(4 * H)
    p.seq.block_rows = B if shares_units(p) else rows_per_block(B, weights_numbers(&p.seq, 3 * H) * T)
    blocks = ceil_div(B, p.seq.block_rows)
    p.small_batch = fused(p) and p.seq.block_rows < TILE_ROWS and (T > 1 or shares_units(p))
    steps = WINDOW_NUMBERS // (p.seq.block_rows * 4 * H)
    p.window = T if p.training or steps > T else max(steps, 1)
    if fused(p) and not p.small_batch and not p.training:
        p.window = 1  # nothing is projected ahead
    p.state_steps = T + 1 if p.training else 2
    p.xs, p.gates, p.bias = NULL, NULL, memory
    p.states = memory + numbers
    numbers += pad_to_vectors(B * p.state_steps * H)
    p.scratch = memory + numbers
    numbers += pad_to_vectors(B * 3 * H)
    p.bias_sums = memory + numbers
    numbers += pad_to_vectors(blocks * 4 * H)
    if p.training:
        numbers += plan_sums(&p.d, &p.seq, 3 * H, memory + numbers)
    if p.training or not p.small_batch:
        p.xs = memory + numbers
        numbers += pad_to_vectors(B * p.window * F)
    if p.training or p.small_batch or not fused(p):
        p.gates = memory + numbers
        numbers += B * p.window * 4 * H + blocks * LANES
    return numbers


include "gru_gates.pxi"
include "gru_forward.pxi"
include "gru_small_batch.pxi"
include "gru_backward.pxi"
include "gru_weights.pxi"
include "gru_passes.pxi"
