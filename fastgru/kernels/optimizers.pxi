# The optimizers' updates, each one pass over flat arrays of all parameters. Every update first shrinks the weights:
# w -= decay w, with decay = weight_decay * learning_rate. The new weights go to another array, so that who reads the old
# ones meanwhile is not disturbed. Denormals count as zero: what an optimizer remembers of gradients that have become
# zero, as of the words of an embedding that no longer occur, decays into them and would stay there.

from libc.stdint cimport uint64_t

cdef extern from "vector_math.h" nogil:
    real vm_sqrt(real x)

cdef extern from "denormals.h" nogil:
    uint64_t flush_denormals()
    void restore_denormals(uint64_t before)

cdef enum:
    UPDATE_BLOCK = 32768  # numbers in one task: some 10 us of work, fewer are not worth waking a thread for
    UPDATE_PIECE = 1024   # numbers that an update with intermediate results takes at a time


cdef void sgd_block(void *context, int block) noexcept nogil:
    cdef Update *p = <Update *>context
    cdef Py_ssize_t i, first = block * <Py_ssize_t>UPDATE_BLOCK, n = min(UPDATE_BLOCK, p.size - first)
    cdef const real *w = p.w + first
    cdef real *u = p.u + first
    cdef real *m = p.m + first if p.m else NULL
    cdef const real *g = p.g + first
    cdef real decay = p.decay, rate = p.rate, momentum = p.momentum
    if not m:
        # w -= rate g
        for i in range(n):
            u[i] = w[i] - w[i] * decay - rate * g[i]
    elif p.nesterov:
        # m = momentum m - rate g;  w += momentum m - rate g
        for i in range(n):
            m[i] = momentum * m[i] - rate * g[i]
            u[i] = w[i] - w[i] * decay + (momentum * m[i] - rate * g[i])
    else:
        # m = momentum m - rate g;  w += m
        for i in range(n):
            m[i] = momentum * m[i] - rate * g[i]
            u[i] = w[i] - w[i] * decay + m[i]


cdef void rmsprop_piece(const Update *p, Py_ssize_t first, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef const real *w = p.w + first
    cdef real *u = p.u + first
    cdef real *m = p.m + first if p.m else NULL
    cdef real *v = p.v + first
    cdef real *a = p.a + first if p.a else NULL
    cdef const real *g = p.g + first
    cdef real decay = p.decay, rate = p.rate, momentum = p.momentum, rho = p.rho, rest = p.rest_1, epsilon = p.epsilon
    cdef real[UPDATE_PIECE] step
    # v = rho v + (1 - rho) g^2;  step = rate g / sqrt(v + epsilon)
    if a:
        # a = rho a + (1 - rho) g;  step = rate g / sqrt(v - a^2 + epsilon)
        for i in range(n):
            v[i] = rho * v[i] + rest * (g[i] * g[i])
            a[i] = rho * a[i] + rest * g[i]
            step[i] = rate * g[i] / vm_sqrt(v[i] - a[i] * a[i] + epsilon)
    else:
        for i in range(n):
            v[i] = rho * v[i] + rest * (g[i] * g[i])
            step[i] = rate * g[i] / vm_sqrt(v[i] + epsilon)
    # m = momentum m + step;  w -= m
    if m:
        for i in range(n):
            m[i] = momentum * m[i] + step[i]
            step[i] = m[i]
    for i in range(n):
        u[i] = w[i] - w[i] * decay - step[i]


cdef void rmsprop_block(void *context, int block) noexcept nogil:
    cdef Update *p = <Update *>context
    cdef Py_ssize_t first = block * <Py_ssize_t>UPDATE_BLOCK, last = first + min(UPDATE_BLOCK, p.size - first)
    while first < last:
        rmsprop_piece(p, first, min(UPDATE_PIECE, last - first))
        first += UPDATE_PIECE


cdef void adam_block(void *context, int block) noexcept nogil:
    cdef Update *p = <Update *>context
    cdef Py_ssize_t i, first = block * <Py_ssize_t>UPDATE_BLOCK, n = min(UPDATE_BLOCK, p.size - first)
    cdef const real *w = p.w + first
    cdef real *u = p.u + first
    cdef real *m = p.m + first
    cdef real *v = p.v + first
    cdef real *a = p.a + first if p.a else NULL
    cdef const real *g = p.g + first
    cdef real decay = p.decay, rate = p.rate, rest_1 = p.rest_1, rest_2 = p.rest_2, epsilon = p.epsilon
    # m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v);  w -= rate m / (sqrt(v) + epsilon)
    if a:
        # a = max(a, v) in the place of v
        for i in range(n):
            m[i] = m[i] + (g[i] - m[i]) * rest_1
            v[i] = v[i] + (g[i] * g[i] - v[i]) * rest_2
            a[i] = v[i] if v[i] > a[i] else a[i]
            u[i] = w[i] - w[i] * decay - rate * m[i] / (vm_sqrt(a[i]) + epsilon)
    else:
        for i in range(n):
            m[i] = m[i] + (g[i] - m[i]) * rest_1
            v[i] = v[i] + (g[i] * g[i] - v[i]) * rest_2
            u[i] = w[i] - w[i] * decay - rate * m[i] / (vm_sqrt(v[i]) + epsilon)


cdef void update_block(void *context, int block) noexcept nogil:
    cdef uint64_t before = flush_denormals()
    (<Update *>context).block(context, block)  # by its address: no compiler takes a part of it out from in between
    restore_denormals(before)


cdef void run_update(Update *p, task_function block, int threads) noexcept nogil:
    p.block = block
    run_tasks(update_block, p, <int>ceil_div(p.size, UPDATE_BLOCK), threads)


cdef void sgd(Update *p, int threads) noexcept nogil:
    run_update(p, sgd_block, threads)


cdef void rmsprop(Update *p, int threads) noexcept nogil:
    run_update(p, rmsprop_block, threads)


cdef void adam(Update *p, int threads) noexcept nogil:
    run_update(p, adam_block, threads)
