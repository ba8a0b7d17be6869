# The steps of plans (stream_plan_call.pxi), from Python and from C.

from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_New, PyCapsule_SetContext
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uintptr_t

from fastgru.streaming.c_stream cimport FASTGRU_STREAM_CAPSULE, FASTGRU_STREAM_VERSION, fastgru_stream

cdef enum:
    KEPT_WORK = 1048576  # multiplications for which the GIL is not given away: some 50 us
    MEMORY_LINE = 64     # bytes, where memory begins


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


cdef bint can_take(object out, int axes, const npy_intp *shape) noexcept:
    """Whether it is an array of this shape, to which the kernels can write."""
    cdef int axis
    if not isinstance(out, ndarray) or PyArray_TYPE(out) != REAL_TYPE or not PyArray_ISCARRAY(out):
        return False
    if PyArray_NDIM(out) != axes:
        return False
    for axis in range(axes):
        if PyArray_DIM(out, axis) != shape[axis]:
            return False
    return True


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


cdef class Stream(StreamLayers):
    """A plan that steps: the sessions that it is bound to, or, in C, whatever states it is handed."""
    cdef Memory memory, slots
    cdef Slots sessions
    cdef fastgru_stream stream

    def __dealloc__(self):
        PyMem_RawFree(self.memory.whole)
        PyMem_RawFree(self.slots.whole)

    def bind(self, Slots sessions not None) -> None:
        """The sessions that it steps."""
        if sessions.numbers != self.plan.states:
            raise ValueError(f"Stream: a session keeps {self.plan.states} numbers here, and not {sessions.numbers}.")
        self.sessions = sessions

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

    cdef object take_output(self, StreamRun *run, int axes, object out):
        """Where the answer goes: `out`, a new array for None; None where that will not do. Of a list `y` is NULL."""
        cdef npy_intp[3] shape
        cdef Py_ssize_t i, answers = run.k * run.n * self.plan.outputs
        shape[0], shape[1], shape[axes] = run.k, run.n, self.plan.outputs
        run.y = NULL
        if isinstance(out, list):
            if PyList_GET_SIZE(out) != self.part_count:
                return None
            for i in range(self.part_count):
                shape[axes] = self.parts[i]
                if not can_take(<object>PyList_GET_ITEM(out, i), axes + 1, shape):
                    return None
            return out
        if out is None:
            out = PyArray_EMPTY(axes + 1, shape, REAL_TYPE, 0)
        elif not can_take(out, axes + 1, shape):
            return None
        run.y = <real *>PyArray_DATA(out)
        if <const char *>run.y < run.x + run.k * run.n * self.row_bytes() and run.x < <const char *>(run.y + answers):
            return None
        return out

    cdef void put_parts(self, const StreamRun *run, object out) noexcept:
        """The outputs, which stand one behind the other in the answers' rows, to an array each."""
        cdef Py_ssize_t part, width, i, column = 0
        cdef real *y
        for part in range(self.part_count):
            width, y = self.parts[part], <real *>PyArray_DATA(<object>PyList_GET_ITEM(out, part))
            for i in range(run.k * run.n):
                memcpy(y + i * width, run.y + i * self.plan.outputs + column, width * sizeof(real))
            column += width

    def step(self, ids, x, out=None):
        """The step of sessions, where all of it is as C takes it and not much: `out`, or a new array for None.

        None where ids, x and out are not what they should be, or have other types than the kernels', and where so much
        is to be done that others should run beside it: nothing has happened then.

        ids : an int, a list of ints or (k,) int64, of sessions that nobody else steps
        x : (k, inputs) or (k, n, inputs), or (k,) or (k, n) int64 of words
        out : (k, outputs) or (k, n, outputs), or a list of an array for each part of the outputs
        """
        cdef StreamRun run
        cdef Py_ssize_t i, k, answers
        cdef int axes
        cdef double now
        if self.sessions is None or not self.ended:
            return None
        now = self.sessions.now()  # which may be Python, during which others may change ids and x: first of all
        k = count_of(ids)
        if k <= 0:
            return None
        axes = self.take_input(&run, x, k)
        if axes == 0 or run.n == 0 or run.k * run.n > KEPT_WORK // self.plan.work:
            return None
        answer = self.take_output(&run, axes, out)
        if answer is None or (out is not None and run.y and self.part_count > 1):  # one array for several outputs
            return None
        grow(&self.slots, k * sizeof(long long) // sizeof(real))
        answers = 0 if run.y else pad_to_line(k * run.n * self.plan.outputs)
        grow(&self.memory, answers + kernels.stream_cut(self.on(&run, <long long *>self.slots.numbers), 1))
        if self.sessions.look_up(ids, k, now, <long long *>self.slots.numbers) < k:
            return None
        for i in range(k):
            self.sessions.stepped_at[run.slots[i]] = now
        run.memory = self.memory.numbers + answers
        if answers:
            run.y = self.memory.numbers
        kernels.stream(&run, 1)
        if answers:
            self.put_parts(&run, out)
        return answer

    cdef StreamRun *on(self, StreamRun *run, const long long *slots) noexcept:
        """A run of this plan on the sessions in these slots."""
        run.plan, run.slots, run.states = &self.plan, slots, self.sessions.state_at
        return run

    def run(self, ndarray slots not None, ndarray x not None, ndarray y not None, int threads) -> None:
        """The steps of sessions that the caller holds: slots (k,), x (k, n, inputs) or (k, n), y (k, n, outputs).
        Others run beside it."""
        cdef StreamRun run
        cdef Memory memory = Memory(NULL, NULL, 0)
        cdef Py_ssize_t i, k = size_of(slots, 0)
        if self.sessions is None or not self.ended:
            raise ValueError("Stream: it has no end, or is bound to no sessions.")
        self.on(&run, <const long long *>vector(slots, "slots", NPY_INT64, False, k))
        for i in range(k):
            if not 0 <= run.slots[i] < self.sessions.capacity:
                raise ValueError(f"Stream: there is no slot {run.slots[i]}.")
        if k == 0 or self.take_input(&run, x, k) != 2 or run.n == 0 or self.take_output(&run, 2, y) is None:
            raise ValueError(
                f"Stream: inputs of shape {(<object>x).shape} of {x.dtype} or answers of shape {(<object>y).shape} of "
                f"{y.dtype} are not those of {k} sessions."
            )
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
        self.stream = fastgru_stream(
            FASTGRU_STREAM_VERSION, sizeof(real), self.plan.inputs, self.plan.outputs, self.plan.states,
            kernels.stream_memory(&self.plan, 1), self.plan.tokens, c_step, &self.plan,
        )
        capsule = PyCapsule_New(&self.stream, FASTGRU_STREAM_CAPSULE, release_stream)
        PyCapsule_SetContext(capsule, <void *>self)
        Py_INCREF(self)
        return capsule
