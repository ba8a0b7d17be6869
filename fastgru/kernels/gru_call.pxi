# The GRU: see gru.pxi.


cdef int take_weights(GRU *p, ndarray kernel, ndarray recurrent_kernel) except -1:
    """kernel (F, 3H) and recurrent_kernel (H, 3H), which says what H is."""
    check_present(kernel, "kernel")
    check_present(recurrent_kernel, "recurrent_kernel")
    cdef Py_ssize_t H = size_of(recurrent_kernel, 0)
    p.seq.H = H
    p.kernel = matrix_of(kernel, "kernel", p.seq.F, 3 * H)
    p.recurrent_kernel = matrix_of(recurrent_kernel, "recurrent_kernel", H, 3 * H)
    return check_not_empty(recurrent_kernel, "recurrent_kernel")


def gru_pack_size(Py_ssize_t F, Py_ssize_t H, bint reset_after) -> int:
    """Numbers of the packed weights, whether for the forward or the backward pass."""
    return kernels.gru_packed_size(F, H, reset_after)


def gru_pack(
    ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias, bint reset_after, ndarray packed not None
):
    """Pack kernel (F, 3H), recurrent_kernel (H, 3H) and bias (2, 3H) with reset_after, (1, 3H) without, or None, for
    the tiles of `gru_forward`."""
    cdef GRU p
    memset(&p, 0, sizeof(p))
    p.seq.F, p.reset_after = size_of(kernel, 0), reset_after
    take_weights(&p, kernel, recurrent_kernel)
    p.biases = matrix_of(bias, "bias", 2 if reset_after else 1, 3 * p.seq.H)
    p.packed = vector_into(packed, "packed", kernels.gru_packed_size(p.seq.F, p.seq.H, reset_after))
    with nogil:
        kernels.gru_pack(&p)


