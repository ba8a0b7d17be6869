# Activations whose derivative follows from the input alone, over contiguous memory. They are applied behind a product,
# not in it: Dense and others keep what comes in. `f(x, y, n)` is y = f(x), `f_backward(d, x, dx, n)` is dx = d f'(x).

cdef extern from "vector_math.h" nogil:
    real vm_erf(real x)
    real vm_abs(real x)

cdef real HALF_ROOT = 0.70710678118654752440       # 1 / sqrt 2
cdef real DENSITY_AT_0 = 0.39894228040143267794    # 1 / sqrt(2 pi)
cdef real GELU_SLOPE = 0.79788456080286535588      # sqrt(2 / pi)
cdef real GELU_CUBIC = 0.044715


cdef void silu(const real *x, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] * vm_sigmoid(x[i])


cdef void silu_backward(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real s
    for i in range(n):
        s = vm_sigmoid(x[i])
        dx[i] = d[i] * (s + x[i] * (s * (<real>1 - s)))


cdef void hard_silu(const real *x, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] * clip(x[i] / <real>6 + <real>0.5, 0, 1)


cdef void hard_silu_backward(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        dx[i] = 0 if x[i] <= -3 else (d[i] if x[i] >= 3 else d[i] * (x[i] / <real>3 + <real>0.5))


cdef inline real tanh_of_softplus(real x) noexcept nogil:
    """((1 + e)^2 - 1) / ((1 + e)^2 + 1) with e = e^x, above and below times e^-2x where x > 0."""
    cdef real w = vm_exp_nonpositive(-vm_abs(x))
    cdef real above = <real>1 + 2 * w if x > 0 else w * (w + 2)
    return above / (above + 2 * (w * w if x > 0 else <real>1))


cdef void mish(const real *x, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = x[i] * tanh_of_softplus(x[i])


cdef void mish_backward(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real t
    for i in range(n):
        t = tanh_of_softplus(x[i])
        dx[i] = d[i] * (t + x[i] * ((<real>1 - t * t) * vm_sigmoid(x[i])))


cdef void gelu(const real *x, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <real>0.5 * x[i] * (<real>1 + vm_erf(HALF_ROOT * x[i]))


cdef void gelu_backward(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real below
    for i in range(n):
        below = <real>0.5 * (<real>1 + vm_erf(HALF_ROOT * x[i]))
        dx[i] = d[i] * (below + x[i] * (DENSITY_AT_0 * vm_exp_nonpositive(-(<real>0.5 * x[i] * x[i]))))


cdef inline real gelu_bend(real x) noexcept nogil:
    return vm_tanh(GELU_SLOPE * (x + GELU_CUBIC * (x * x * x)))


cdef void gelu_tanh(const real *x, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <real>0.5 * x[i] * (<real>1 + gelu_bend(x[i]))


cdef void gelu_tanh_backward(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real t, slope, near
    for i in range(n):
        # beyond 20 t is 1 to the last bit, and the square may overflow, which 1 - t t would make NaN of
        near = <real>20 if x[i] > <real>20 else x[i]
        near = <real>-20 if near < <real>-20 else near
        t = gelu_bend(near)
        slope = GELU_SLOPE * (<real>1 + 3 * GELU_CUBIC * (near * near))
        dx[i] = d[i] * (<real>0.5 * (<real>1 + t + near * ((<real>1 - t * t) * slope)))


cdef struct InputActivation:
    const char *name
    void (*function)(const real *x, real *y, Py_ssize_t n) noexcept nogil
    void (*backward)(const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil

cdef enum:
    INPUT_ACTIVATION_COUNT = 5

cdef InputActivation[INPUT_ACTIVATION_COUNT] INPUT_ACTIVATIONS = [
    InputActivation("silu", silu, silu_backward),
    InputActivation("hard_silu", hard_silu, hard_silu_backward),
    InputActivation("mish", mish, mish_backward),
    InputActivation("gelu", gelu, gelu_backward),
    InputActivation("gelu_tanh", gelu_tanh, gelu_tanh_backward),  # gelu(approximate=True)
]

input_activation_ids = {INPUT_ACTIVATIONS[i].name.decode(): i for i in range(INPUT_ACTIVATION_COUNT)}


cdef void activate_input(int kind, const real *x, real *y, Py_ssize_t n) noexcept nogil:
    """y = f(x)."""
    INPUT_ACTIVATIONS[kind].function(x, y, n)


cdef void input_derivative(int kind, const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil:
    """dx = d f'(x)."""
    INPUT_ACTIVATIONS[kind].backward(d, x, dx, n)
