"""The updates of optimizers.pxi, with the same arguments."""

from __future__ import annotations

import numpy as np

from fastgru.types import Array


def sgd(
    values: Array,
    updated: Array,
    gradients: Array,
    momentums: Array | None,
    rate: float,
    momentum: float,
    nesterov: bool,
    decay: float,
    threads: int = 1,
) -> None:
    """SGD; momentums is None where the momentum is 0."""
    updated[:] = values - values * decay
    if momentums is None:
        updated -= rate * gradients
        return
    momentums[:] = momentum * momentums - rate * gradients
    updated += momentum * momentums - rate * gradients if nesterov else momentums


def rmsprop(
    values: Array,
    updated: Array,
    gradients: Array,
    velocities: Array,
    momentums: Array | None,
    averages: Array | None,
    rate: float,
    rho: float,
    momentum: float,
    epsilon: float,
    decay: float,
    threads: int = 1,
) -> None:
    """RMSprop; momentums is None where the momentum is 0, averages where it is not centered."""
    velocities[:] = rho * velocities + (1 - rho) * gradients**2
    variance = velocities
    if averages is not None:
        averages[:] = rho * averages + (1 - rho) * gradients
        variance = velocities - averages**2
    step = rate * gradients / np.sqrt(variance + epsilon)
    if momentums is not None:
        momentums[:] = momentum * momentums + step
        step = momentums
    updated[:] = values - values * decay
    updated -= step


def adam(
    values: Array,
    updated: Array,
    gradients: Array,
    momentums: Array,
    velocities: Array,
    maxima: Array | None,
    rate: float,
    beta_1: float,
    beta_2: float,
    epsilon: float,
    decay: float,
    threads: int = 1,
) -> None:
    """Adam; rate carries the bias corrections, maxima is None without amsgrad."""
    momentums += (gradients - momentums) * (1 - beta_1)
    velocities += (gradients**2 - velocities) * (1 - beta_2)
    variance = velocities if maxima is None else np.maximum(maxima, velocities, out=maxima)
    updated[:] = values - values * decay
    updated -= rate * momentums / (np.sqrt(variance) + epsilon)
