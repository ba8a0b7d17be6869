# The GRU over a whole sequence, forward and backward.
#
# B rows of a batch, T time steps, F input features, H units; R rows in a shard. Gates stand in the order z, r, h (update,
# reset, candidate) in `kernel` W (F, 3H), `recurrent_kernel` U (H, 3H) and the biases b, c.
#
#   reset_after                                   reset before (reset_after=False)
#   z  = f(x Wz + bz + h Uz + cz)                 z  = f(x Wz + bz + h Uz)
#   r  = f(x Wr + br + h Ur + cr)                 r  = f(x Wr + br + h Ur)
#   q  = h Uh + ch                                q  = r h
#   g  = a(x Wh + bh + r q)                       g  = a(x Wh + bh + q Uh)
#   h' = z h + (1 - z) g                          h' = z h + (1 - z) g
#
# A shard keeps its steps in time order, rows of a step together, so that one step's products read and write plain
# matrices. A row of a step is [g z r q], 4H numbers: after the backward pass it holds [dg dz dr dq], of which the first
# three are the gradient of the input projection and the last three that of the recurrent one.
#
#   xs      (T, R, F)    the inputs in time order
#   gates   (T, R, 4H)   x W, then g z r q, then their gradients
#   states  (T+1, R, H)  h before every step, and the last
#
# Without a backward pass to come nothing is kept: two states are enough, and where inputs are projected ahead they are so
# in blocks of time, so that memory does not grow with T.
#
# The products go through register tiles with packed weights (tiles.pxi) or, where no memory is given for these, through
# BLAS. With tiles and reset_after a step goes from the inputs to the next state tile by tile, and nothing but what the
# backward pass wants leaves the cache.

from libc.stdint cimport uint64_t

cdef extern from "pace.h" nogil:
    double pace_now()
    int pace_way(uint64_t kind)
    void pace_took(uint64_t kind, int way, double seconds)

cdef enum:
    BLOCK_NUMBERS = 32768  # numbers in the gates of a block of one shard, so that a block stays in the L2 cache
    L2_BYTES = 1048576     # of a processor's L2 cache, or about that

cdef struct GRU:
    Sequences seq
    bint keep                      # a backward pass follows
    bint few                       # a shard's rows are too few for a tile: see `gru_steps_of_few`
    Py_ssize_t kept                # states in memory at once: T + 1 where they are kept
    Py_ssize_t block               # steps whose inputs and gates are in memory at once: T where they are kept
    bint reset_after
    int activation, recurrent_activation
    const real *kernel             # (F, 3H)
    const real *recurrent_kernel   # (H, 3H)
    const real *biases             # (2, 3H) with reset_after, (1, 3H) without, or NULL
    const real *packed             # the weights for tiles, or NULL
    const real *h0                 # (B, H) or NULL for zeros
    real *bias                     # (4H,): what is added to a row [g z r q], where the packed weights do not carry it
    real *xs                       # NULL where nothing reads it
    real *gates                    # NULL where nothing reads it
    real *states
    int threads                    # that may share the units of a shard
    int members                    # those that do
    int *barrier                   # that they wait at after every step
    Py_ssize_t begun               # steps that they have done, and the states before the next
    const real *h
    real *products                 # (B, 3H): h U of a step, or the states of the rows that are not masked at it; in the
                                   # backward pass dh (R, H), then d(r h) (R, H)
    real *bias_sums                # (shards, 4H): sums of the rows of gradients
    real *last                     # (B, H)
    const real *d_last             # (B, H) or NULL
    real *dx                       # (B, T, F) or NULL
    real *dh0                      # (B, H) or NULL
    WeightGradients d              # of kernel and recurrent_kernel; they and the next are added to, or NULL
    real *d_bias                   # (3H,)
    real *d_recurrent_bias         # (3H,), with reset_after alone


cdef inline bint fused(GRU *p) noexcept nogil:
    """Whether a tile goes from the inputs to the next state; without reset_after r h must be there for all units first."""
    return p.packed != NULL and p.reset_after


cdef inline bint skips_masked(GRU *p) noexcept nogil:
    """Whether rows that are masked at a step are left out of its products: where no backward pass reads all rows."""
    return fused(p) and p.seq.mask != NULL and not p.keep


cdef inline const real *fused_block(GRU *p, Py_ssize_t unit) noexcept nogil:
    """The packed weights of the LANES units that begin with `unit`."""
    return p.packed + unit * (4 + 3 * (p.seq.F + p.seq.H))


include "gru_gates.pxi"


# --- forward ----------------------------------------------------------------------------------------