cdef class GRUCall:
    """A GRU over x (B, T, F), forward and, with `training`, backward. It is made for its options and can run many
    times; its arrays are set by name, and None at first.

    x : (B, T, F); mask : (B, T) or None
    kernel : (F, 3H); recurrent_kernel : (H, 3H)
    bias : (2, 3H) with reset_after, (1, 3H) without, or None
    packed
        What `gru_pack` made of the weights or, with `training`, memory for that: in training they change with every
        batch. None to multiply with BLAS.
    h0 : (B, H) or None for zeros
    memory
        `gru_memory` numbers, in which a forward pass with `training` leaves what the backward pass reads and uses up.
    y : (B, T, H) or None; last : (B, H)
        The states after all steps and after the last one are written there.
    dy : (B, T, H) or None; d_last : (B, H) or None
        The gradients of these.
    dx : (B, T, F) or None; dh0 : (B, H) or None
        Gradients that are written.
    d_kernel, d_recurrent_kernel, d_bias
        Gradients that are added to, of the weights' shapes, or None.
    """
    cdef GRU p
    cdef public ndarray x, mask, kernel, recurrent_kernel, bias, packed, h0, memory, y, last
    cdef public ndarray dy, d_last, dx, dh0, d_kernel, d_recurrent_kernel, d_bias

    def __cinit__(
        self, *, int activation, int recurrent_activation, bint reset_after, bint go_backwards,
        bint zero_output_for_mask, bint training,
    ):
        check_activation(activation, SOFTMAX - 1)
        check_activation(recurrent_activation, SOFTMAX - 1)
        self.p.activation, self.p.recurrent_activation = activation, recurrent_activation
        self.p.seq.go_backwards, self.p.seq.zero_output_for_mask = go_backwards, zero_output_for_mask
        self.p.reset_after, self.p.training = reset_after, training

    cdef int check(self) except -1:
        """Take what both passes read, and cut the work."""
        cdef GRU *p = &self.p
        cdef Py_ssize_t B, H
        take_sequences(&p.seq, self.x, self.mask)
        take_weights(p, self.kernel, self.recurrent_kernel)
        B, H = p.seq.B, p.seq.H
        p.biases = matrix_of(self.bias, "bias", 2 if p.reset_after else 1, 3 * H)
        p.packed = packed_of(self.packed, kernels.gru_packed_size(p.seq.F, H, p.reset_after), p.training)
        p.h0 = matrix_of(self.h0, "h0", B, H)
        if not p.packed:
            fetch_blas(largest_size(&p.seq, 4 * H))
        return check_workspace(self.memory, kernels.gru_plan_workspace(p, workspace_of(self.memory)))

    cdef int check_forward(self) except -1:
        self.check()
        check_present(self.last, "last")
        self.p.last = matrix_into(self.last, "last", self.p.seq.B, self.p.seq.H)
        self.p.seq.y = sequences_into(self.y, "y", self.p.seq.B, self.p.seq.T, self.p.seq.H)
        return 0

    def put_gates(self, ndarray out not None):
        """Write what a forward pass with `training` left of every step to `out` (4, B, T, H): z, r, g and the state
        after it, in the order of the input. Of masked steps the state alone means something."""
        cdef GRU *p = &self.p
        cdef Py_ssize_t part, H
        cdef real *to
        check_training(p.training)
        self.check()
        to, H = gates_into(out, 4, &p.seq), p.seq.H
        for part in range(3):
            # a row is [g z r q]
            to = put_steps(&p.seq, p.gates + (part + 1) % 3 * H, 4 * H, 0, kernels.read_padding, to)
        put_steps(&p.seq, p.states, H, 1, 0, to)

    cdef int check_backward(self) except -1:
        cdef GRU *p = &self.p
        check_training(p.training)
        self.check()
        cdef Py_ssize_t B = p.seq.B, T = p.seq.T, F = p.seq.F, H = p.seq.H
        p.seq.dy, p.d_last = sequences_of(self.dy, "dy", B, T, H), matrix_of(self.d_last, "d_last", B, H)
        p.dx, p.dh0 = sequences_into(self.dx, "dx", B, T, F), matrix_into(self.dh0, "dh0", B, H)
        p.d.kernel = matrix_into(self.d_kernel, "d_kernel", F, 3 * H)
        p.d.recurrent_kernel = matrix_into(self.d_recurrent_kernel, "d_recurrent_kernel", H, 3 * H)
        p.d_bias = matrix_into(self.d_bias, "d_bias", 2 if p.reset_after else 1, 3 * H)
        p.d_recurrent_bias = p.d_bias + 3 * H if p.d_bias and p.reset_after else NULL
        return 0


def gru_memory(
    Py_ssize_t B, Py_ssize_t T, Py_ssize_t F, Py_ssize_t H, bint reset_after, bint packed, bint training
) -> int:
    """Numbers of workspace that `gru_forward` needs, with packed weights or without, and with `training` `gru_backward`
    after it."""
    cdef GRU p
    cdef real placeholder
    check_positive((B, T, F, H))
    memset(&p, 0, sizeof(p))
    p.seq.B, p.seq.T, p.seq.F, p.seq.H, p.training, p.reset_after = B, T, F, H, training, reset_after
    p.packed = &placeholder if packed else NULL
    return kernels.gru_plan_workspace(&p, &placeholder)


def gru_forward(list calls, int threads):
    """Run the forward pass of a `GRUCall`, or of two side by side."""
    cdef GRUCall first = calls[0]
    cdef GRUCall second = calls[1] if len(calls) == 2 else None
    first.check_forward()
    cdef GRU *other = NULL
    if second is not None:
        second.check_forward()
        other = &second.p
    with nogil:
        kernels.gru_forward(&first.p, other, threads)


def gru_backward(GRUCall call not None, int threads):
    """Run the backward pass of a `GRUCall` whose forward pass has run."""
    call.check_backward()
    with nogil:
        kernels.gru_backward(&call.p, threads)
