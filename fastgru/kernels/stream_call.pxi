# The steps of plans (stream_plan_call.pxi), from Python and from C.

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

cdef long long SLOT = 0xFFFFFFFF  # the part of an id that is its slot


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


cdef class Stream(StreamLayers):
    """A plan that steps: the sessions that it is bound to, or, in C, whatever states it is handed."""
    cdef Memory memory, slots
    cdef ndarray states, ids, in_use, last_steps
    cdef object clock
    cdef double ttl
    cdef fastgru_stream stream

    def __dealloc__(self):
        PyMem_RawFree(self.memory.whole)
        PyMem_RawFree(self.slots.whole)

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
        cdef Py_ssize_t k
        cdef int axes
        cdef double now = 0
        cdef ndarray answer
        if self.states is None or not self.ended:
            return None
        if self.ttl >= 0:
            now = self.clock()  # which may be Python, during which other threads may change ids and x: first of all
        k = count_of(ids)
        if k <= 0:
            return None
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
        self.stream = fastgru_stream(
            FASTGRU_STREAM_VERSION, sizeof(real), self.plan.inputs, self.plan.outputs, self.plan.states,
            kernels.stream_memory(&self.plan, 1), self.plan.tokens, c_step, &self.plan,
        )
        capsule = PyCapsule_New(&self.stream, FASTGRU_STREAM_CAPSULE, release_stream)
        PyCapsule_SetContext(capsule, <void *>self)
        Py_INCREF(self)
        return capsule
