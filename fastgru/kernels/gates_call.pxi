# What a forward pass of a recurrent layer with `training` leaves of every step, copied out for people to look at.

from libc.string cimport memcpy


cdef real *gates_into(ndarray out, Py_ssize_t parts, const Sequences *seq) except NULL:
    """The numbers of `out` (parts, B, T, H)."""
    cdef real *numbers = <real *>data_of(out, "out", REAL_TYPE, 4, True)
    cdef tuple shape = (parts, seq.B, seq.T, seq.H)
    if (<object>out).shape != shape:
        refuse_shape("out", out, shape)
    return numbers


cdef real *put_steps(
    const Sequences *seq, const real *rows, Py_ssize_t width, Py_ssize_t before, Py_ssize_t padding, real *to
) noexcept:
    """The first H numbers of each row of the blocks (before + T, R, width), but for `before` steps of each block, to
    (B, T, H) in the order of the input; returns where these end. Blocks lie `padding` numbers apart."""
    cdef Py_ssize_t H = seq.H, T = seq.T, first = 0, step, i, R, time
    while first < seq.B:
        R = min(seq.block_rows, seq.B - first)
        for step in range(T):
            time = T - 1 - step if seq.go_backwards else step
            for i in range(R):
                memcpy(to + ((first + i) * T + time) * H, rows + ((before + step) * R + i) * width, H * sizeof(real))
        rows += (before + T) * R * width + padding
        first += R
    return to + seq.B * T * H
