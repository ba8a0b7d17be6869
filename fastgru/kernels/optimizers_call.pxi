# The optimizers' updates, as Python calls them.

update_rules = {kernels.rules[i].name.decode(): i for i in range(RULE_COUNT)}


def update(
    str rule not None, ndarray values not None, ndarray updated not None, ndarray gradients not None,
    ndarray m, ndarray v, ndarray a, double decay, int threads, *,
    double rate=0, double gradient_rate=0, double momentum=0, bint nesterov=False, double rho=0, double beta_1=0,
    double beta_2=0, double epsilon=0, double correction=1, double share=0, double power=0, double l1=0, double l2=0,
    double shrinkage=0,
):
    """One update of all weights by the rule of that name: all arrays (N,), of state None where there is none."""
    cdef Update p
    if rule not in update_rules:
        raise ValueError(f"Kernels, rule: expected one of {', '.join(update_rules)}, got {rule!r}.")
    cdef Rule chosen = kernels.rules[<int>update_rules[rule]]
    if chosen.needs & NEEDS_M:
        check_present(m, "m")
    if chosen.needs & NEEDS_V:
        check_present(v, "v")
    p.rule, p.size = chosen.rule, size_of(values, 0)
    p.w, p.u = vector_of(values, "values", p.size), vector_into(updated, "updated", p.size)
    p.g = vector_of(gradients, "gradients", p.size)
    p.m, p.v, p.a = vector_into(m, "m", p.size), vector_into(v, "v", p.size), vector_into(a, "a", p.size)
    p.decay, p.rate, p.gradient_rate, p.epsilon = <real>decay, <real>rate, <real>gradient_rate, <real>epsilon
    p.momentum, p.nesterov, p.rho, p.rest_1 = <real>momentum, nesterov, <real>rho, <real>(1 - (rho or beta_1))
    p.beta_1, p.beta_2, p.rest_2 = <real>beta_1, <real>beta_2, <real>(1 - beta_2)
    p.correction, p.share, p.power = <real>correction, <real>share, power
    p.l1, p.l2, p.shrinkage = <real>l1, <real>l2, <real>shrinkage
    with nogil:
        kernels.update(&p, threads)
