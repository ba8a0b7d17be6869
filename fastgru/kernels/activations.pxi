# Activations in place over contiguous memory, each beside its derivative, which follows from the output alone. A new
# one is a pair of functions, its number before SOFTMAX and its line at the end of ACTIVATIONS; Python knows it by the
# name there. Plain loops become vector code; a bare 1 among real numbers would be a double and take float vectors
# apart, hence <real>1.

from libc.math cimport exp, log1p, fabs

cdef extern from "vector_math.h" nogil:
    real vm_sigmoid(real x)
    real vm_tanh(real x)
    real vm_expm1_nonpositive(real x)
    real vm_exp_nonpositive(real x)

cdef enum:
    CHUNK = 256  # numbers at a time, where what lies between two passes over them is to stay in the L1 cache

cdef real SELU_SCALE = 1.05070098735548049342
cdef real SELU_ALPHA_SCALE = 1.05070098735548049342 * 1.67326324235437728482


cdef inline real clip(real x, real low, real high) noexcept nogil:
    x = low if x < low else x
    return high if x > high else x


# `f(x, n)` is x = f(x). `f_backward(d, y, n)` is y = d f'(x), where y was f(x): a closed unit passes 0 on, whatever d
# is, as in Keras on JAX.


cdef void linear(real *x, Py_ssize_t n) noexcept nogil:
    pass


cdef void linear_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    memcpy(y, d, n * sizeof(real))


cdef void relu(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = 0 if x[i] < 0 else x[i]


cdef void relu_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] if y[i] > 0 else 0


cdef void sigmoid(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = vm_sigmoid(x[i])


cdef void sigmoid_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * (y[i] * (<real>1 - y[i]))


cdef void tanh(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = vm_tanh(x[i])


cdef void tanh_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * (<real>1 - y[i] * y[i])


cdef void hard_sigmoid(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = clip(x[i] / <real>6 + <real>0.5, 0, 1)


cdef void hard_sigmoid_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * (<real>1 / <real>6) if y[i] > 0 and y[i] < 1 else 0


cdef void hard_sigmoid_old(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = clip(x[i] * <real>0.2 + <real>0.5, 0, 1)


cdef void hard_sigmoid_old_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * <real>0.2 if y[i] > 0 and y[i] < 1 else 0


cdef void elu(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = vm_expm1_nonpositive(x[i]) if x[i] < 0 else x[i]


cdef void elu_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] if y[i] > 0 else d[i] * (y[i] + <real>1)


cdef void selu(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = SELU_ALPHA_SCALE * vm_expm1_nonpositive(x[i]) if x[i] < 0 else SELU_SCALE * x[i]


cdef void selu_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * (SELU_SCALE if y[i] > 0 else y[i] + SELU_ALPHA_SCALE)


cdef void softplus(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = (0 if x[i] < 0 else x[i]) + <real>log1p(exp(-fabs(x[i])))


cdef void softplus_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] * (<real>1 - vm_exp_nonpositive(-y[i]))


cdef void softsign(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = x[i] / (<real>1 + (-x[i] if x[i] < 0 else x[i]))


cdef void softsign_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    cdef real slope
    for i in range(n):
        slope = <real>1 - (-y[i] if y[i] < 0 else y[i])
        y[i] = d[i] * (slope * slope)


cdef void exponential(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = <real>exp(x[i])


cdef void exponential_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] *= d[i]


cdef void relu6(real *x, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        x[i] = clip(x[i], 0, 6)


cdef void relu6_backward(const real *d, real *y, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = d[i] if y[i] > 0 and y[i] < 6 else 0


cdef struct Activation:
    const char *name
    void (*function)(real *x, Py_ssize_t n) noexcept nogil
    void (*backward)(const real *d, real *y, Py_ssize_t n) noexcept nogil

cdef enum:
    LINEAR, RELU, SIGMOID, TANH, HARD_SIGMOID, HARD_SIGMOID_OLD, ELU, SELU, SOFTPLUS, SOFTSIGN, EXPONENTIAL, RELU6
    SOFTMAX  # the number of elementwise activations; softmax, which works on rows, has the next number

cdef Activation[SOFTMAX] ACTIVATIONS = [  # in the order of their numbers
    Activation("linear", linear, linear_backward),
    Activation("relu", relu, relu_backward),
    Activation("sigmoid", sigmoid, sigmoid_backward),
    Activation("tanh", tanh, tanh_backward),
    Activation("hard_sigmoid", hard_sigmoid, hard_sigmoid_backward),
    Activation("hard_sigmoid_old", hard_sigmoid_old, hard_sigmoid_old_backward),
    Activation("elu", elu, elu_backward),
    Activation("selu", selu, selu_backward),
    Activation("softplus", softplus, softplus_backward),
    Activation("softsign", softsign, softsign_backward),
    Activation("exponential", exponential, exponential_backward),
    Activation("relu6", relu6, relu6_backward),
]

activation_ids = {ACTIVATIONS[i].name.decode(): i for i in range(SOFTMAX)} | {"softmax": SOFTMAX}


cdef inline void activate(int kind, real *x, Py_ssize_t n) noexcept nogil:
    """x = f(x)."""
    ACTIVATIONS[kind].function(x, n)


cdef inline void activation_backward(int kind, const real *d, real *y, Py_ssize_t n) noexcept nogil:
    """y = d f'(x), where y was f(x)."""
    ACTIVATIONS[kind].backward(d, y, n)


cdef void multiply_derivative(int kind, const real *y, real *dy, Py_ssize_t n) noexcept nogil:
    """dy = dy f'(x), where y = f(x)."""
    cdef real[CHUNK] through
    cdef Py_ssize_t begin = 0, size
    while begin < n:
        size = min(CHUNK, n - begin)
        memcpy(through, y + begin, size * sizeof(real))
        activation_backward(kind, dy + begin, through, size)
        memcpy(dy + begin, through, size * sizeof(real))
        begin += size


cdef void softmax_row(real *x, Py_ssize_t n) noexcept nogil:
    """x = e^x / sum e^x, with the largest x taken out first so that nothing overflows."""
    cdef Py_ssize_t i
    cdef real largest = x[0], total = 0
    for i in range(1, n):
        # a NaN must become the largest, or its row would look like numbers
        largest = largest if x[i] <= largest else x[i]
    for i in range(n):
        x[i] = vm_exp_nonpositive(x[i] - largest)
        total += x[i]
    for i in range(n):
        x[i] /= total


cdef void activate_rows(int kind, real *x, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """x (rows, columns) = f(x), where f may be the softmax of a row."""
    cdef Py_ssize_t i
    if kind == SOFTMAX:
        for i in range(rows):
            softmax_row(x + i * columns, columns)
    else:
        activate(kind, x, rows * columns)


cdef void multiply_derivative_rows(int kind, const real *y, real *dy, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """dy (rows, columns) times the derivative of f; through a softmax it becomes y (dy - sum(y dy))."""
    cdef Py_ssize_t i, j
    cdef real dot
    if kind != SOFTMAX:
        multiply_derivative(kind, y, dy, rows * columns)
        return
    for i in range(rows):
        dot = 0
        for j in range(columns):
            dot += y[j] * dy[j]
        for j in range(columns):
            dy[j] = y[j] * (dy[j] - dot)
        y += columns
        dy += columns
