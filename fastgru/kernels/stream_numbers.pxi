# Layers whose numbers are made one by one, as numpy makes them: each product is rounded before it is added to, which is
# why there are two passes where a multiply-add would do.


cdef void stream_affine(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """x * scale + shift."""
    cdef const real *x = value(b, step.input)
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, j, n = step.inputs
    for i in range(b.R):
        for j in range(n):
            y[i * n + j] = x[i * n + j] * step.scale[j]
    for i in range(b.R):
        for j in range(n):
            y[i * n + j] += step.shift[j]


cdef inline real larger(real a, real b) noexcept nogil:
    """b where they are equal, which zeros of both signs are, and NaN where one is, as in numpy."""
    return a if a > b or a != a else b


cdef inline real smaller(real a, real b) noexcept nogil:
    return a if a < b or a != a else b


cdef void stream_prelu(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """max(x, 0) + scale * min(x, 0)."""
    cdef const real *x = value(b, step.input)
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, j, n = step.inputs
    for i in range(b.R):
        for j in range(n):
            y[i * n + j] = smaller(x[i * n + j], 0) * step.scale[j]
    for i in range(b.R * n):
        y[i] += larger(x[i], 0)


cdef void stream_relu(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """min(x, max_value) above the threshold, negative_slope * (x - threshold) below."""
    cdef const real *x = value(b, step.input)
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, n = b.R * step.inputs
    cdef real above
    for i in range(n):
        y[i] = step.negative_slope * larger(step.threshold - x[i], 0) if step.negative_slope != 0 else 0
    for i in range(n):
        if step.threshold != 0:
            above = x[i] if x[i] > step.threshold else 0
        else:
            above = larger(x[i], 0)
        y[i] = smaller(above, step.max_value) - y[i]


cdef void stream_merge(const StreamStep *step, const StreamBlock *b) noexcept nogil:
    """Rows join those that there are so far; where they have one number, it stands for as many as these have."""
    cdef const real *x = value(b, step.input)
    cdef real *y = value(b, step.output)
    cdef Py_ssize_t i, j, n = step.outputs, next = 1 if step.inputs > 1 else 0
    for i in range(b.R):
        if step.kind == STREAM_CONCATENATION:
            memcpy(y + step.column, x, step.inputs * sizeof(real))
        elif step.kind == STREAM_COPY:
            for j in range(n):
                y[j] = x[j * next]
        elif step.kind == STREAM_SUM:
            for j in range(n):
                y[j] += x[j * next]
        elif step.kind == STREAM_DIFFERENCE:
            for j in range(n):
                y[j] -= x[j * next]
        elif step.kind == STREAM_PRODUCT:
            for j in range(n):
                y[j] *= x[j * next]
        elif step.kind == STREAM_LARGEST:
            for j in range(n):
                y[j] = larger(y[j], x[j * next])
        elif step.kind == STREAM_SMALLEST:
            for j in range(n):
                y[j] = smaller(y[j], x[j * next])
        else:
            for j in range(n):
                y[j] = x[j * next] / step.divisor
        x, y = x + step.inputs, y + n
