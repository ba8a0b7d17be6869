# What the checked calls (_calls.pyx) and the kernels (_kernels.pyx) know of each other. Both are compiled with these
# lines: a struct for each kind of call, which the calls fill and the kernels read, and the table of the kernels, which
# the calls are handed when they are imported.

from fastgru.kernels._runtime cimport task_function

cdef extern from "vector_math.h" nogil:
    ctypedef double real "vm_real"  # float or double, as the C compiler is told

cdef extern from * nogil:
    # arrays that do not overlap, which the compiler would else make sure of before it takes vectors of them; it does so
    # by vectors, and finds arrays that lie side by side to overlap
    ctypedef const real *reads "const vm_real *__restrict"
    ctypedef real *writes "vm_real *__restrict"

ctypedef void (*gemm_type)(
    char *trans_a, char *trans_b, int *m, int *n, int *k, real *alpha, real *a, int *lda, real *b, int *ldb, real *beta,
    real *c, int *ldc,
) noexcept nogil

cdef struct Dense:
    Py_ssize_t N, F, O
    int activation
    const real *x       # (N, F)
    const real *kernel  # (F, O)
    const real *packed  # the kernel for tiles, transposed in the backward pass, or NULL: BLAS multiplies
    const real *bias    # (O,) or NULL
    real *y             # (N, O)
    const real *dy      # (N, O): gradient of y
    real *d             # (N, O) and `read_padding`: that of x W + b
    real *dx            # (N, F) or NULL
    real *d_kernel      # (F, O), added to, or NULL
    real *d_bias        # (O,), added to, or NULL

cdef struct Sequences:
    # that a recurrent layer reads and writes
    Py_ssize_t B, T, F, H          # rows of the batch, time steps, features, units
    Py_ssize_t block_rows          # of a block of rows; the last one may have fewer
    bint go_backwards, zero_output_for_mask
    const real *x                  # (B, T, F)
    const unsigned char *mask      # (B, T) or NULL
    real *y                        # (B, T, H) or NULL
    const real *dy                 # (B, T, H) or NULL

cdef struct WeightGradients:
    real *kernel            # (F, N), added to, or NULL
    real *recurrent_kernel  # (H, N), likewise
    Py_ssize_t F, H, N
    int blocks
    real *sums              # (blocks - 1, F + H, N): those of all blocks but the first; NULL where they add up nothing

cdef struct GRU:
    Sequences seq
    bint training                  # a backward pass follows
    bint small_batch               # a block has fewer rows than a tile: see gru_small_batch.pxi
    Py_ssize_t state_steps         # states in memory at once: T + 1 in training, else two
    Py_ssize_t window              # steps whose inputs and gates are in memory at once: T in training
    bint reset_after
    int activation, recurrent_activation
    const real *kernel             # (F, 3H)
    const real *recurrent_kernel   # (H, 3H)
    const real *biases             # (2, 3H) with reset_after, (1, 3H) without, or NULL
    const real *packed             # the weights for tiles, or NULL
    const real *h0                 # (B, H) or NULL for zeros
    real *bias                     # (4H,): what is added to a row [g z r q], where the packed weights do not carry it
    real *xs                       # NULL where nothing reads it
    real *gates                    # NULL where nothing reads it; see `block_gates`
    real *states
    real *scratch                  # (B, 3H): h U of a step, or the states of the rows that are not masked at it; in the
                                   # backward pass dh (R, H), then d(r h) (R, H)
    real *bias_sums                # (blocks, 4H): sums of the rows of gradients
    real *last                     # (B, H)
    const real *d_last             # (B, H) or NULL
    real *dx                       # (B, T, F) or NULL
    real *dh0                      # (B, H) or NULL
    WeightGradients d              # of kernel and recurrent_kernel; they and the next are added to, or NULL
    real *d_bias                   # (3H,)
    real *d_recurrent_bias         # (3H,), with reset_after alone

