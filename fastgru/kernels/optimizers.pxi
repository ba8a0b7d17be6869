# The optimizers' updates, each one pass over flat arrays of all parameters. Every update first shrinks the weights:
# w -= decay w, with decay = weight_decay * learning_rate. The new weights go to another array, so that who reads the
# old ones meanwhile is not disturbed. Denormals count as zero: what an optimizer remembers of gradients that have become
# zero, as of the words of an embedding that no longer occur, decays into them and would stay there.

from libc.math cimport pow, sqrt
from libc.stdint cimport uint64_t

cdef extern from "vector_math.h" nogil:
    real vm_sqrt(real x)
    real vm_abs(real x)

cdef extern from "denormals.h" nogil:
    uint64_t flush_denormals()
    void restore_denormals(uint64_t before)

cdef enum:
    UPDATE_BLOCK = 32768  # numbers in one task: some 10 us of work, fewer are not worth waking a thread for
    UPDATE_PIECE = 1024   # numbers that an update with intermediate results takes at a time


cdef inline real *behind(real *numbers, Py_ssize_t n) noexcept nogil:
    return numbers + n if numbers else NULL


# --- the rules, each on n numbers -------------------------------------------------------------------------------------


cdef void sgd(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    if not m:
        # w -= rate g
        for i in range(n):
            u[i] = w[i] - w[i] * p.decay - p.rate * g[i]
    elif p.nesterov:
        # m = momentum m - rate g;  w += momentum m - rate g
        for i in range(n):
            m[i] = p.momentum * m[i] - p.rate * g[i]
            u[i] = w[i] - w[i] * p.decay + (p.momentum * m[i] - p.rate * g[i])
    else:
        # m = momentum m - rate g;  w += m
        for i in range(n):
            m[i] = p.momentum * m[i] - p.rate * g[i]
            u[i] = w[i] - w[i] * p.decay + m[i]


cdef void rmsprop_piece(
    Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a
) noexcept nogil:
    cdef Py_ssize_t i
    cdef real[UPDATE_PIECE] step
    # v = rho v + (1 - rho) g^2;  step = rate g / sqrt(v + epsilon)
    if a:
        # a = rho a + (1 - rho) g;  step = rate g / sqrt(v - a^2 + epsilon)
        for i in range(n):
            v[i] = p.rho * v[i] + p.rest_1 * (g[i] * g[i])
            a[i] = p.rho * a[i] + p.rest_1 * g[i]
            step[i] = p.rate * g[i] / vm_sqrt(v[i] - a[i] * a[i] + p.epsilon)
    else:
        for i in range(n):
            v[i] = p.rho * v[i] + p.rest_1 * (g[i] * g[i])
            step[i] = p.rate * g[i] / vm_sqrt(v[i] + p.epsilon)
    # m = momentum m + step;  w -= m
    if m:
        for i in range(n):
            m[i] = p.momentum * m[i] + step[i]
            step[i] = m[i]
    for i in range(n):
        u[i] = w[i] - w[i] * p.decay - step[i]


cdef void rmsprop(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    while n > 0:
        rmsprop_piece(p, min(UPDATE_PIECE, n), w, u, g, m, v, a)
        w, u, g, v = w + UPDATE_PIECE, u + UPDATE_PIECE, g + UPDATE_PIECE, v + UPDATE_PIECE
        m, a = behind(m, UPDATE_PIECE), behind(a, UPDATE_PIECE)
        n -= UPDATE_PIECE


cdef void adam(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    cdef real largest
    # m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v);  w -= rate m / (sqrt(v) + epsilon)
    if a:
        # a = max(a, v) in the place of v
        for i in range(n):
            m[i] = m[i] + (g[i] - m[i]) * p.rest_1
            v[i] = v[i] + (g[i] * g[i] - v[i]) * p.rest_2
            largest = v[i] if v[i] > a[i] else a[i]
            a[i] = largest
            u[i] = w[i] - w[i] * p.decay - p.rate * m[i] / (vm_sqrt(largest) + p.epsilon)
    else:
        for i in range(n):
            m[i] = m[i] + (g[i] - m[i]) * p.rest_1
            v[i] = v[i] + (g[i] * g[i] - v[i]) * p.rest_2
            u[i] = w[i] - w[i] * p.decay - p.rate * m[i] / (vm_sqrt(v[i]) + p.epsilon)


cdef void adamax(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    cdef real before, largest
    # m += (1 - beta_1) (g - m);  v = max(beta_2 v, |g|);  w -= rate m / (v + epsilon)
    for i in range(n):
        m[i] = m[i] + (g[i] - m[i]) * p.rest_1
        before = p.beta_2 * v[i]
        largest = before if before > vm_abs(g[i]) else vm_abs(g[i])
        v[i] = largest
        u[i] = w[i] - w[i] * p.decay - p.rate * m[i] / (largest + p.epsilon)


cdef void nadam(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    # m and v as Adam's;  w -= (rate m + gradient_rate g) / (sqrt(correction v) + epsilon)
    for i in range(n):
        m[i] = m[i] + (g[i] - m[i]) * p.rest_1
        v[i] = v[i] + (g[i] * g[i] - v[i]) * p.rest_2
        u[i] = w[i] - w[i] * p.decay - (
            (p.rate * m[i] + p.gradient_rate * g[i]) / (vm_sqrt(p.correction * v[i]) + p.epsilon)
        )


cdef void lamb(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    # m and v as Adam's;  the direction, in the place of w: rate m / (sqrt(correction v) + epsilon)
    for i in range(n):
        m[i] = m[i] + (g[i] - m[i]) * p.rest_1
        v[i] = v[i] + (g[i] * g[i] - v[i]) * p.rest_2
        u[i] = p.rate * m[i] / (vm_sqrt(p.correction * v[i]) + p.epsilon)


cdef void schedule_free(
    Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a
) noexcept nogil:
    cdef Py_ssize_t i
    cdef real x, z
    # v as Adam's;  x = (w - (1 - beta_1) m) / beta_1;  m -= rate g / (sqrt(correction v) + epsilon)
    # w = beta_1 (x + share (m - x)) + (1 - beta_1) m
    for i in range(n):
        v[i] = v[i] + (g[i] * g[i] - v[i]) * p.rest_2
        x = (w[i] - w[i] * p.decay - p.rest_1 * m[i]) / p.beta_1
        z = m[i] - p.rate * g[i] / (vm_sqrt(p.correction * v[i]) + p.epsilon)
        m[i] = z
        u[i] = p.beta_1 * (x + p.share * (z - x)) + p.rest_1 * z


cdef void adagrad(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    # v += g^2;  w -= rate g / sqrt(v + epsilon)
    for i in range(n):
        v[i] = v[i] + g[i] * g[i]
        u[i] = w[i] - w[i] * p.decay - p.rate * g[i] / vm_sqrt(v[i] + p.epsilon)


cdef void adadelta(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    cdef real step
    # v = rho v + (1 - rho) g^2;  step = g sqrt(m + epsilon) / sqrt(v + epsilon);  m = rho m + (1 - rho) step^2
    for i in range(n):
        v[i] = p.rho * v[i] + p.rest_1 * (g[i] * g[i])
        step = vm_sqrt(m[i] + p.epsilon) * g[i] / vm_sqrt(v[i] + p.epsilon)
        m[i] = p.rho * m[i] + p.rest_1 * (step * step)
        u[i] = w[i] - w[i] * p.decay - p.rate * step


cdef void lion(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    cdef real mean
    # w -= rate sign(beta_1 m + (1 - beta_1) g);  m = beta_2 m + (1 - beta_2) g
    for i in range(n):
        mean = p.beta_1 * m[i] + p.rest_1 * g[i]
        u[i] = w[i] - w[i] * p.decay - p.rate * (1 if mean > 0 else -1 if mean < 0 else mean)
        m[i] = p.beta_2 * m[i] + p.rest_2 * g[i]


cdef inline real ftrl_number(Update p, real w, real g, real *m, real before, real after) noexcept nogil:
    """The new weight; before and after are v^power and v'^power."""
    # m += g + 2 shrinkage w - (v'^power - v^power) / rate w;  w = (clip(m, -l1, l1) - m) / (v'^power / rate + 2 l2)
    m[0] = m[0] + (g + 2 * p.shrinkage * w - (after - before) / p.rate * w)
    return (clip(m[0], -p.l1, p.l1) - m[0]) / (after / p.rate + 2 * p.l2)


cdef void ftrl(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    cdef real before, after
    # v' = v + g^2
    if p.power == 0.5:
        for i in range(n):
            before = vm_sqrt(v[i])
            v[i] = v[i] + g[i] * g[i]
            u[i] = ftrl_number(p, w[i] - w[i] * p.decay, g[i], m + i, before, vm_sqrt(v[i]))
    else:
        for i in range(n):
            before = <real>pow(v[i], p.power)
            v[i] = v[i] + g[i] * g[i]
            after = <real>pow(v[i], p.power)
            u[i] = ftrl_number(p, w[i] - w[i] * p.decay, g[i], m + i, before, after)


cdef void muon(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    # m = momentum m + g;  the direction, in the place of w: m, or Nesterov's g + momentum m
    for i in range(n):
        m[i] = p.momentum * m[i] + g[i]
        u[i] = g[i] + p.momentum * m[i] if p.nesterov else m[i]


cdef void average(Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a) noexcept nogil:
    cdef Py_ssize_t i
    # no update of weights but of their running mean, which is updated in place: u = rho u + (1 - rho) w
    for i in range(n):
        u[i] = p.rho * u[i] + p.rest_1 * w[i]


cdef Rule[RULE_COUNT] RULES = [
    Rule("sgd", sgd, 0),
    Rule("rmsprop", rmsprop, NEEDS_V),
    Rule("adam", adam, NEEDS_M | NEEDS_V),
    Rule("adamax", adamax, NEEDS_M | NEEDS_V),
    Rule("nadam", nadam, NEEDS_M | NEEDS_V),
    Rule("lamb", lamb, NEEDS_M | NEEDS_V),
    Rule("schedule_free", schedule_free, NEEDS_M | NEEDS_V),
    Rule("adagrad", adagrad, NEEDS_V),
    Rule("adadelta", adadelta, NEEDS_M | NEEDS_V),
    Rule("lion", lion, NEEDS_M),
    Rule("ftrl", ftrl, NEEDS_M | NEEDS_V),
    Rule("muon", muon, NEEDS_M),
    Rule("average", average, 0),
]


# --- a pass -----------------------------------------------------------------------------------------------------------


cdef void update_block(void *context, int block) noexcept nogil:
    cdef Update *p = <Update *>context
    cdef Py_ssize_t first = block * <Py_ssize_t>UPDATE_BLOCK
    cdef uint64_t before = flush_denormals()
    # by its address: no compiler takes a part of it out from in between
    p.rule(
        p[0], min(UPDATE_BLOCK, p.size - first), p.w + first, p.u + first, p.g + first,
        behind(p.m, first), behind(p.v, first), behind(p.a, first),
    )
    restore_denormals(before)


cdef void update(Update *p, int threads) noexcept nogil:
    run_tasks(update_block, p, <int>ceil_div(p.size, UPDATE_BLOCK), threads)
