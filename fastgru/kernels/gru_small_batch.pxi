# The forward pass of fewer rows than a tile has, with reset_after: at each step
#
#   z, r, q = x W + h U + biases    (x W and the biases come ahead, for up to TILE_ROWS steps or rows at once)
#   h'      = z h + (1 - z) a(x Wh + bh + r q)
#
# A few rows cannot keep the processor busy while the weights come from the cache. So the input weights come once for
# TILE_ROWS steps instead of once for each, and the activations are those of a whole row. A single step of fewer rows
# than a tile goes as a tile's does (gru_forward.pxi), where no threads share its units. Threads share the units, and
# wait for each other after every step, where they have no rows to share and where the weights lie farther away than the
# L2 cache, from which half of them come faster than all. A unit's sums are the same whoever makes them.

from libc.stdint cimport uint64_t

cdef extern from "autotune.h" nogil:
    double autotune_now()
    int autotune_choose(uint64_t kind)
    void autotune_report(uint64_t kind, int way, double seconds)


cdef struct Team:
    # the threads that share the units of a call
    GRU *gru
    int size              # of how many it is asked to be
    int members           # how many came
    Py_ssize_t start      # steps that they have done, and the states after those: NULL for zeros
    const real *h
    int[BARRIER_NUMBERS] barrier  # where they wait after every step


cdef void project_units(
    const GRU *p, Py_ssize_t first_unit, Py_ssize_t end_unit, Py_ssize_t first, Py_ssize_t R, Py_ssize_t start,
    Py_ssize_t steps, real *gates,
) noexcept nogil:
    """x W and the biases of `steps` steps of a block for some vectors of units, in rows [g z r q] of a step."""
    cdef real[4 * TILE_SUMS * LANES] accumulators
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, j = first_unit, i, s, outer, done, rows, blocks, slot
    cdef bint by_steps = steps >= R  # a tile's rows are steps of a row or, where these are more, rows of a step
    cdef Py_ssize_t n = steps if by_steps else R, tile = even_part(n, TILE_ROWS)
    cdef Py_ssize_t ldx = p.seq.T * F if not by_steps else -F if p.seq.go_backwards else F
    cdef Py_ssize_t most = tile_blocks(n, ceil_div(end_unit - j, LANES))
    cdef const real *x
    while j < end_unit:
        blocks = min(most, ceil_div(end_unit - j, LANES))
        for outer in range(R if by_steps else steps):
            done = 0
            while done < n:
                rows = next_rows(n - done, tile)
                i, s = (outer, done) if by_steps else (done, outer)
                x = p.seq.x + ((first + i) * p.seq.T + time_index(&p.seq, start + s)) * F
                tile_gates(<int>rows, <int>blocks, F, x, ldx, H, NULL, H, NULL, 0, fused_weights(p, j), accumulators)
                for slot in range(3):
                    tile_store(accumulators + slot * blocks * rows * LANES, blocks, rows, H - j, False,
                               gates + (s * R + i) * 4 * H + slot * H + j, (R if by_steps else 1) * 4 * H)
                done += rows
        j += blocks * LANES