cdef void project_inputs(GRU *p, Py_ssize_t rows, const real *xs, real *gates) noexcept nogil:
    """[g z r] = x [Wh Wz Wr], for all rows of all steps at once."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    if p.packed:
        multiply_packed(rows, 3 * H, F, xs, F, p.packed, False, gates, 4 * H)
    else:
        multiply(False, False, rows, H, F, xs, F, p.kernel + 2 * H, 3 * H, 0, gates, 4 * H)
        multiply(False, False, rows, 2 * H, F, xs, F, p.kernel, 3 * H, 0, gates + H, 4 * H)


cdef void gru_step_fused(GRU *p, Py_ssize_t R, bint at_rest, const real *x, Py_ssize_t ldx, real *gates, const real *h,
                         real *h_next) noexcept nogil:
    """One time step of a shard with reset_after, LANES units of TILE_ROWS rows at a time from x and h to h'."""
    cdef real[4 * TILE_ROWS * LANES] planes
    cdef Py_ssize_t i, j, row, slot, block, rows, H = p.seq.H, F = p.seq.F
    for block in range(pieces(H, LANES)):
        i, j = 0, block * LANES
        while i < R:
            rows = smaller(TILE_ROWS, R - i)
            if gates:
                for row in range(i, i + rows):
                    bring_near(h_next + row * H + j)
                    for slot in range(4):
                        bring_near(gates + (4 * row + slot) * H + j)
            tile_gates(<int>rows, F, x + i * ldx, ldx, 0 if at_rest else H, h + i * H, H, NULL, 0, fused_block(p, j),
                       planes)
            gates_of_tile(p.activation, p.recurrent_activation, planes, rows, smaller(LANES, H - j), H, h + i * H + j,
                          gates + i * 4 * H + j if gates else NULL, h_next + i * H + j)
            i += rows


cdef void gru_step_of_some(GRU *p, Py_ssize_t n, const Py_ssize_t *there, bint at_rest, const real *x, real *xs,
                           real *states, real *h) noexcept nogil:
    """One time step of n rows of a shard alone, which are brought together; h becomes their next states."""
    cdef Py_ssize_t i, H = p.seq.H, F = p.seq.F
    for i in range(n):
        memcpy(xs + i * F, x + there[i] * p.seq.T * F, F * sizeof(real))
        memcpy(states + i * H, h + there[i] * H, H * sizeof(real))
    gru_step_fused(p, n, at_rest, xs, F, NULL, states, states + n * H)
    for i in range(n):
        memcpy(h + there[i] * H, states + (n + i) * H, H * sizeof(real))


cdef void gru_step_after(GRU *p, Py_ssize_t R, bint at_rest, real *gates, const real *h, real *h_next,
                         real *products) noexcept nogil:
    """One time step of a shard with reset_after, from x W in `gates`, with BLAS."""
    cdef Py_ssize_t i, H = p.seq.H
    if at_rest:
        memset(products, 0, R * 3 * H * sizeof(real))
    else:
        multiply(False, False, R, 3 * H, H, h, H, p.recurrent_kernel, 3 * H, 0, products, 3 * H)
    for i in range(R):
        add_product_and_bias(p, products + i * 3 * H, gates + i * 4 * H)
        close_units(p, 0, H, h + i * H, gates + i * 4 * H, h_next + i * H)


cdef void gru_step_before(GRU *p, Py_ssize_t R, bint at_rest, real *gates, const real *h, real *h_next,
                          real *products) noexcept nogil:
    """One time step of a shard without reset_after, from x W in `gates`."""
    cdef Py_ssize_t i, H = p.seq.H
    cdef const real *packed = p.packed + packed_numbers(p.seq.F, 3 * H) if p.packed else NULL
    if at_rest:
        memset(products, 0, R * 2 * H * sizeof(real))
    elif packed:
        multiply_packed(R, 2 * H, H, h, H, packed, False, products, 2 * H)
    else:
        multiply(False, False, R, 2 * H, H, h, H, p.recurrent_kernel, 3 * H, 0, products, 2 * H)
    for i in range(R):
        reset_gate_before(p, products + i * 2 * H, h + i * H, gates + i * 4 * H)
    if at_rest:
        memset(products, 0, R * H * sizeof(real))
    elif packed:
        multiply_packed(R, H, H, gates + 3 * H, 4 * H, packed + packed_numbers(H, 2 * H), False, products, H)
    else:
        multiply(False, False, R, H, H, gates + 3 * H, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, products, H)
    for i in range(R):
        candidate_before(p, products + i * H, h + i * H, gates + i * 4 * H, h_next + i * H)


cdef const real *begin_states(GRU *p, Py_ssize_t first, Py_ssize_t R) noexcept nogil:
    """The states of a shard before its first step; NULL where they are zero, and so are their products."""
    cdef real *states = p.states + first * p.kept * p.seq.H
    copy_or_clear(states, p.h0 + first * p.seq.H if p.h0 else NULL, R * p.seq.H)
    return states if p.h0 else NULL


