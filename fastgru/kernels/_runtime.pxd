cdef enum:
    MEMBERS_AT_MOST = 16                         # POOL_MEMBERS
    MEETING_NUMBERS = (MEMBERS_AT_MOST + 2) * 16  # POOL_ARRIVALS

ctypedef void (*task_function)(void *context, int index) noexcept nogil

cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil
cdef void run_together(task_function task, void *context, int threads, int *members) noexcept nogil
cdef void meet(int *arrivals, int member, int members, int count) noexcept nogil