cdef const real *gru_small_batch_steps(
    const GRU *p, Py_ssize_t first, Py_ssize_t R, int member, int members, int *barrier, Py_ssize_t start,
    Py_ssize_t end, const real *h,
) noexcept nogil:
    """The steps from `start` to `end` of a block for one member's share of the units; h are the states before them,
    NULL for zeros. Returns those after them."""
    cdef real[4 * TILE_SUMS * LANES] accumulators
    cdef Py_ssize_t[TILE_ROWS] active_rows
    cdef Py_ssize_t H = p.seq.H, step, i, j, slot, blocks, done, vectors = ceil_div(H, LANES)
    cdef Py_ssize_t first_vector = vectors * member // members, end_vector = vectors * (member + 1) // members
    cdef Py_ssize_t first_unit = first_vector * LANES, units = min(end_vector * LANES, H) - first_unit
    cdef Py_ssize_t projected = start, last_active
    cdef real *states = p.states + first * p.state_steps * H
    cdef real *gates = block_gates(p, first)
    cdef const real *h_before
    cdef real *h_next
    cdef real *row
    cdef int phase = 0
    cdef Py_ssize_t most = tile_blocks(R, end_vector - first_vector)
    cdef Py_ssize_t weights_bytes = 3 * H * H * <Py_ssize_t>sizeof(real)
    # Of weights that outgrow the L1 cache more are still there at the next step where few blocks come at a time: two,
    # or those that are read as fast as the L2 cache gives.
    if weights_bytes >= L1_BYTES // 2:
        most = min(most, 2 if weights_bytes < 2 * L1_BYTES else TILE_FAR_BLOCKS)
    for step in range(start, end):
        h_before = h if h else states
        if skips_masked(p) and find_active_rows(&p.seq, first, R, step, active_rows) == 0:
            if p.seq.y and member == 0:
                put_step(&p.seq, first, R, step, h_before)
            h = h_before
            continue
        if step >= projected:
            last_active = min(step - step % p.window + p.window, p.seq.T) - 1
            while skips_masked(p) and find_active_rows(&p.seq, first, R, last_active, active_rows) == 0:
                last_active -= 1
            project_units(p, first_unit, first_unit + units, first, R, step, last_active + 1 - step,
                          gates + step % p.window * R * 4 * H)
            projected = last_active + 1
        if p.training:
            h_next = states + (step + 1) * R * H
        else:
            h_next = states + R * H if h_before == states else states
        row = gates + step % p.window * R * 4 * H
        done = 0
        while done < end_vector - first_vector:
            blocks = min(most, end_vector - first_vector - done)
            # to and fro: a step begins with the weights with which the last one ended, which are nearest
            j = (first_vector + done if step % 2 == 0 else end_vector - done - blocks) * LANES
            tile_gates(<int>R, <int>blocks, p.seq.F, NULL, 0, H, h, H, row + j, H - j, fused_weights(p, j),
                       accumulators)
            if blocks == vectors:
                gates_of_tile(p.activation, p.recurrent_activation, accumulators, R, blocks, H, H, h_before,
                              row if p.training else NULL, h_next)
                break
            for slot in range(1, 4):
                tile_store(accumulators + slot * blocks * R * LANES, blocks, R, H - j, False,
                           row + slot * H + j, 4 * H)
            done += blocks
        for i in range(R):
            # the activations of all its units at once: of a single vector they would take their latency, not their work
            if done > 0:
                apply_gates(p, first_unit, units, h_before + i * H, row + i * 4 * H, h_next + i * H)
            if masked(&p.seq, first + i, step):
                memcpy(h_next + i * H + first_unit, h_before + i * H + first_unit, units * sizeof(real))
        if members > 1:
            phase += 1
            barrier_wait(barrier, member, members, phase)
        h = h_next
        if p.seq.y and member == 0:
            put_step(&p.seq, first, R, step, h)
    return h


cdef void gru_forward_small_batch(void *context, int block) noexcept nogil:
    """All steps of a block on one thread."""
    cdef const GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H, first = block * p.seq.block_rows, R = rows_of_block(&p.seq, first)
    cdef const real *h = begin_states(p, first, R)
    if p.training:
        gather_inputs(&p.seq, first, R, 0, p.seq.T, p.xs + first * p.seq.T * p.seq.F)
    h = gru_small_batch_steps(p, first, R, 0, 1, NULL, 0, p.seq.T, h)
    copy_or_clear(p.last + first * H, h, R * H)


cdef inline Py_ssize_t end_of_units(const Team *team) noexcept nogil:
    """The steps after which `gru_forward_units` ends: all, or, where members are still missing, those of a window."""
    cdef const GRU *p = team.gru
    return p.seq.T if team.members == team.size else min(p.seq.T, team.start + p.window)


cdef void gru_forward_units(void *context, int member) noexcept nogil:
    """Some steps of all rows, for a member's share of the units."""
    cdef Team *team = <Team *>context
    cdef const real *h = gru_small_batch_steps(
        team.gru, 0, team.gru.seq.B, member, team.members, team.barrier, team.start, end_of_units(team), team.h
    )
    if member == 0:
        team.h = h


cdef void gru_forward_team(GRU *p, int threads) noexcept nogil:
    """All steps of a single block, whose units the threads share, where that is quicker than one thread.

    A thread that slept takes as long to come as many a step takes. So the first window of steps does not wait for it,
    and before the next it is looked for again.
    """
    cdef Team team
    cdef int size = <int>min(min(threads, TEAM_MEMBERS), p.seq.H // THREAD_UNITS)
    cdef uint64_t kind = (<uint64_t>p.seq.H << 40) + (<uint64_t>p.seq.F << 16) + (p.seq.B << 8) + size
    cdef int alone = 1 if size <= 1 else autotune_choose(kind)
    cdef bint complete = True
    cdef double begin = autotune_now()
    team.gru, team.size, team.start, team.h = p, 1 if alone else size, 0, begin_states(p, 0, p.seq.B)
    if p.training:
        gather_inputs(&p.seq, 0, p.seq.B, 0, p.seq.T, p.xs)
    while team.start < p.seq.T:
        if not alone:
            memset(team.barrier, 0, sizeof(team.barrier))
        run_team(gru_forward_units, &team, team.size, &team.members)
        complete = complete and team.members == team.size
        team.start = end_of_units(&team)
    copy_or_clear(p.last, team.h, p.seq.B * p.seq.H)
    if size > 1 and complete:
        autotune_report(kind, alone, (autotune_now() - begin) / p.seq.T)