cdef void gru_forward_shard(void *context, int shard) noexcept nogil:
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = shard * p.seq.rows, R = rows_from(&p.seq, first)
    cdef Py_ssize_t step, i, steps, n
    cdef Py_ssize_t[SHARD_ROWS] there
    cdef const real *x
    cdef real *xs = p.xs + first * p.block * p.seq.F if p.xs else NULL
    cdef real *gates = p.gates + first * p.block * 4 * H if p.gates else NULL
    cdef real *states = p.states + first * p.kept * H
    cdef real *products = p.products + first * 3 * H
    cdef real *h = states
    cdef real *h_next
    cdef real *row
    cdef bint at_rest = begin_states(p, first, R) == NULL
    for step in range(p.seq.T):
        if step % p.block == 0:
            steps = smaller(p.block, p.seq.T - step)
            if p.keep or not fused(p):
                gather_inputs(&p.seq, first, R, step, steps, xs)
            if not fused(p):
                project_inputs(p, steps * R, xs, gates)
        x = p.seq.x + (first * p.seq.T + time_index(&p.seq, step)) * p.seq.F
        n = rows_there(&p.seq, first, R, step, there) if skips_masked(p) else R
        if n < R:
            if n > 0:
                gru_step_of_some(p, n, there, at_rest, x, xs, products, h)
                at_rest = False
            if p.seq.y:
                put_step(&p.seq, first, R, step, h)
            continue
        h_next = h + R * H if p.keep or h == states else states
        row = gates + step % p.block * R * 4 * H if gates else NULL
        if fused(p):
            gru_step_fused(p, R, at_rest, x, p.seq.T * p.seq.F, row, h, h_next)
        elif p.reset_after:
            gru_step_after(p, R, at_rest, row, h, h_next, products)
        else:
            gru_step_before(p, R, at_rest, row, h, h_next, products)
        if p.seq.mask:
            for i in range(R):
                if masked(&p.seq, first + i, step):
                    memcpy(h_next + i * H, h + i * H, H * sizeof(real))
        at_rest = False
        h = h_next
        if p.seq.y:
            put_step(&p.seq, first, R, step, h)
    memcpy(p.last + first * H, h, R * H * sizeof(real))


# A few rows cannot keep the processor busy while the weights come from the cache. So the input weights come once for
# TILE_ROWS steps instead of once for each, and the activations are those of a whole row. Threads share the units, and
# meet after every step, where they have no rows to share and where the weights lie farther away than the L2 cache, from
# which half of them come faster than all. A unit's sums are the same whoever makes them.


cdef inline bint shares_units(GRU *p) noexcept nogil:
    cdef Py_ssize_t weights = weights_numbers(&p.seq, 3 * p.seq.H) * sizeof(real)
    return fused(p) and p.seq.H >= 2 * SHARD_UNITS and (p.seq.B == 1 or p.seq.B < TILE_ROWS and weights > L2_BYTES)


cdef void project_units(
    GRU *p, Py_ssize_t first_block, Py_ssize_t end_block, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start,
    Py_ssize_t steps, real *gates,
) noexcept nogil:
    """x W and the biases of `steps` steps of a shard for some blocks of LANES units, in rows [g z r q] of a step."""
    cdef real[4 * TILE_ROWS * LANES] planes
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, block, i, j, s, rows, slot
    cdef const real *x
    for block in range(first_block, end_block):
        j = block * LANES
        for i in range(R):
            s = 0
            while s < steps:
                rows = smaller(TILE_ROWS, steps - s)
                x = p.seq.x + ((first + i) * p.seq.T + time_index(&p.seq, start + s)) * F
                tile_gates(<int>rows, F, x, -F if p.seq.go_backwards else F, 0, NULL, H, NULL, 0, fused_block(p, j),
                           planes)
                for slot in range(3):
                    put_planes(planes + slot * rows * LANES, 1, rows, H - j, False,
                               gates + (s * R + i) * 4 * H + slot * H + j, R * 4 * H)
                s += rows


cdef const real *gru_steps_of_few(
    GRU *p, Py_ssize_t first, Py_ssize_t R, int member, int members, Py_ssize_t begun, Py_ssize_t end, const real *h,
) noexcept nogil:
    """The steps from `begun` to `end` of a shard of fewer than TILE_ROWS rows with reset_after, for one member's share of
    the units; h are the states before them, NULL for zeros. Returns those after them."""
    cdef real[4 * TILE_ROWS * LANES] planes
    cdef Py_ssize_t[TILE_ROWS] there
    cdef Py_ssize_t H = p.seq.H, step, i, j, slot, block, blocks = pieces(H, LANES)
    cdef Py_ssize_t first_block = blocks * member // members, end_block = blocks * (member + 1) // members
    cdef Py_ssize_t begin = first_block * LANES, units = smaller(end_block * LANES, H) - begin
    cdef Py_ssize_t projected = begun, last_there
    cdef real *states = p.states + first * p.kept * H
    cdef real *gates = p.gates + first * p.block * 4 * H
    cdef const real *now
    cdef real *h_next
    cdef real *row
    cdef int turn = 0
    for step in range(begun, end):
        now = h if h else states
        if skips_masked(p) and rows_there(&p.seq, first, R, step, there) == 0:
            if p.seq.y and member == 0:
                put_step(&p.seq, first, R, step, now)
            continue
        if step >= projected:
            last_there = smaller(step - step % p.block + p.block, p.seq.T) - 1
            while skips_masked(p) and rows_there(&p.seq, first, R, last_there, there) == 0:
                last_there -= 1
            project_units(p, first_block, end_block, first, R, step, last_there + 1 - step,
                          gates + step % p.block * R * 4 * H)
            projected = last_there + 1
        h_next = states + (step + 1) * R * H if p.keep else states + R * H if now == states else states
        row = gates + step % p.block * R * 4 * H
        for block in range(first_block, end_block):
            # to and fro: a step begins with the weights with which the last one ended, which are nearest
            j = (block if step % 2 == 0 else first_block + end_block - 1 - block) * LANES
            tile_gates(<int>R, p.seq.F, NULL, 0, H if h else 0, now, H, row + j, smaller(LANES, H - j), fused_block(p, j),
                       planes)
            for slot in range(1, 4):
                put_planes(planes + slot * R * LANES, 1, R, H - j, False, row + slot * H + j, 4 * H)
        # the activations of all its units at once: of a single vector they would take their latency, not their work
        for i in range(R):
            close_units(p, begin, units, now + i * H, row + i * 4 * H, h_next + i * H)
            if masked(&p.seq, first + i, step):
                memcpy(h_next + i * H + begin, now + i * H + begin, units * sizeof(real))
        if members > 1:
            turn += 1
            barrier_wait(p.barrier, member, members, turn)
        h = h_next
        if p.seq.y and member == 0:
            put_step(&p.seq, first, R, step, h)
    return h


