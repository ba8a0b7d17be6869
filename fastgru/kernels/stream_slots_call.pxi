# The sessions of a model that goes step by step: their ids and states, and which of them a call is at work on.
#
# What is done here is done from beginning to end while the GIL is held, without an instruction of Python in between:
# neither another thread nor the handler of a signal finds a table that is half changed, and so there is no lock. What
# may run Python (arrays of ids, the clock, lists) comes before the table is looked at.

from numpy import asarray as _asarray

from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from numpy cimport NPY_BOOL, PyArray_EMPTY, PyArray_ZEROS, npy_intp

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow)
    bint PyLong_CheckExact(object value)

cdef long long SLOT = 0xFFFFFFFF                # the part of an id that is its slot
cdef long long GENERATION = 0x100000000
cdef long long LAST_GENERATION = 0x7FFFFFFF     # of a slot, which then stays empty: an id is never given out twice


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


def _as_ids(ids, str where):
    """(k,) int64."""
    array = _asarray(ids)
    if array.ndim == 0:
        array = array[None]
    if array.size == 0:
        array = array.astype("int64")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"{where}: expected ids as `open` gave them, one or a list of them, got {ids!r}.")
    return array.astype("int64", order="C", copy=False)


cdef class Slots:
    """The table of sessions.

    capacity : how many there are at most
    numbers : that a session keeps
    ttl : seconds without a step after which a session expires, or None
    clock : what tells the seconds; it is asked where there is a `ttl`

    states : (capacity, numbers)
    ids : (capacity,) int64, the id of the session in each slot, which has the slot's number in its lower half; where
        there is none, ~ of the last (negative, so that no id equals it): to look one up is an index and a comparison
    in_use : (capacity,) bool, whether a call of Python is at work on the session
    last_steps : (capacity,) float64, when it was opened, or made its last step, by the clock
    """
    cdef readonly ndarray states, ids, in_use, last_steps
    cdef readonly object ttl
    cdef object clock, __weakref__
    cdef ndarray free                            # slots: a ring, so that one rests for as long as it can
    cdef Py_ssize_t first_free, free_count
    cdef Py_ssize_t capacity, numbers
    cdef long long *id_at
    cdef unsigned char *is_used
    cdef double *stepped_at
    cdef real *state_at
    cdef double seconds

    def __cinit__(self, Py_ssize_t capacity, Py_ssize_t numbers, ttl, clock):
        cdef Py_ssize_t slot
        cdef npy_intp[2] shape
        shape[0], shape[1] = capacity, numbers
        self.states, self.ids = PyArray_ZEROS(2, shape, REAL_TYPE, 0), PyArray_EMPTY(1, shape, NPY_INT64, 0)
        self.in_use, self.last_steps = PyArray_ZEROS(1, shape, NPY_BOOL, 0), PyArray_ZEROS(1, shape, NPY_DOUBLE, 0)
        self.free = PyArray_EMPTY(1, shape, NPY_INT64, 0)
        self.id_at, self.state_at = <long long *>PyArray_DATA(self.ids), <real *>PyArray_DATA(self.states)
        self.is_used = <unsigned char *>PyArray_DATA(self.in_use)
        self.stepped_at = <double *>PyArray_DATA(self.last_steps)
        self.capacity, self.numbers, self.clock = capacity, numbers, clock
        self.ttl, self.seconds = ttl, -1 if ttl is None else ttl
        for slot in range(capacity):
            self.id_at[slot] = ~slot
            self.put_free(slot)

    def count(self) -> int:
        """How many are open."""
        cdef Py_ssize_t slot, count = 0
        cdef double now = self.now()
        for slot in range(self.capacity):
            count += self.id_at[slot] >= 0 and (self.is_used[slot] or not self.is_late(slot, now))
        return count

    def open(self) -> int:
        """The id of a new session at its beginning."""
        cdef double now = self.now()
        self.need(1, now)
        return self.begin(NULL, now)

    def open_from(self, ndarray states not None) -> list[int]:
        """The ids of new sessions with these states (k, numbers)."""
        cdef Py_ssize_t i, k = size_of(states, 0)
        cdef const real *rows = matrix_of(states, "states", k, self.numbers)
        cdef double now = self.now()
        cdef list ids = []
        self.need(k, now)
        for i in range(k):
            ids.append(self.begin(rows + i * self.numbers, now))
        return ids

    def close(self, ids) -> None:
        """Their ids are nobody's any more."""
        cdef Py_ssize_t i
        cdef ndarray slots = self.claim(ids, "Sessions.close")
        for i in range(PyArray_DIM(slots, 0)):
            self.end((<long long *>PyArray_DATA(slots))[i])
        self.use(slots, False)

    def reset(self, ids) -> None:
        """Their states are zeros again."""
        cdef Py_ssize_t i
        cdef ndarray slots = self.claim(ids, "Sessions.reset")
        for i in range(PyArray_DIM(slots, 0)):
            memset(self.state_of((<long long *>PyArray_DATA(slots))[i]), 0, self.numbers * sizeof(real))
        self.use(slots, False)

    def read(self, ids, str where) -> ndarray:
        """Their states (k, numbers)."""
        cdef Py_ssize_t i
        cdef npy_intp[2] shape
        cdef ndarray states, slots = self.claim(ids, where)
        shape[0], shape[1] = PyArray_DIM(slots, 0), self.numbers
        try:
            states = PyArray_EMPTY(2, shape, REAL_TYPE, 0)
            for i in range(shape[0]):
                memcpy(
                    <real *>PyArray_DATA(states) + i * self.numbers,
                    self.state_of((<long long *>PyArray_DATA(slots))[i]), self.numbers * sizeof(real),
                )
        finally:
            self.use(slots, False)
        return states

    def hold(self, ids, work):
        """What `work(slots)` answers, which makes a step of these sessions (k,); no other call can have them meanwhile.

        However it ends, by an interrupt, too, the sessions are free again.
        """
        cdef double now = 0
        cdef Py_ssize_t i
        cdef ndarray slots = self.claim(ids, "Sessions.step")
        try:
            answer = work(slots)
            now = self.now()
            for i in range(PyArray_DIM(slots, 0)):
                self.stepped_at[(<long long *>PyArray_DATA(slots))[i]] = now
        finally:
            self.use(slots, False)
        return answer

    cdef double now(self) except *:
        return self.clock() if self.seconds >= 0 else 0

    cdef inline real *state_of(self, Py_ssize_t slot) noexcept:
        return self.state_at + slot * self.numbers

    cdef inline bint is_late(self, Py_ssize_t slot, double now) noexcept:
        return self.seconds >= 0 and now - self.stepped_at[slot] > self.seconds

    cdef void put_free(self, Py_ssize_t slot) noexcept:
        (<long long *>PyArray_DATA(self.free))[(self.first_free + self.free_count) % self.capacity] = slot
        self.free_count += 1

    cdef int need(self, Py_ssize_t count, double now) except -1:
        """See that so many slots are free, those of expired sessions, too."""
        cdef Py_ssize_t slot
        if count > self.free_count and self.seconds >= 0:
            for slot in range(self.capacity):
                if self.id_at[slot] >= 0 and not self.is_used[slot] and self.is_late(slot, now):
                    self.end(slot)
        if count > self.free_count:
            raise RuntimeError(
                f"Sessions: {self.free_count} of the {self.capacity} slots are free and {count} asked for; close some "
                "sessions, or make more capacity."
            )
        return 0

    cdef long long begin(self, const real *state, double now) noexcept:
        """The id of a new session in a free slot, with this state, or zeros for NULL."""
        cdef Py_ssize_t slot = (<long long *>PyArray_DATA(self.free))[self.first_free]
        self.first_free, self.free_count = (self.first_free + 1) % self.capacity, self.free_count - 1
        self.id_at[slot] = ~self.id_at[slot] + GENERATION
        self.stepped_at[slot] = now
        if state:
            memcpy(self.state_of(slot), state, self.numbers * sizeof(real))
        else:
            memset(self.state_of(slot), 0, self.numbers * sizeof(real))
        return self.id_at[slot]

    cdef void end(self, Py_ssize_t slot) noexcept:
        if self.id_at[slot] >> 32 < LAST_GENERATION:
            self.put_free(slot)
        self.id_at[slot] = ~self.id_at[slot]

    cdef void use(self, ndarray slots, bint is_used) noexcept:
        cdef Py_ssize_t i
        for i in range(PyArray_DIM(slots, 0)):
            self.is_used[(<long long *>PyArray_DATA(slots))[i]] = is_used

    cdef Py_ssize_t look_up(self, object ids, Py_ssize_t k, double now, long long *slots) noexcept:
        """The slots (k,) of ids that `count_of` has counted; how many there are before the first that cannot be had."""
        cdef Py_ssize_t i = 0, j
        cdef long long one, slot
        while i < k:
            one = id_of(ids, i)
            slot = one & SLOT
            if one < 0 or slot >= self.capacity or self.id_at[slot] != one or self.is_used[slot]:
                break
            if self.is_late(slot, now):
                break
            slots[i], self.is_used[slot] = slot, True  # so that one that comes twice is not had twice
            i += 1
        for j in range(i):
            self.is_used[slots[j]] = False
        return i

    cdef ndarray claim(self, object ids, str where):
        """The slots (k,) int64 of sessions that can be had, each once, and by nobody else until `use` says so."""
        cdef ndarray asked = _as_ids(ids, where)
        cdef double now = self.now()
        cdef npy_intp k = PyArray_DIM(asked, 0)
        cdef ndarray slots = PyArray_EMPTY(1, &k, NPY_INT64, 0)
        cdef Py_ssize_t count = self.look_up(asked, k, now, <long long *>PyArray_DATA(slots))
        if count < k:
            raise ValueError(f"{where}: {self.refusal((<const long long *>PyArray_DATA(asked))[count], now)}.")
        self.use(slots, True)
        return slots

    cdef str refusal(self, long long one, double now):
        """Why a session cannot be had."""
        cdef long long slot = one & SLOT, latest = -1
        if 0 <= one and slot < self.capacity:
            latest = self.id_at[slot] if self.id_at[slot] >= 0 else ~self.id_at[slot]
        if not SLOT < one <= latest:
            return f"there is no session {one}; `open` gives ids out"
        if self.id_at[slot] != one:
            return f"session {one} was closed, or has expired; open a new one"
        if self.is_used[slot]:
            return f"session {one} is in use by another call"
        if self.is_late(slot, now):
            return f"session {one} has expired: it made no step for more than {self.ttl:g} seconds; open a new one"
        return f"session {one} stands there twice; name each once"
