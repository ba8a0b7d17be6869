# Adafactor's update, as Python calls it.


def adafactor(
    ndarray values not None, ndarray updated not None, ndarray gradients not None, ndarray v not None, ndarray rows,
    ndarray columns, double decay, double rate, double beta, double epsilon_1, double epsilon_2, double clip_threshold,
):
    """One update of a weight (N,), seen as (B, R, C): rows (B, R) and columns (B, C), None where it has one axis."""
    cdef Adafactor p
    memset(&p, 0, sizeof(p))
    p.n = size_of(values, 0)
    check_not_empty(values, "values")
    if rows is not None:
        check_present(columns, "columns")
        p.B, p.R, p.C = size_of(rows, 0), size_of(rows, 1), size_of(columns, 1)
        if p.B * p.R * p.C != p.n:
            raise ValueError(f"Kernels, rows: expected factors of {p.n} numbers, got {p.B} times {p.R} and {p.C}.")
    p.w, p.g = vector_of(values, "values", p.n), vector_of(gradients, "gradients", p.n)
    p.u, p.v = vector_into(updated, "updated", p.n), vector_into(v, "v", p.n)
    p.rows, p.columns = matrix_into(rows, "rows", p.B, p.R), matrix_into(columns, "columns", p.B, p.C)
    p.decay, p.rate, p.beta, p.rest = <real>decay, rate, <real>beta, <real>(1 - beta)
    p.epsilon_1, p.epsilon_2, p.clip_threshold = <real>epsilon_1, epsilon_2, clip_threshold
    with nogil:
        kernels.adafactor(&p)
