# Plans of models that go step by step, and their steps: see stream.pxi.

from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uintptr_t
from numpy cimport NPY_BOOL, PyArray_EMPTY, npy_intp

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow)
    bint PyLong_CheckExact(object value)

from fastgru.streaming.c_stream cimport FASTGRU_STREAM_CAPSULE, FASTGRU_STREAM_VERSION, fastgru_stream

cdef enum:
    KEPT_WORK = 1048576  # multiplications for which the GIL is not given away: some 50 us
    MEMORY_LINE = 64     # bytes, where memory begins
    MAX_STEPS = 256      # of a plan

cdef long long SLOT = 0xFFFFFFFF  # the part of an id that is its slot


cdef inline Py_ssize_t pad_to_line(Py_ssize_t numbers) noexcept nogil:
    return (numbers + STREAM_VECTOR - 1) // STREAM_VECTOR * STREAM_VECTOR


cdef struct Memory:
    char *whole
    real *numbers
    Py_ssize_t size  # bytes


cdef int grow(Memory *memory, Py_ssize_t numbers) except -1:
    """At least so many numbers, on a line of the cache; what they were is lost."""
    cdef Py_ssize_t size = numbers * sizeof(real) + MEMORY_LINE
    if memory.size >= size:
        return 0
    PyMem_RawFree(memory.whole)
    memory.size = 0
    memory.whole = <char *>PyMem_RawMalloc(size)
    if memory.whole == NULL:
        raise MemoryError()
    memory.size = size
    memory.numbers = <real *>((<uintptr_t>memory.whole + MEMORY_LINE - 1) & ~<uintptr_t>(MEMORY_LINE - 1))
    return 0


cdef Py_ssize_t count_of(object ids) noexcept:
    """How many ids these are, where they are of a kind that C reads; else -1."""
    cdef ndarray array
    if isinstance(ids, list):
        return PyList_GET_SIZE(ids)
    if not isinstance(ids, ndarray):
        return 1 if PyLong_CheckExact(ids) else -1
    array = ids
    fits = PyArray_TYPE(array) == NPY_INT64 and PyArray_NDIM(array) == 1 and PyArray_ISCARRAY_RO(array)
    return PyArray_DIM(array, 0) if fits else -1


cdef long long id_of(object ids, Py_ssize_t i) noexcept:
    """The i-th of ids that `count_of` has counted; -1 for what is none."""
    cdef int overflow
    cdef object one
    if isinstance(ids, list):
        one = <object>PyList_GET_ITEM(ids, i)
        return PyLong_AsLongLongAndOverflow(one, &overflow) if PyLong_CheckExact(one) else -1
    if PyLong_CheckExact(ids):
        return PyLong_AsLongLongAndOverflow(ids, &overflow)
    return (<const long long *>PyArray_DATA(ids))[i]


cdef int c_step(const fastgru_stream *stream, void *state, const void *x, void *y, void *scratch) noexcept nogil:
    """`fastgru_stream.step`."""
    cdef StreamRun run
    cdef long long token
    if stream.tokens:
        token = (<const long long *>x)[0]
        if token < 0 or <size_t>token >= stream.tokens:
            return -1
    run.plan = <const StreamPlan *>stream.plan
    run.k = run.n = run.block_rows = run.tasks = 1
    run.slots, run.states = NULL, <real *>state
    run.x, run.y, run.memory = <const char *>x, <real *>y, <real *>scratch
    kernels.stream(&run, 1)
    return 0


cdef void release_stream(object capsule) noexcept:
    Py_DECREF(<object>PyCapsule_GetContext(capsule))


