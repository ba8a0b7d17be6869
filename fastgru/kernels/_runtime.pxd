cdef enum:  # pool.h says these, too, and is asked in _runtime.pyx whether it still does
    TEAM_MEMBERS = 16  # at most
    BARRIER_NUMBERS = (TEAM_MEMBERS + 2) * 32

ctypedef void (*task_function)(void *context, int index) noexcept nogil

cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil
cdef void run_team(task_function task, void *context, int threads, int *members) noexcept nogil
cdef void barrier_wait(int *barrier, int member, int members, int phase) noexcept nogil