cdef struct RNN:
    Sequences seq
    bint training                  # a backward pass follows
    Py_ssize_t sums                # N
    Py_ssize_t row                 # numbers of a row
    Py_ssize_t state_steps         # states in memory at once: T + 1 in training, else two
    Py_ssize_t window              # steps whose inputs and gates are in memory at once: T in training
    bint lstm
    int activation, recurrent_activation
    const real *kernel             # (F, N)
    const real *recurrent_kernel   # (H, N)
    const real *bias               # (N,) or NULL
    const real *packed             # the weights for tiles, or NULL
    const real *h0                 # (B, H) or NULL for zeros; c0 too
    const real *c0
    real *xs
    real *gates                    # see `rnn_block_gates`
    real *states
    real *cells                    # NULL for a SimpleRNN, as all that follows from c
    real *d_states                 # (B, H): dh while the backward pass goes on; d_cells is dc
    real *d_cells
    real *bias_sums                # (blocks, N): sums of the rows of gradients
    real *last                     # (B, H)
    real *last_cell
    const real *d_last             # (B, H) or NULL
    const real *d_last_cell
    real *dx                       # (B, T, F) or NULL
    real *dh0                      # (B, H) or NULL
    real *dc0
    WeightGradients d              # of kernel and recurrent_kernel; they and the next are added to, or NULL
    real *d_bias                   # (N,)

cdef struct Update:
    void (*rule)(
        Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a
    ) noexcept nogil
    Py_ssize_t size
    const real *w        # weights
    real *u              # updated weights
    const real *g        # gradients
    real *m              # state, which each rule says; NULL where it has none
    real *v
    real *a
    real decay, rate, gradient_rate, momentum, rho, beta_1, beta_2, epsilon, correction, share, l1, l2, shrinkage
    real rest_1, rest_2  # 1 - rho or 1 - beta_1, 1 - beta_2, taken in double: 1 - 0.999f is off by 1e-5
    double power
    bint nesterov

cdef enum:
    RULE_COUNT = 13
    NEEDS_M = 1  # of a rule's arrays of state, those that it cannot do without
    NEEDS_V = 2

cdef struct Rule:
    const char *name
    void (*rule)(
        Update p, Py_ssize_t n, reads w, writes u, reads g, writes m, writes v, writes a
    ) noexcept nogil
    int needs

cdef struct Adafactor:
    Py_ssize_t n, B, R, C  # numbers of the weight, seen as (B, R, C); B is 0 where it has one axis
    const real *w          # weight
    real *u                # updated weight
    const real *g          # gradient
    real *v                # what g^2 is divided by
    real *rows             # (B, R) or NULL: means of g^2 by rows
    real *columns          # (B, C) or NULL
    real decay, beta, rest, epsilon_1
    double rate, epsilon_2, clip_threshold

cdef struct StreamStep:
    # one layer of a compiled plan: see stream.pxi
    int kind                       # STREAM_GRU, ...
    Py_ssize_t inputs, outputs     # numbers of a row of what it reads and makes
    Py_ssize_t input, output       # where these rows begin: numbers for one row in memory, or STREAM_INPUT, STREAM_ANSWER
    Py_ssize_t column              # of a concatenation: where a row of what it reads goes in one of what it makes
    Py_ssize_t state               # where its part of a session's states begins
    int mask, made_mask            # the mask that counts for its rows and the one that it makes, or -1
    int other_mask                 # that one of two masks is made of
    bint zero_output_for_mask
    int activation
    Py_ssize_t cells, dilation     # of a convolution's window
    const real *scale              # (inputs,) of an affine one and a PReLU, and what is added: (inputs,)
    const real *shift
    const real *table              # of an embedding: (tokens, outputs)
    bint mask_zero                 # of an embedding
    real mask_value                # of a masking
    long long word                 # that a mask leaves out
    real epsilon                   # of a normalization
    real negative_slope, threshold, max_value  # of a ReLU
    real divisor
    GRU gru
    RNN rnn
    Dense dense

cdef enum:
    STREAM_INPUT = -1   # the plan's input, which lies with the caller where it can
    STREAM_ANSWER = -2  # its answer, likewise
    STREAM_VECTOR = 16  # numbers: rows in memory begin at a whole number of so many
    STREAM_GRU = 0
    STREAM_RNN, STREAM_DENSE, STREAM_EMBEDDING, STREAM_CONVOLUTION, STREAM_ACTIVATION, STREAM_INPUT_ACTIVATION
    STREAM_NORMALIZATION, STREAM_AFFINE, STREAM_MASKING, STREAM_WORD_MASK, STREAM_EITHER_MASK, STREAM_RELU
    STREAM_PRELU
    STREAM_CONCATENATION, STREAM_COPY, STREAM_SUM, STREAM_DIFFERENCE, STREAM_PRODUCT, STREAM_LARGEST, STREAM_SMALLEST
    STREAM_QUOTIENT

