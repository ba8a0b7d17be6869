# The GRU's weights as its tiles read them, packed once for many steps.


cdef void pack_fused(const GRU *p, int part, int parts, real *packed) noexcept nogil:
    """For every LANES units what `tile_gates` reads: the start of z, r, g and q, the input and recurrent weights."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F, j = 0, gate, lanes, i, l
    cdef const real *b = p.biases
    cdef const real *row
    cdef real *out
    while j < H:
        lanes = min(LANES, H - j)
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


cdef void pack_forward(const GRU *p, int part, int parts) noexcept nogil:
    """A part of the weights for the tiles of the forward pass, into `packed`."""
    cdef Py_ssize_t H = p.seq.H, F = p.seq.F
    cdef const real *U = p.recurrent_kernel
    cdef real *out = <real *>p.packed
    if p.reset_after:
        pack_fused(p, part, parts, out)
        return
    # x W, its columns in the order g z r of a row; h [Uz Ur]; q Uh
    pack(part, parts, F, 3 * H, p.kernel, 3 * H, 2 * H, out)
    out += packed_size(F, 3 * H)
    pack(part, parts, H, 2 * H, U, 3 * H, 0, out)
    pack(part, parts, H, H, U + 2 * H, 3 * H, 0, out + packed_size(H, 2 * H))


cdef void pack_forward_task(void *context, int part) noexcept nogil:
    pack_forward(<GRU *>context, part, PACK_TASKS)


cdef void pack_backward_task(void *context, int part) noexcept nogil:
    """A part of the transposed weights: U' (for [Uz Ur] and Uh apart without reset_after), and where dx is asked for W'
    with its rows in the order g z r of a row."""
    cdef const GRU *p = <GRU *>context
    cdef Py_ssize_t H = p.seq.H
    cdef const real *U = p.recurrent_kernel
    cdef real *out = <real *>p.packed
    if p.reset_after:
        pack_transposed(part, PACK_TASKS, 3 * H, H, U, 3 * H, 0, out)
    else:
        pack_transposed(part, PACK_TASKS, 2 * H, H, U, 3 * H, 0, out)
        pack_transposed(part, PACK_TASKS, H, H, U + 2 * H, 3 * H, 0, out + packed_size(2 * H, H))
    if p.dx:
        pack_transposed(part, PACK_TASKS, 3 * H, p.seq.F, p.kernel, 3 * H, 2 * H, out + packed_size(3 * H, H))


cdef Py_ssize_t gru_packed_size(Py_ssize_t F, Py_ssize_t H, bint reset_after) noexcept nogil:
    cdef Py_ssize_t forward = packed_size(F, 3 * H) + packed_size(H, 2 * H) + packed_size(H, H)
    if reset_after:
        forward = (4 + 3 * (F + H)) * pad_to_vectors(H)
    return max(forward, packed_size(3 * H, H) + packed_size(3 * H, F))


cdef void gru_pack(GRU *p) noexcept nogil:
    pack_forward(p, 0, 1)
