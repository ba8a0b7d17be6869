ctypedef void (*task_function)(void *context, int index) noexcept nogil

cdef void run_tasks(task_function task, void *context, int n, int threads) noexcept nogil
cdef void run_together(task_function task, void *context, int threads, int *members) noexcept nogil
cdef void meet(int *arrivals, int expected) noexcept nogil
