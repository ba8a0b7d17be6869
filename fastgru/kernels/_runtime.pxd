cdef enum:  # pool.h says these, too, and is asked in _runtime.pyx whether it still does
    MEMBERS_AT_MOST = 16
    MEETING_NUMBERS = (MEMBERS_AT_MOST + 2) * 32

ctypedef void (*task_function)(void *context, int index) noexcept nogil

cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil
cdef void run_together(task_function task, void *context, int threads, int *members) noexcept nogil
cdef void meet(int *arrivals, int member, int members, int count) noexcept nogil