cdef void gru_forward_few(void *context, int shard) noexcept nogil:
    """A shard of fewer than TILE_ROWS rows on one thread."""
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = shard * p.seq.rows, R = rows_from(&p.seq, first)
    cdef const real *h = begin_states(p, first, R)
    if p.keep:
        gather_inputs(&p.seq, first, R, 0, p.seq.T, p.xs + first * p.seq.T * p.seq.F)
    h = gru_steps_of_few(p, first, R, 0, 1, 0, p.seq.T, h)
    copy_or_clear(p.last + first * H, h, R * H)


cdef inline Py_ssize_t end_of_units(GRU *p) noexcept nogil:
    """The steps after which `gru_forward_units` ends: all, or, where threads are still missing, those of a block."""
    return p.seq.T if p.members == p.threads else smaller(p.seq.T, p.begun + p.block)


cdef void gru_forward_units(void *context, int member) noexcept nogil:
    cdef GRU *p = <GRU *>context
    cdef const real *h = gru_steps_of_few(p, 0, p.seq.B, member, p.members, p.begun, end_of_units(p), p.h)
    if member == 0:
        p.h = h


cdef void gru_forward_team(GRU *p, int threads) noexcept nogil:
    """All steps of a single shard, whose units the threads share, where that is quicker than one thread.

    A thread that slept takes as long to come as many a step takes. So the first block of steps does not wait for it, and
    before the next it is looked for again.
    """
    cdef int[BARRIER_NUMBERS] barrier
    cdef int wanted = <int>smaller(smaller(threads, TEAM_MEMBERS), p.seq.H // SHARD_UNITS)
    cdef uint64_t kind = (<uint64_t>p.seq.H << 40) + (<uint64_t>p.seq.F << 16) + (p.seq.B << 8) + wanted
    cdef int alone = 1 if wanted <= 1 else pace_way(kind)
    cdef bint complete = True
    cdef double begin = pace_now()
    p.threads, p.barrier = 1 if alone else wanted, barrier
    p.h = begin_states(p, 0, p.seq.B)
    if p.keep:
        gather_inputs(&p.seq, 0, p.seq.B, 0, p.seq.T, p.xs)
    while p.begun < p.seq.T:
        if not alone:
            memset(barrier, 0, sizeof(barrier))
        run_team(gru_forward_units, p, p.threads, &p.members)
        complete = complete and p.members == p.threads
        p.begun = end_of_units(p)
    copy_or_clear(p.last, p.h, p.seq.B * p.seq.H)
    if wanted > 1 and complete:
        pace_took(kind, alone, (pace_now() - begin) / p.seq.T)


# --- backward ---------------------------------------------------------------------------------------


cdef void reset_gate_gradients_before(GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h,
                                      real *dh, real *scratch) noexcept nogil:
    """What follows from d(r h) without reset_after: dr of a shard's rows, and what it adds to dh."""
    cdef Py_ssize_t i, j, H = p.seq.H
    # d(r h) = dg Uh'
    if p.packed:
        multiply_packed(R, H, H, gates, 4 * H, p.packed + packed_numbers(2 * H, H), False, scratch, H)
    else:
        multiply(False, True, R, H, H, gates, 4 * H, p.recurrent_kernel + 2 * H, 3 * H, 0, scratch, H)
    for i in range(R):
        if masked(&p.seq, first + i, step):
            continue
        reset_gradients(p, scratch + i * H, gates + i * 4 * H, h + i * H, scratch + i * H)
        for j in range(H):
            dh[i * H + j] += scratch[i * H + j]


cdef void gru_backward_step(GRU *p, Py_ssize_t first, Py_ssize_t R, Py_ssize_t step, real *gates, const real *h,
                            real *dh, real *scratch) noexcept nogil:
    """One time step of a shard backwards: [g z r q] become their gradients, dh that of the state before the step."""
    cdef Py_ssize_t i, H = p.seq.H, columns = 3 * H if p.reset_after else 2 * H
    cdef real *row
    for i in range(R):
        row = gates + i * 4 * H
        if step > 0:  # the same row of the step that comes next
            bring_row_near(4 * H, row - R * 4 * H)
            bring_row_near(H, h + (i - R) * H)
        if masked(&p.seq, first + i, step):
            memset(row, 0, 4 * H * sizeof(real))
            continue
        candidate_gradients(p, h + i * H, row, dh + i * H)
        if p.reset_after:
            reset_gradients(p, row, row, row + 3 * H, row + 3 * H)
    if not p.reset_after:
        reset_gate_gradients_before(p, first, R, step, gates, h, dh, scratch)
    if step == 0 and not p.dh0:
        return  # nobody asks for the gradient of the state before
    # dh += [dz dr dq] U', or [dz dr] [Uz Ur]' without reset_after
    if p.packed:
        multiply_packed(R, H, columns, gates + H, 4 * H, p.packed, True, dh, H)
    else:
        multiply(False, True, R, H, columns, gates + H, 4 * H, p.recurrent_kernel, 3 * H, 1, dh, H)


cdef void input_gradients(GRU *p, Py_ssize_t R, const real *gates, real *dx) noexcept nogil:
    """dx = dg Wh' + [dz dr] [Wz Wr]' of one step, into rows that stand T F apart."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    if p.packed:
        multiply_packed(R, F, 3 * H, gates, 4 * H, p.packed + packed_numbers(3 * H, H), False, dx, p.seq.T * F)
    else:
        multiply(False, True, R, F, H, gates, 4 * H, p.kernel + 2 * H, 3 * H, 0, dx, p.seq.T * F)
        multiply(False, True, R, F, 2 * H, gates + H, 4 * H, p.kernel, 3 * H, 1, dx, p.seq.T * F)


cdef inline void add_product(
    GRU *p, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, const real *a, Py_ssize_t lda, const real *d, real *c
) noexcept nogil:
    """C (m, n) += A' D for A (k, m) and D (k, n), a part of the gates' gradients; C is a part of a weight's."""
    if p.packed:
        add_transposed(m, n, k, a, lda, d, 4 * p.seq.H, c, 3 * p.seq.H)
    else:
        multiply(True, False, m, n, k, a, lda, d, 4 * p.seq.H, 1, c, 3 * p.seq.H)


cdef struct WeightsPart:
    # columns of a weight's gradient that are next to each other in it and in a row [dg dz dr dq]
    bint recurrent       # of the recurrent kernel, not the input one
    bint of_q            # its left factor is q = r h, not h
    Py_ssize_t column    # where they begin in the weight
    Py_ssize_t slot      # and in a row
    Py_ssize_t columns


cdef int weights_parts(GRU *p, WeightsPart *parts) noexcept nogil:
    """The parts whose gradients are wanted, the recurrent ones, which take longer, first; returns how many."""
    cdef Py_ssize_t H = p.seq.H
    cdef int n = 0
    if p.d.recurrent_kernel and p.reset_after:
        parts[n] = WeightsPart(True, False, 0, H, 3 * H)
        n += 1
    elif p.d.recurrent_kernel:
        parts[n] = WeightsPart(True, False, 0, H, 2 * H)
        parts[n + 1] = WeightsPart(True, True, 2 * H, 0, H)
        n += 2
    if p.d.kernel:
        parts[n] = WeightsPart(False, False, 0, H, 2 * H)
        parts[n + 1] = WeightsPart(False, False, 2 * H, 0, H)
        n += 2
    return n


cdef void add_weights(
    GRU *p, WeightsPart *part, Py_ssize_t begin, Py_ssize_t n, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start,
    Py_ssize_t steps, const WeightGradients *total,
) noexcept nogil:
    """What some steps of a shard add to n columns of a part."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    cdef Py_ssize_t skip = R if part.recurrent and start == 0 and not p.h0 else 0  # rows whose state is zero
    cdef Py_ssize_t row = first * p.seq.T + start * R + skip, rows = steps * R - skip
    cdef const real *d = p.gates + row * 4 * H + part.slot + begin
    begin += part.column
    if not part.recurrent:
        add_product(p, F, n, rows, p.xs + row * F, F, d, total.kernel + begin)
    elif part.of_q:
        add_product(p, H, n, rows, p.gates + row * 4 * H + 3 * H, 4 * H, d, total.recurrent_kernel + begin)
    else:
        add_product(p, H, n, rows, p.states + (row + first) * H, H, d, total.recurrent_kernel + begin)


cdef void gru_backward_shard(void *context, int shard) noexcept nogil:
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = shard * p.seq.rows, R = rows_from(&p.seq, first)
    cdef Py_ssize_t s
    cdef real *gates
    cdef real *dh = p.products + first * 3 * H
    cdef real *sums = p.bias_sums + shard * 4 * H
    cdef WeightGradients own = gradients_of_shard(&p.d, shard)
    cdef WeightsPart[4] parts
    cdef int part, wanted = weights_parts(p, parts) if p.d.sums else 0
    cdef Py_ssize_t begun = p.seq.T  # the steps from here on have their products in the weights' gradients
    cdef const real *h
    if p.d_last:
        memcpy(dh, p.d_last + first * H, R * H * sizeof(real))
    else:
        memset(dh, 0, R * H * sizeof(real))
    memset(sums, 0, 4 * H * sizeof(real))
    for s in range(p.seq.T - 1, -1, -1):
        gates = p.gates + (first * p.seq.T + s * R) * 4 * H
        h = p.states + (first * (p.seq.T + 1) + s * R) * H
        add_output_gradients(&p.seq, first, R, s, dh)
        gru_backward_step(p, first, R, s, gates, h, dh, dh + R * H)
        add_column_sums(R, 4 * H, gates, 4 * H, sums)
        if p.dx:
            input_gradients(p, R, gates, p.dx + (first * p.seq.T + time_index(&p.seq, s)) * p.seq.F)
        if (begun - s) * R >= SUMMED_ROWS or s == 0:
            for part in range(wanted):
                add_weights(p, parts + part, 0, parts[part].columns, first, R, s, begun - s, &own)
            begun = s
    if p.dh0:
        memcpy(p.dh0 + first * H, dh, R * H * sizeof(real))


cdef void bias_gradients(GRU *p) noexcept nogil:
    """The biases' gradients from the shards' sums, in the order of the shards."""
    cdef Py_ssize_t shard, j, H = p.seq.H
    cdef const real *sums
    for shard in range(pieces(p.seq.B, p.seq.rows)):
        sums = p.bias_sums + shard * 4 * H
        if p.d_bias:
            for j in range(2 * H):
                p.d_bias[j] += sums[H + j]
            for j in range(H):
                p.d_bias[2 * H + j] += sums[j]
        if p.d_recurrent_bias:
            for j in range(3 * H):
                p.d_recurrent_bias[j] += sums[H + j]


cdef void gru_weights_shard(void *context, int shard) noexcept nogil:
    """Gradients of SHARD_COLUMNS columns, of all shards."""
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t first = 0, begin
    cdef WeightsPart[4] parts
    cdef WeightsPart *part = parts
    weights_parts(p, parts)
    while shard >= pieces(part.columns, SHARD_COLUMNS):
        shard -= <int>pieces(part.columns, SHARD_COLUMNS)
        part += 1
    begin = <Py_ssize_t>shard * SHARD_COLUMNS
    while first < p.seq.B:
        add_weights(p, part, begin, smaller(SHARD_COLUMNS, part.columns - begin), first, rows_from(&p.seq, first), 0,
                    p.seq.T, &p.d)
        first += p.seq.rows


cdef int weights_shards(GRU *p) noexcept nogil:
    """How many tasks the gradients of the weights are."""
    cdef WeightsPart[4] parts
    cdef int i, n = 0
    for i in range(weights_parts(p, parts)):
        n += <int>pieces(parts[i].columns, SHARD_COLUMNS)
    return n


# --- packed weights ---------------------------------------------------------------------------------


cdef void pack_fused(GRU *p, int part, int parts, real *packed) noexcept nogil:
    """For every LANES units what `tile_gates` reads: the start of z, r, g and q, the input and the recurrent weights."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, j = 0, gate, lanes, i, l
    cdef const real *b = p.biases
    cdef const real *row
    cdef real *out
    while j < H:
        lanes = smaller(LANES, H - j)
        if part == 0:
            memset(packed, 0, 4 * LANES * sizeof(real))
            if b:
                for l in range(lanes):
                    packed[l] = b[j + l] + b[3 * H + j + l]
                    packed[LANES + l] = b[H + j + l] + b[4 * H + j + l]
                    packed[2 * LANES + l] = b[2 * H + j + l]
                    packed[3 * LANES + l] = b[5 * H + j + l]
        packed += 4 * LANES
        for i in range((F + H) * part // parts, (F + H) * (part + 1) // parts):
            row = (p.kernel + i * 3 * H if i < F else p.recurrent_kernel + (i - F) * 3 * H) + j
            for gate in range(3):
                out = packed + (3 * i + gate) * LANES
                if lanes == LANES:  # a constant: one vector, no call
                    memcpy(out, row + gate * H, LANES * sizeof(real))
                else:
                    memcpy(out, row + gate * H, lanes * sizeof(real))
                    memset(out + lanes, 0, (LANES - lanes) * sizeof(real))
        packed += 3 * (F + H) * LANES
        j += LANES


cdef void pack_forward(GRU *p, int part, int parts) noexcept nogil:
    """A part of the weights for the tiles of the forward pass, into `packed`."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    cdef const real *U = p.recurrent_kernel
    cdef real *out = <real *>p.packed
    if p.reset_after:
        pack_fused(p, part, parts, out)
        return
    # x W, its columns in the order g z r of a row; h [Uz Ur]; q Uh
    pack(part, parts, F, 3 * H, p.kernel, 3 * H, 2 * H, out)
    out += packed_numbers(F, 3 * H)
    pack(part, parts, H, 2 * H, U, 3 * H, 0, out)
    pack(part, parts, H, H, U + 2 * H, 3 * H, 0, out + packed_numbers(H, 2 * H))


cdef void pack_forward_task(void *context, int part) noexcept nogil:
    pack_forward(<GRU *>context, part, PACK_TASKS)


cdef void pack_backward_task(void *context, int part) noexcept nogil:
    """A part of the transposed weights: U' (for [Uz Ur] and Uh apart without reset_after), and where it is wanted W' with
    its rows in the order g z r of a row."""
    cdef GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H
    cdef const real *U = p.recurrent_kernel
    cdef real *out = <real *>p.packed
    if p.reset_after:
        pack_transposed(part, PACK_TASKS, 3 * H, H, U, 3 * H, 0, out)
    else:
        pack_transposed(part, PACK_TASKS, 2 * H, H, U, 3 * H, 0, out)
        pack_transposed(part, PACK_TASKS, H, H, U + 2 * H, 3 * H, 0, out + packed_numbers(2 * H, H))
    if p.dx:
        pack_transposed(part, PACK_TASKS, 3 * H, p.seq.F, p.kernel, 3 * H, 2 * H, out + packed_numbers(3 * H, H))


cdef Py_ssize_t gru_packed_numbers(Py_ssize_t F, Py_ssize_t H, bint reset_after) noexcept nogil:
    cdef Py_ssize_t forward = packed_numbers(F, 3 * H) + packed_numbers(H, 2 * H) + packed_numbers(H, H)
    if reset_after:
        forward = (4 + 3 * (F + H)) * whole_vectors(H)
    return larger(forward, packed_numbers(3 * H, H) + packed_numbers(3 * H, F))


def gru_pack_size(Py_ssize_t F, Py_ssize_t H, bint reset_after) -> int:
    """Numbers of the packed weights, whether for the forward or the backward pass."""
    return gru_packed_numbers(F, H, reset_after)


cdef int take_weights(GRU *p, ndarray kernel, ndarray recurrent_kernel) except -1:
    """kernel (F, 3H) and recurrent_kernel (H, 3H), which says what H is."""
    cdef Py_ssize_t H = size_of(recurrent_kernel, 0)
    p.seq.H = H
    p.kernel = matrix_of(kernel, "kernel", p.seq.F, 3 * H)
    p.recurrent_kernel = matrix_of(recurrent_kernel, "recurrent_kernel", H, 3 * H)
    return check_not_empty(recurrent_kernel, "recurrent_kernel")


def gru_pack(
    ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias, bint reset_after, ndarray packed not None
):
    """Pack kernel (F, 3H), recurrent_kernel (H, 3H) and bias (2, 3H) with reset_after, (1, 3H) without, or None, for the
    tiles of `gru_forward`."""
    cdef GRU p
    memset(&p, 0, sizeof(p))
    p.seq.F, p.reset_after = size_of(kernel, 0), reset_after
    take_weights(&p, kernel, recurrent_kernel)
    p.biases = matrix_of(bias, "bias", 2 if reset_after else 1, 3 * p.seq.H)
    p.packed = vector_into(packed, "packed", gru_packed_numbers(p.seq.F, p.seq.H, reset_after))
    with nogil:
        pack_forward(&p, 0, 1)


# --- calls ------------------------------------------------------------------------------------------


cdef Py_ssize_t lay_out(GRU *p, real *memory) noexcept nogil:
    """How the work is cut, and where the pieces of the workspace lie; returns how many numbers they take."""
    cdef Py_ssize_t numbers = whole_vectors(4 * p.seq.H), fitting
    p.seq.rows = p.seq.B if shares_units(p) else shard_rows(p.seq.B, weights_numbers(&p.seq, 3 * p.seq.H) * p.seq.T)
    p.few = fused(p) and p.seq.rows < TILE_ROWS
    fitting = BLOCK_NUMBERS // (p.seq.rows * 4 * p.seq.H)
    p.block = p.seq.T if p.keep or fitting > p.seq.T else fitting if fitting > 0 else 1
    if fused(p) and not p.few and not p.keep:
        p.block = 1  # nothing is projected ahead
    p.kept = p.seq.T + 1 if p.keep else 2
    p.bias = memory
    p.states = memory + numbers
    numbers += whole_vectors(p.seq.B * p.kept * p.seq.H)
    p.products = memory + numbers
    numbers += whole_vectors(p.seq.B * 3 * p.seq.H)
    p.bias_sums = memory + numbers
    numbers += whole_vectors(pieces(p.seq.B, p.seq.rows) * 4 * p.seq.H)
    if p.keep:
        numbers += lay_out_sums(&p.d, &p.seq, 3 * p.seq.H, memory + numbers)
    if p.keep or not p.few:
        p.xs = memory + numbers
        numbers += whole_vectors(p.seq.B * p.block * p.seq.F)
    if p.keep or p.few or not fused(p):
        p.gates = memory + numbers
        numbers += p.seq.B * p.block * 4 * p.seq.H
    return numbers + LANES  # behind a row of gates, add_transposed reads on


cdef GRU gru_call(
    ndarray x, ndarray kernel, ndarray recurrent_kernel, ndarray packed, ndarray h0, ndarray mask, int activation,
    int recurrent_activation, bint reset_after, bint go_backwards, bint zero_output_for_mask, bint keep, ndarray memory,
):
    """What the forward and the backward pass share."""
    cdef GRU p
    memset(&p, 0, sizeof(p))
    take_sequences(&p.seq, x, mask)
    take_weights(&p, kernel, recurrent_kernel)
    p.h0 = matrix_of(h0, "h0", p.seq.B, p.seq.H)
    p.packed, p.keep = packed_of(packed, gru_packed_numbers(p.seq.F, p.seq.H, reset_after), keep), keep
    p.reset_after, p.seq.go_backwards, p.seq.zero_output_for_mask = reset_after, go_backwards, zero_output_for_mask
    p.activation, p.recurrent_activation = activation, recurrent_activation
    if not p.packed:
        fetch_blas(largest_size(&p.seq, 4 * p.seq.H))
    check_workspace(memory, lay_out(&p, vector_into(memory, "memory", size_of(memory, 0))))
    return p


def gru_memory(Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, bint reset_after, bint packed, bint keep) -> int:
    """Numbers of workspace that `gru_forward` wants, with packed weights or without; with `keep`, which a backward pass
    needs, `gru_backward` reads the same memory."""
    cdef GRU p
    cdef real anything
    check_positive((B, T, F, H))
    memset(&p, 0, sizeof(p))
    p.seq.B, p.seq.T, p.seq.F, p.seq.H, p.keep, p.reset_after = B, T, F, H, keep, reset_after
    p.packed = &anything if packed else NULL
    return lay_out(&p, &anything)


cdef void sum_biases(GRU *p) noexcept nogil:
    """[bh, bz + cz, br + cr, ch]: z and r need the sum of their two biases only."""
    cdef Py_ssize_t j, H = p.seq.H
    memset(p.bias, 0, 4 * H * sizeof(real))
    if p.biases:
        memcpy(p.bias, p.biases + 2 * H, H * sizeof(real))
        memcpy(p.bias + H, p.biases, 2 * H * sizeof(real))
        if p.reset_after:
            for j in range(3 * H):
                p.bias[H + j] += p.biases[3 * H + j]


cdef class GRUForward:
    """A GRU over x (B, T, F), ready to run.

    bias is (2, 3H) with reset_after, (1, 3H) without, or None; h0 (B, H), mask (B, T) and y (B, T, H) may be None; last
    (B, H) receives the final state. `memory` has `gru_memory` numbers; with `keep` it is what `gru_backward` reads. packed
    is what `gru_pack` made of the weights or, with `keep`, memory for that: in training they change with every batch. It
    is None to multiply with BLAS.
    """
    cdef GRU p

    def __cinit__(
        self, ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias, ndarray packed,
        ndarray h0, ndarray mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
        bint zero_output_for_mask, bint keep, ndarray memory not None, ndarray y, ndarray last not None,
    ):
        self.p = gru_call(x, kernel, recurrent_kernel, packed, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, keep, memory)
        cdef Py_ssize_t B = self.p.seq.B, H = self.p.seq.H
        self.p.biases = matrix_of(bias, "bias", 2 if reset_after else 1, 3 * H)
        self.p.seq.y, self.p.last = sequences_into(y, "y", B, self.p.seq.T, H), matrix_into(last, "last", B, H)

    cdef Tasks ready(self, int threads) noexcept nogil:
        """What is left to do when the weights are packed and the biases added up."""
        cdef Tasks tasks = Tasks(gru_forward_shard, &self.p, <int>pieces(self.p.seq.B, self.p.seq.rows))
        if self.p.packed and self.p.keep:
            run_packing(pack_forward_task, &self.p, &self.p.seq, 3 * self.p.seq.H, threads)
        if not fused(&self.p):
            sum_biases(&self.p)
        if self.p.few:
            tasks.task = gru_forward_few
        return tasks


def gru_forward(list calls, int threads):
    """Run a GRU, or two side by side, each given by the arguments of a `GRUForward`."""
    cdef GRUForward first = GRUForward(*calls[0])
    cdef GRUForward second = GRUForward(*calls[1]) if len(calls) == 2 else None
    cdef Tasks[2] tasks
    with nogil:
        tasks[0], tasks[1] = first.ready(threads), Tasks(NULL, NULL, 0)
        if second is not None:
            tasks[1] = second.ready(threads)
        if tasks[1].count == 0 and shares_units(&first.p):
            gru_forward_team(&first.p, threads)
        else:
            run_both(tasks, threads)


def gru_backward(
    ndarray x not None, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray packed, ndarray h0,
    ndarray mask, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
    bint zero_output_for_mask, ndarray memory not None, ndarray dy, ndarray d_last, ndarray dx, ndarray dh0,
    ndarray d_kernel, ndarray d_recurrent_kernel, ndarray d_bias, int threads,
):
    """Backward of `gru_forward` with the same arguments and its memory, which is used up.

    packed is memory for the weights as its tiles read them, or None to multiply with BLAS, as in the forward pass. dy
    (B, T, H) and d_last (B, H) are the gradients of the outputs, each may be None; dx and dh0 are written where they are
    not None; d_kernel, d_recurrent_kernel and d_bias are added to where they are not None.
    """
    cdef GRU p = gru_call(x, kernel, recurrent_kernel, packed, h0, mask, activation, recurrent_activation, reset_after,
                          go_backwards, zero_output_for_mask, True, memory)
    cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
    p.seq.dy, p.d_last = sequences_of(dy, "dy", B, T, H), matrix_of(d_last, "d_last", B, H)
    p.dx, p.dh0 = sequences_into(dx, "dx", B, T, F), matrix_into(dh0, "dh0", B, H)
    p.d.kernel = matrix_into(d_kernel, "d_kernel", F, 3 * H)
    p.d.recurrent_kernel = matrix_into(d_recurrent_kernel, "d_recurrent_kernel", H, 3 * H)
    p.d_bias = matrix_into(d_bias, "d_bias", 2 if reset_after else 1, 3 * H)
    if p.d_bias and reset_after:
        p.d_recurrent_bias = p.d_bias + 3 * p.seq.H
    with nogil:
        if p.packed:
            run_packing(pack_backward_task, &p, &p.seq, 3 * p.seq.H, threads)
        run_tasks(gru_backward_shard, &p, <int>pieces(p.seq.B, p.seq.rows), threads)
        bias_gradients(&p)
        if p.d.sums:
            sum_shards(&p.d, threads)
        else:
            run_tasks(gru_weights_shard, &p, weights_shards(&p), threads)
