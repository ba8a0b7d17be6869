# Plans of models that go step by step: see stream.pxi.

cdef enum:
    MAX_STEPS = 256  # of a plan


cdef inline Py_ssize_t pad_to_line(Py_ssize_t numbers) noexcept nogil:
    return (numbers + STREAM_VECTOR - 1) // STREAM_VECTOR * STREAM_VECTOR


_MERGES = {
    "Add": STREAM_SUM, "Average": STREAM_SUM, "Subtract": STREAM_DIFFERENCE, "Multiply": STREAM_PRODUCT,
    "Maximum": STREAM_LARGEST, "Minimum": STREAM_SMALLEST,
}


cdef class StreamLayers:
    """A model's layers in the order in which they run, for one step at a time of any number of sessions.

    Each `add_...` appends a layer that reads a value (0 is the model's input) and returns the number of the one that it
    makes; `end` says which of them is the answer, and then it can run. Weights are arrays, which nobody writes any
    more. `state` is where the layer's part begins in the numbers that a session keeps: the states of a recurrent layer,
    or the steps before, oldest first, that the window of a convolution covers. `mask` is what an embedding or a masking
    returned beside its value, or -1.

    inputs : numbers of a step's input
    states : numbers that a session keeps
    tokens : the input is the number of a word below this; 0 where it is not
    """
    cdef StreamPlan plan
    cdef StreamStep[MAX_STEPS] steps
    cdef Py_ssize_t[MAX_STEPS + 1] begins, widths  # of the values
    cdef int value_count, part_count
    cdef Py_ssize_t[MAX_STEPS] parts               # the widths of the answers, which stand one behind the other
    cdef bint ended
    cdef list arrays                               # that the plan points into

    def __cinit__(self, *, Py_ssize_t inputs, Py_ssize_t states, Py_ssize_t tokens=0):
        if inputs <= 0 or states < 0 or tokens < 0:
            raise ValueError(f"Stream: expected sizes above 0, got inputs={inputs}, states={states}, tokens={tokens}.")
        self.arrays = []
        self.plan.steps, self.plan.inputs, self.plan.states, self.plan.tokens = self.steps, inputs, states, tokens
        self.begins[0], self.widths[0], self.value_count = STREAM_INPUT, inputs, 1

    @property
    def tokens(self) -> int:
        return self.plan.tokens

    cdef StreamStep *append(self, int kind, int value, Py_ssize_t outputs, int mask, int made=-1) except NULL:
        """A step that reads a value, and makes a new one or adds to the one `made`."""
        cdef StreamStep *step
        if self.ended or self.plan.count == MAX_STEPS:
            raise ValueError(f"Stream: expected at most {MAX_STEPS} steps, and none after its end.")
        if not 0 <= value < self.value_count or not -1 <= mask < self.plan.masks or outputs <= 0:
            raise ValueError(f"Stream: there is no value {value}, no mask {mask} or nothing to put out.")
        if (kind == STREAM_EMBEDDING or kind == STREAM_WORD_MASK) != (value == 0 and self.plan.tokens > 0):
            raise ValueError("Stream: an embedding and its mask read the numbers of words, and nothing else does.")
        if made < 0:
            made = self.value_count
            self.value_count += 1
            self.begins[made], self.widths[made] = self.plan.values, outputs
            self.plan.values += pad_to_line(outputs)
        step = &self.steps[self.plan.count]
        memset(step, 0, sizeof(StreamStep))
        step.kind, step.mask, step.made_mask = kind, mask, -1
        step.inputs, step.outputs = self.widths[value], self.widths[made]
        step.input, step.output = self.begins[value], self.begins[made]
        self.plan.count += 1
        self.plan.work += step.inputs
        return step

    cdef int place(self, StreamStep *step, Py_ssize_t state, Py_ssize_t size) except -1:
        """A step's part of the states."""
        if state < 0 or state + size > self.plan.states:
            raise ValueError(f"Stream: {size} numbers from {state} on are none of {self.plan.states} states.")
        step.state = state
        return 0

    cdef int works_in(self, Py_ssize_t scratch, Py_ssize_t work) except -1:
        self.plan.scratch = max(self.plan.scratch, pad_to_line(scratch))
        self.plan.work += work
        return 0

    cdef int made(self) noexcept:
        return self.value_count - 1

    def add_gru(
        self, int value, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias,
        ndarray packed not None, *, Py_ssize_t state, int activation, int recurrent_activation, bint reset_after,
        bint zero_output_for_mask=False, int mask=-1,
    ) -> int:
        """A GRU; weights as in `GRUCall`."""
        cdef Py_ssize_t H = size_of(recurrent_kernel, 0)
        cdef StreamStep *step = self.append(STREAM_GRU, value, H, mask)
        cdef ndarray sums = PyArray_EMPTY(1, [4 * H], REAL_TYPE, 0)
        check_activation(activation, SOFTMAX - 1)
        check_activation(recurrent_activation, SOFTMAX - 1)
        step.zero_output_for_mask, step.gru.reset_after = zero_output_for_mask, reset_after
        step.gru.activation, step.gru.recurrent_activation = activation, recurrent_activation
        step.gru.seq.F = step.inputs
        take_weights(&step.gru, kernel, recurrent_kernel)
        step.gru.biases = matrix_of(bias, "bias", 2 if reset_after else 1, 3 * H)
        step.gru.packed = packed_of(packed, kernels.gru_packed_size(step.inputs, H, reset_after), False)
        step.gru.bias = <real *>PyArray_DATA(sums)
        self.place(step, state, H)
        self.works_in(7 * H, 3 * H * (step.inputs + H))
        self.arrays += [kernel, recurrent_kernel, bias, packed, sums]
        kernels.stream_prepare(step)
        return self.made()

    def add_rnn(
        self, int value, ndarray kernel not None, ndarray recurrent_kernel not None, ndarray bias,
        ndarray packed not None, *, Py_ssize_t state, int activation, int recurrent_activation,
        bint zero_output_for_mask=False, int mask=-1,
    ) -> int:
        """An LSTM, whose states are h and c, or a SimpleRNN; weights as in `RNNCall`."""
        cdef Py_ssize_t H = size_of(recurrent_kernel, 0)
        cdef StreamStep *step = self.append(STREAM_RNN, value, H, mask)
        cdef RNN *rnn = &step.rnn
        check_activation(activation, SOFTMAX - 1)
        check_activation(recurrent_activation, SOFTMAX - 1)
        step.zero_output_for_mask = zero_output_for_mask
        rnn.activation, rnn.recurrent_activation, rnn.seq.F = activation, recurrent_activation, step.inputs
        rnn_take_weights(rnn, kernel, recurrent_kernel)
        rnn.bias = vector_of(bias, "bias", rnn.sums)
        rnn.packed = packed_of(packed, kernels.rnn_packed_size(step.inputs, H, rnn.sums), False)
        self.place(step, state, H if rnn.sums == H else 2 * H)
        self.works_in(8 * H, rnn.sums * (step.inputs + H))
        self.arrays += [kernel, recurrent_kernel, bias, packed]
        kernels.stream_prepare(step)
        return self.made()

    cdef int take_product(
        self, StreamStep *step, Py_ssize_t F, ndarray kernel, ndarray bias, ndarray packed, int activation
    ) except -1:
        cdef Py_ssize_t O = step.outputs
        check_activation(activation, SOFTMAX)
        step.dense.F, step.dense.O, step.dense.activation = F, O, activation
        step.dense.kernel = matrix_of(kernel, "kernel", F, O)
        step.dense.bias = vector_of(bias, "bias", O)
        step.dense.packed = packed_of(packed, kernels.dense_packed_size(F, O), False)
        self.works_in(0, F * O)
        self.arrays += [kernel, bias, packed]
        return 0

    def add_dense(
        self, int value, ndarray kernel not None, ndarray bias, ndarray packed not None, *, int activation
    ) -> int:
        """A Dense layer, as `dense_forward`."""
        cdef StreamStep *step = self.append(STREAM_DENSE, value, size_of(kernel, 1), -1)
        self.take_product(step, step.inputs, kernel, bias, packed, activation)
        return self.made()

    def add_convolution(
        self, int value, ndarray kernel not None, ndarray bias, ndarray packed not None, *, Py_ssize_t state,
        Py_ssize_t dilation, int activation,
    ) -> int:
        """A causal convolution: kernel (cells * channels, filters), the oldest cell first."""
        cdef StreamStep *step = self.append(STREAM_CONVOLUTION, value, size_of(kernel, 1), -1)
        step.cells, step.dilation = size_of(kernel, 0) // step.inputs, dilation
        if step.cells < 1 or dilation < 1:
            raise ValueError(f"Stream: expected a kernel for {step.inputs} channels and a dilation of at least 1.")
        self.take_product(step, step.cells * step.inputs, kernel, bias, packed, activation)
        self.place(step, state, (step.cells - 1) * dilation * step.inputs)
        self.works_in(step.cells * step.inputs, 0)
        return self.made()

    def add_embedding(self, int value, ndarray table not None, bint mask_zero) -> tuple[int, int]:
        """An embedding (tokens, units); the second number is the mask of the words that are not 0, or -1."""
        cdef StreamStep *step = self.append(STREAM_EMBEDDING, value, size_of(table, 1), -1)
        step.table, step.mask_zero = matrix_of(table, "table", self.plan.tokens, step.outputs), mask_zero
        self.arrays.append(table)
        return self.made(), self.new_mask(step) if mask_zero else -1

    def add_masking(self, int value, double mask_value) -> tuple[int, int]:
        """Rows that do not count where all their numbers are `mask_value`."""
        cdef StreamStep *step = self.append(STREAM_MASKING, value, self.widths[value], -1)
        step.mask_value = <real>mask_value
        return self.made(), self.new_mask(step)

    def add_word_mask(self, long long word) -> int:
        """A mask of the words that are not this one."""
        cdef StreamStep *step = self.append(STREAM_WORD_MASK, 0, 1, -1, 0)
        step.word = word
        return self.new_mask(step)

    def add_either_mask(self, int value, int mask, int other) -> int:
        """A mask of the rows that one of two masks has, beside a value."""
        cdef StreamStep *step = self.append(STREAM_EITHER_MASK, value, 1, mask, value)
        if not 0 <= mask or not 0 <= other < self.plan.masks:
            raise ValueError(f"Stream: there are no masks {mask} and {other}.")
        step.other_mask = other
        return self.new_mask(step)

    cdef int new_mask(self, StreamStep *step) noexcept:
        step.made_mask = self.plan.masks
        self.plan.masks += 1
        return step.made_mask

    def add_activation(self, int value, int activation, bint by_input) -> int:
        """An activation, `by_input` one of those that `activate_input` has."""
        cdef StreamStep *step
        if by_input:
            check_input_activation(activation)
        else:
            check_activation(activation, SOFTMAX)
        step = self.append(STREAM_INPUT_ACTIVATION if by_input else STREAM_ACTIVATION, value, self.widths[value], -1)
        step.activation = activation
        return self.made()

    def add_normalization(self, int value, double epsilon) -> int:
        """Each row brought to mean 0 and variance 1."""
        cdef StreamStep *step = self.append(STREAM_NORMALIZATION, value, self.widths[value], -1)
        step.epsilon = <real>epsilon
        self.works_in(1, 0)
        return self.made()

    def add_affine(self, int value, ndarray scale not None, ndarray shift not None) -> int:
        """x * scale + shift, each with a number for each input."""
        cdef StreamStep *step = self.append(STREAM_AFFINE, value, self.widths[value], -1)
        step.scale, step.shift = vector_of(scale, "scale", step.inputs), vector_of(shift, "shift", step.inputs)
        self.arrays += [scale, shift]
        return self.made()

    def add_concatenation(self, list values) -> int:
        """The numbers of several values, one after the other."""
        cdef Py_ssize_t column = 0, outputs = 0
        cdef StreamStep *step
        cdef int made = self.value_count
        for value in values:
            outputs += self.widths[self.checked(value)]
        for value in values:
            step = self.append(STREAM_CONCATENATION, value, outputs, -1, made if column else -1)
            step.column = column
            column += step.inputs
        return self.made()

    def add_relu(self, int value, double negative_slope, double max_value, double threshold) -> int:
        """min(x, max_value) above the threshold, negative_slope * (x - threshold) below."""
        cdef StreamStep *step = self.append(STREAM_RELU, value, self.widths[value], -1)
        step.negative_slope, step.max_value, step.threshold = negative_slope, max_value, threshold
        return self.made()

    def add_prelu(self, int value, ndarray alpha not None) -> int:
        """max(x, 0) + alpha * min(x, 0), with a number for each input."""
        cdef StreamStep *step = self.append(STREAM_PRELU, value, self.widths[value], -1)
        step.scale = vector_of(alpha, "alpha", step.inputs)
        self.arrays.append(alpha)
        return self.made()

    def add_merge(self, list values, str name) -> int:
        """What a merging layer of this name makes of values, number by number; sizes of 1 are repeated."""
        cdef int made = self.value_count, kind = STREAM_COPY
        cdef Py_ssize_t outputs = max([self.widths[self.checked(value)] for value in values])
        for value in values:
            if self.widths[<int>value] not in (1, outputs):
                raise ValueError("Stream: what is merged must be of one size.")
            self.append(kind, value, outputs, -1, -1 if kind == STREAM_COPY else made)
            kind = _MERGES[name]
        return self.made()

    def add_quotient(self, int value, double divisor) -> int:
        cdef StreamStep *step = self.append(STREAM_QUOTIENT, value, self.widths[value], -1)
        step.divisor = divisor
        return self.made()

    cdef int checked(self, int value) except -1:
        if not 0 <= value < self.value_count:
            raise ValueError(f"Stream: there is no value {value}.")
        return value

    def end(self, list values) -> None:
        """Which values are the answers: none of them the input itself."""
        cdef int index, value = -1
        cdef Py_ssize_t begin
        if self.ended or not 1 <= len(values) <= MAX_STEPS or any([self.checked(one) == 0 for one in values]):
            raise ValueError(f"Stream: the input is among the values {values}, or there was an end before.")
        self.part_count = len(values)
        for index in range(self.part_count):
            self.parts[index] = self.widths[<int>values[index]]
        value = values[0] if self.part_count == 1 else self.add_concatenation(values)
        begin = self.begins[value]
        for index in range(self.plan.count):
            if self.steps[index].input == begin:
                self.steps[index].input = STREAM_ANSWER
            if self.steps[index].output == begin:
                self.steps[index].output = STREAM_ANSWER
        self.plan.outputs, self.ended = self.widths[value], True