cdef struct StreamPlan:
    StreamStep *steps
    int count, masks
    Py_ssize_t inputs, outputs     # numbers of a row of the input and of the answer
    Py_ssize_t tokens              # 0, or the input is a word's number (int64) below this
    Py_ssize_t states              # numbers that a session keeps
    Py_ssize_t values              # numbers of the rows in memory, for one row
    Py_ssize_t scratch             # numbers of what the steps work in, for one row
    Py_ssize_t work                # multiplications for one row

cdef struct StreamRun:
    # n steps of k sessions
    const StreamPlan *plan
    Py_ssize_t k, n, block_rows
    const long long *slots         # (k,): whose rows of the states are theirs; NULL for those in their order
    real *states                   # (capacity, states)
    const char *x                  # (k, n) rows of the input
    real *y                        # (k, n, outputs)
    int tasks                      # that share the blocks, each with a part of the memory of its own
    real *memory

cdef struct Kernels:
    Py_ssize_t read_padding  # numbers that must be readable behind a matrix whose rows `add_transposed` reads
    gemm_type gemm           # BLAS, which the calls fetch; NULL until then
    void (*activate_rows)(int kind, real *x, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
    void (*multiply_derivative_rows)(
        int kind, const real *y, real *dy, Py_ssize_t rows, Py_ssize_t columns
    ) noexcept nogil
    void (*activate_input)(int kind, const real *x, real *y, Py_ssize_t n) noexcept nogil
    void (*input_derivative)(int kind, const real *d, const real *x, real *dx, Py_ssize_t n) noexcept nogil
    Py_ssize_t (*dense_packed_size)(Py_ssize_t F, Py_ssize_t O) noexcept nogil
    void (*dense_pack)(Dense *p) noexcept nogil
    void (*dense_forward)(Dense *p, bint stale, int threads) noexcept nogil
    void (*dense_backward)(Dense *p, int threads) noexcept nogil
    Py_ssize_t (*gru_packed_size)(Py_ssize_t F, Py_ssize_t H, bint reset_after) noexcept nogil
    Py_ssize_t (*gru_plan_workspace)(GRU *p, real *memory) noexcept nogil
    void (*gru_pack)(GRU *p) noexcept nogil
    void (*gru_forward)(GRU *first, GRU *second, int threads) noexcept nogil
    void (*gru_backward)(GRU *p, int threads) noexcept nogil
    Py_ssize_t (*rnn_packed_size)(Py_ssize_t F, Py_ssize_t H, Py_ssize_t N) noexcept nogil
    Py_ssize_t (*rnn_plan_workspace)(RNN *p, real *memory) noexcept nogil
    void (*rnn_pack)(RNN *p) noexcept nogil
    void (*rnn_forward)(RNN *first, RNN *second, int threads) noexcept nogil
    void (*rnn_backward)(RNN *p, int threads) noexcept nogil
    void (*binary_crossentropy)(
        Py_ssize_t N, Py_ssize_t C, const real *label, const real *row, real *loss, real *d
    ) noexcept nogil
    void (*categorical_crossentropy)(
        Py_ssize_t N, Py_ssize_t C, const real *label, const real *row, real *loss, real *d
    ) noexcept nogil
    bint (*sparse_categorical_crossentropy)(
        Py_ssize_t N, Py_ssize_t C, const long long *label, const real *row, real *loss, real *d
    ) noexcept nogil
    const Rule *rules  # RULE_COUNT of them
    void (*update)(Update *p, int threads) noexcept nogil
    void (*adafactor)(Adafactor *p) noexcept nogil
    void (*normalize_rows)(
        Py_ssize_t rows, Py_ssize_t columns, const real *x, real epsilon, real *normal, real *inverse
    ) noexcept nogil
    void (*stream_prepare)(StreamStep *step) noexcept nogil
    Py_ssize_t (*stream_memory)(const StreamPlan *plan, Py_ssize_t rows) noexcept nogil
    Py_ssize_t (*stream_cut)(StreamRun *run, int threads) noexcept nogil
    void (*stream)(StreamRun *run, int threads) noexcept nogil

# of the capsule with a table: one of the other element type is refused
cdef const char *TABLE_NAME = "fastgru.kernels of float32" if sizeof(real) == 4 else "fastgru.kernels of float64"