cdef class Stream:
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
    cdef int value_count
    cdef bint ended
    cdef list arrays                               # that the plan points into
    cdef Memory memory, slots
    cdef ndarray states, ids, in_use, last_steps
    cdef object clock
    cdef double ttl
    cdef fastgru_stream stream

    def __cinit__(self, *, Py_ssize_t inputs, Py_ssize_t states, Py_ssize_t tokens=0):
        if inputs <= 0 or states < 0 or tokens < 0:
            raise ValueError(f"Stream: expected sizes above 0, got inputs={inputs}, states={states}, tokens={tokens}.")
        self.arrays = []
        self.plan.steps, self.plan.inputs, self.plan.states, self.plan.tokens = self.steps, inputs, states, tokens
        self.begins[0], self.widths[0], self.value_count = STREAM_INPUT, inputs, 1

    @property
    def tokens(self) -> int:
        return self.plan.tokens

    def __dealloc__(self):
        PyMem_RawFree(self.memory.whole)
        PyMem_RawFree(self.slots.whole)

    # --- its layers ---------------------------------------------------------------------------------

    cdef StreamStep *append(self, int kind, int value, Py_ssize_t outputs, int mask, int made=-1) except NULL:
        """A step that reads a value, and makes a new one or adds to the one `made`."""
        cdef StreamStep *step
        if self.ended or self.plan.count == MAX_STEPS:
            raise ValueError(f"Stream: expected at most {MAX_STEPS} steps, and none after its end.")
        if not 0 <= value < self.value_count or not -1 <= mask < self.plan.masks or outputs <= 0:
            raise ValueError(f"Stream: there is no value {value}, no mask {mask} or nothing to put out.")
        if (kind == STREAM_EMBEDDING) != (value == 0 and self.plan.tokens > 0):
            raise ValueError("Stream: an embedding reads the numbers of words, and nothing else does.")
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

    def add_sum(self, list values) -> int:
        """The sum of values of one size."""
        cdef int made = self.value_count, kind = STREAM_CONCATENATION
        for value in values:
            if self.widths[self.checked(value)] != self.widths[self.checked(values[0])]:
                raise ValueError("Stream: what is added up must be of one size.")
            self.append(kind, value, self.widths[<int>value], -1, -1 if kind == STREAM_CONCATENATION else made)
            kind = STREAM_SUM
        return self.made()

    cdef int checked(self, int value) except -1:
        if not 0 <= value < self.value_count:
            raise ValueError(f"Stream: there is no value {value}.")
        return value

    def end(self, int value) -> None:
        """Which value is the answer: not the input itself."""
        cdef int index
        cdef Py_ssize_t begin
        if self.ended or self.checked(value) == 0:
            raise ValueError(f"Stream: value {value} is the input, or there was an end before.")
        begin = self.begins[value]
        for index in range(self.plan.count):
            if self.steps[index].input == begin:
                self.steps[index].input = STREAM_ANSWER
            if self.steps[index].output == begin:
                self.steps[index].output = STREAM_ANSWER
        self.plan.outputs, self.ended = self.widths[value], True
        self.stream = fastgru_stream(
            FASTGRU_STREAM_VERSION, sizeof(real), self.plan.inputs, self.plan.outputs, self.plan.states,
            kernels.stream_memory(&self.plan, 1), self.plan.tokens, c_step, &self.plan,
        )

    # --- its steps ----------------------------------------------------------------------------------

    def bind(
        self, ndarray states not None, ndarray ids not None, ndarray in_use not None, ndarray last_steps not None,
        ttl, clock,
    ) -> None:
        """The sessions that it steps: states (capacity, states), and what `fastgru.streaming.slots.Slots` has."""
        cdef Py_ssize_t capacity = size_of(states, 0)
        matrix_into(states, "states", capacity, self.plan.states)
        vector(ids, "ids", NPY_INT64, False, capacity)
        vector(in_use, "in_use", NPY_BOOL, True, capacity)
        vector(last_steps, "last_steps", NPY_DOUBLE, True, capacity)
        self.ttl, self.clock = -1 if ttl is None else ttl, clock
        self.states, self.ids, self.in_use, self.last_steps = states, ids, in_use, last_steps

    cdef Py_ssize_t row_bytes(self) noexcept:
        """Of a step's input."""
        return sizeof(long long) if self.plan.tokens else self.plan.inputs * sizeof(real)

    cdef int take_input(self, StreamRun *run, object x, Py_ssize_t k) except -1:
        """Whether x is k sessions' input of one step or more, as the kernels read it; the axes that say so."""
        cdef ndarray array
        cdef int axes, type = NPY_INT64 if self.plan.tokens else REAL_TYPE
        cdef Py_ssize_t i
        if not isinstance(x, ndarray):
            return 0
        array = x
        axes = PyArray_NDIM(array) + (self.plan.tokens > 0)
        if PyArray_TYPE(array) != type or not PyArray_ISCARRAY_RO(array) or not 2 <= axes <= 3:
            return 0
        run.k, run.n = PyArray_DIM(array, 0), PyArray_DIM(array, 1) if axes == 3 else 1
        if run.k != k or (not self.plan.tokens and PyArray_DIM(array, axes - 1) != self.plan.inputs):
            return 0
        run.x = <const char *>PyArray_DATA(array)
        if self.plan.tokens:
            for i in range(run.k * run.n):
                if not 0 <= (<const long long *>run.x)[i] < self.plan.tokens:
                    return 0
        return axes - 1

    cdef ndarray take_output(self, StreamRun *run, int axes, object out):
        """Where the answer goes: `out`, a new array for None; None where `out` will not do."""
        cdef npy_intp[3] shape
        cdef ndarray array
        cdef Py_ssize_t input_bytes = run.k * run.n * self.row_bytes(), output_bytes
        cdef const char *y
        shape[0], shape[1], shape[axes] = run.k, run.n, self.plan.outputs
        if out is None:
            array = PyArray_EMPTY(axes + 1, shape, REAL_TYPE, 0)
        elif isinstance(out, ndarray):
            array = out
            if PyArray_TYPE(array) != REAL_TYPE or not PyArray_ISCARRAY(array) or PyArray_NDIM(array) != axes + 1:
                return None
            for axis in range(axes + 1):
                if PyArray_DIM(array, axis) != shape[axis]:
                    return None
        else:
            return None
        y, output_bytes = <const char *>PyArray_DATA(array), run.k * run.n * self.plan.outputs * sizeof(real)
        if y < run.x + input_bytes and run.x < y + output_bytes:
            return None
        run.y = <real *>y
        return array

    cdef bint look_up(self, object ids, Py_ssize_t k, double now) except -1:
        """Whether these are sessions that nobody else steps, each of them once; their slots."""
        cdef long long *slots
        cdef const long long *open_ids = <const long long *>PyArray_DATA(self.ids)
        cdef unsigned char *in_use = <unsigned char *>PyArray_DATA(self.in_use)
        cdef double *last_steps = <double *>PyArray_DATA(self.last_steps)
        cdef Py_ssize_t i, marked = 0, capacity = PyArray_DIM(self.ids, 0)
        cdef long long one, slot
        grow(&self.slots, k * sizeof(long long) // sizeof(real))
        slots = <long long *>self.slots.numbers
        for i in range(k):
            one = id_of(ids, i)
            slot = one & SLOT
            if one < 0 or slot >= capacity or open_ids[slot] != one or in_use[slot]:
                break
            if self.ttl >= 0 and now - last_steps[slot] > self.ttl:
                break
            slots[i], in_use[slot], marked = slot, 1, i + 1
        for i in range(marked):  # the GIL is held until the step is done: the marks are against an id that comes twice
            in_use[slots[i]] = 0
        if marked == k and self.ttl >= 0:
            for i in range(k):
                last_steps[slots[i]] = now
        return marked == k

    def step(self, ids, x, out=None):
        """The step of sessions, where all of it is as C takes it and not much: `out`, or a new array for None.

        None where ids, x and out are not what they should be, or have other types than the kernels', and where so much
        is to be done that others should run beside it: nothing has happened then.

        ids : an int, a list of ints or (k,) int64, of sessions that nobody else steps
        x : (k, inputs) or (k, n, inputs), or (k,) or (k, n) int64 of words
        out : (k, outputs) or (k, n, outputs)
        """
        cdef StreamRun run
        cdef Py_ssize_t k = count_of(ids)
        cdef int axes
        cdef double now = 0
        cdef ndarray answer
        if k <= 0 or self.states is None or not self.ended:
            return None
        if self.ttl >= 0:
            now = self.clock()
        axes = self.take_input(&run, x, k)
        if axes == 0 or run.n == 0 or run.k * run.n > KEPT_WORK // self.plan.work:
            return None
        answer = self.take_output(&run, axes, out)
        if answer is None or not self.look_up(ids, k, now):
            return None
        run.plan, run.slots = &self.plan, <long long *>self.slots.numbers
        run.states = <real *>PyArray_DATA(self.states)
        grow(&self.memory, kernels.stream_cut(&run, 1))
        run.memory = self.memory.numbers
        kernels.stream(&run, 1)
        return answer

    def run(self, ndarray slots not None, ndarray x not None, ndarray y not None, int threads) -> None:
        """The steps of sessions that the caller has claimed: slots (k,), x (k, n, inputs) or (k, n), y (k, n, outputs).
        Others run beside it."""
        cdef StreamRun run
        cdef Memory memory = Memory(NULL, NULL, 0)
        cdef Py_ssize_t i, k = size_of(slots, 0)
        if self.states is None or not self.ended:
            raise ValueError("Stream: it has no end, or is bound to no sessions.")
        run.slots = <const long long *>vector(slots, "slots", NPY_INT64, False, k)
        for i in range(k):
            if not 0 <= run.slots[i] < PyArray_DIM(self.states, 0):
                raise ValueError(f"Stream: there is no slot {run.slots[i]}.")
        if k == 0 or self.take_input(&run, x, k) != 2 or run.n == 0 or self.take_output(&run, 2, y) is None:
            raise ValueError(
                f"Stream: inputs of shape {(<object>x).shape} of {x.dtype} or answers of shape {(<object>y).shape} of "
                f"{y.dtype} are not those of {k} sessions."
            )
        run.plan, run.states = &self.plan, <real *>PyArray_DATA(self.states)
        try:
            grow(&memory, kernels.stream_cut(&run, threads))
            run.memory = memory.numbers
            with nogil:
                kernels.stream(&run, threads)
        finally:
            PyMem_RawFree(memory.whole)

    def capsule(self):
        """The plan as C steps it: a `fastgru_stream` of fastgru_stream.h, which keeps it alive."""
        if not self.ended:
            raise ValueError("Stream: it has no end.")
        capsule = PyCapsule_New(&self.stream, FASTGRU_STREAM_CAPSULE, release_stream)
        PyCapsule_SetContext(capsule, <void *>self)
        Py_INCREF(self)
        return capsule
