# The optimizers' updates: see optimizers.pxi.


def sgd(
    ndarray values not None, ndarray updated not None, ndarray gradients not None, ndarray momentums,
    double rate, double momentum, bint nesterov, double decay, int threads,
):
    """SGD; momentums is None where the momentum is 0."""
    cdef Update p
    memset(&p, 0, sizeof(p))
    p.size = size_of(values, 0)
    p.w, p.u = vector_of(values, "values", p.size), vector_into(updated, "updated", p.size)
    p.g = vector_of(gradients, "gradients", p.size)
    p.m = vector_into(momentums, "momentums", p.size)
    p.decay, p.rate, p.momentum, p.nesterov = <real>decay, <real>rate, <real>momentum, nesterov
    with nogil:
        kernels.sgd(&p, threads)


def rmsprop(
    ndarray values not None, ndarray updated not None, ndarray gradients not None, ndarray velocities not None,
    ndarray momentums, ndarray averages,
    double rate, double rho, double momentum, double epsilon, double decay, int threads,
):
    """RMSprop; momentums is None where the momentum is 0, averages where it is not centered."""
    cdef Update p
    memset(&p, 0, sizeof(p))
    p.size = size_of(values, 0)
    p.w, p.u = vector_of(values, "values", p.size), vector_into(updated, "updated", p.size)
    p.g = vector_of(gradients, "gradients", p.size)
    p.v, p.m = vector_into(velocities, "velocities", p.size), vector_into(momentums, "momentums", p.size)
    p.a = vector_into(averages, "averages", p.size)
    p.decay, p.rate, p.momentum, p.epsilon = <real>decay, <real>rate, <real>momentum, <real>epsilon
    p.rho, p.rest_1 = <real>rho, <real>(1 - rho)
    with nogil:
        kernels.rmsprop(&p, threads)


def adam(
    ndarray values not None, ndarray updated not None, ndarray gradients not None, ndarray momentums not None,
    ndarray velocities not None, ndarray maxima,
    double rate, double beta_1, double beta_2, double epsilon, double decay, int threads,
):
    """Adam; rate carries the bias corrections, maxima is None without amsgrad."""
    cdef Update p
    memset(&p, 0, sizeof(p))
    p.size = size_of(values, 0)
    p.w, p.u = vector_of(values, "values", p.size), vector_into(updated, "updated", p.size)
    p.g = vector_of(gradients, "gradients", p.size)
    p.m, p.v = vector_into(momentums, "momentums", p.size), vector_into(velocities, "velocities", p.size)
    p.a = vector_into(maxima, "maxima", p.size)
    p.decay, p.rate, p.epsilon = <real>decay, <real>rate, <real>epsilon
    p.rest_1, p.rest_2 = <real>(1 - beta_1), <real>(1 - beta_2)
    with nogil:
        kernels.adam(&p, threads)
