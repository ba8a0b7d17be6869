"""Muon (Jordan et al., 2024)."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from fastgru import checks, threads
from fastgru.layers.weight import Weight
from fastgru.optimizers.adam import adam_rate
from fastgru.optimizers.optimizer import KIND, Optimizer
from fastgru.optimizers.stretch import Numbers, Stretch, run
from fastgru.registry import registered
from fastgru.types import Array

__all__ = ["Muon"]


@registered(KIND)
class Muon(Optimizer):
    """Orthogonal steps for matrices, AdamW for all other weights (Jordan et al., 2024)::

        m  = momentum m + g
        d  = orthogonal(g + momentum m)                               of m itself without nesterov
        w -= learning_rate rms_rate sqrt(the longer side of w) d

    `orthogonal` are `ns_steps` of Newton and Schulz, which bring all singular values near 1; the factor of the second
    line is that of Liu et al. (2025).

    Parameters
    ----------
    learning_rate : float
    adam_beta_1, adam_beta_2, adam_weight_decay, epsilon : float
        Of AdamW.
    weight_decay : float, optional
        Of the matrices.
    *args
        What follows in Keras's order, up to `name`, see `Optimizer`.
    exclude_layers : list of str, optional
        Regular expressions; a weight in whose path one occurs is updated by AdamW.
    exclude_embeddings : bool
        Update embeddings by AdamW.
    muon_a, muon_b, muon_c : float
        Of the polynomial of Newton and Schulz.
    adam_lr_ratio : float
        AdamW's learning rate is so many times the other.
    momentum : float
    ns_steps : int
    nesterov : bool
    rms_rate : float, optional
        None leaves the factor out.
    **kwargs
        See `Optimizer`.
    """

    _slot_groups = (("momentum", "velocity"),)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *args: Any,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay, *args, **kwargs)
        self.adam_beta_1 = checks.rate_below_one(adam_beta_1, "Muon", "adam_beta_1")
        self.adam_beta_2 = checks.rate_below_one(adam_beta_2, "Muon", "adam_beta_2")
        self.epsilon = checks.not_negative(epsilon, "Muon", "epsilon")
        if adam_weight_decay is not None:
            checks.not_negative(adam_weight_decay, "Muon", "adam_weight_decay")
        self.adam_weight_decay = adam_weight_decay
        self.muon_a = checks.number(muon_a, type(self).__name__, "muon_a")
        self.muon_b = checks.number(muon_b, type(self).__name__, "muon_b")
        self.muon_c = checks.number(muon_c, type(self).__name__, "muon_c")
        self.adam_lr_ratio = checks.not_negative(adam_lr_ratio, type(self).__name__, "adam_lr_ratio")
        self.momentum = checks.rate(momentum, "Muon", "momentum")
        self.ns_steps = checks.integer_from_one(ns_steps, "Muon", "ns_steps")
        self.nesterov = checks.flag(nesterov, type(self).__name__, "nesterov")
        self.exclude_embeddings = checks.flag(exclude_embeddings, type(self).__name__, "exclude_embeddings")
        self.exclude_layers = [*checks.listed(exclude_layers or [], "Muon", "exclude_layers")]
        self.rms_rate = checks.optional(checks.not_negative)(rms_rate, type(self).__name__, "rms_rate")

    def _should_use_adamw(self, variable: Any) -> bool:
        if len(variable.shape) != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(keyword, variable.path) for keyword in self.exclude_layers)

    def _has(self, weight: Weight, slot: str) -> bool:
        return slot != "velocity" or self._should_use_adamw(weight)

    def _alike(self, weight: Weight) -> Hashable:
        return super()._alike(weight) if self._should_use_adamw(weight) else weight

    def _decay(self, weight: Weight) -> float:
        decay = self.adam_weight_decay if self._should_use_adamw(weight) else self.weight_decay
        return (decay or 0.0) if self._use_weight_decay(weight) else 0.0

    def _numbers(self, rate: float, step: int) -> Numbers:
        """Those of AdamW."""
        rate = adam_rate(rate * self.adam_lr_ratio, self.adam_beta_1, self.adam_beta_2, step)
        return {"rate": rate, "beta_1": self.adam_beta_1, "beta_2": self.adam_beta_2, "epsilon": self.epsilon}

    def _update(self, stretch: Stretch, rate: float, numbers: Numbers) -> None:
        if self._should_use_adamw(stretch.weight):
            run("adam", stretch, ("momentum", "velocity", None), numbers)
            return
        run("muon", stretch, ("momentum", None, None), {"momentum": self.momentum, "nesterov": self.nesterov})
        with threads.one_blas_thread():
            direction = self.zeropower_via_newtonschulz5(stretch.shaped(stretch.updated), self.ns_steps)
        step = self.lr_adjust(rate * direction)
        np.subtract(stretch.shrunk(), step.reshape(-1), out=stretch.updated)

    def lr_adjust(self, x: Array) -> Array:
        """A step at the length that AdamW's would have."""
        return x if self.rms_rate is None else x * (math.sqrt(max(x.shape)) * self.rms_rate)

    def zeropower_via_newtonschulz5(self, x: Any, steps: int) -> Array:
        """(m, n) ndarray near U V^T, where x (m, n) = U S V^T: Newton and Schulz's iteration."""
        x = np.asarray(x)
        if x.ndim < 2:
            raise ValueError(f"Muon: expected a matrix to make orthogonal, got shape {x.shape}.")
        if x.shape[0] > x.shape[1]:
            return self.zeropower_via_newtonschulz5(x.T, steps).T
        x = x / (np.linalg.norm(x) + 1e-7)
        for _ in range(steps):
            squares = x @ x.T
            x = self.muon_a * x + (self.muon_b * squares + self.muon_c * squares @ squares) @ x
        return x

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "epsilon": self.epsilon,
            "exclude_layers": self.exclude_layers,
            "muon_a": self.muon_a,
            "muon_b": self.muon_b,
            "muon_c": self.muon_c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "exclude_embeddings": self.exclude_embeddings,
            "adam_weight_decay": self.adam_weight_decay,
            "rms_rate": self.rms_rate,
        }
