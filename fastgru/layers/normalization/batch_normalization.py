"""BatchNormalization (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, config
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.normalization.normalizer import Normalizer
from fastgru.layers.options import ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BatchNormalization"]


def _axis(value: Any, where: str, name: str) -> int:
    """One axis; tf.keras 2 writes a list of one."""
    return checks.integer(value[0] if isinstance(value, Sequence) and len(value) == 1 else value, where, name)


def _no_renorm(value: Any, where: str, name: str) -> bool:
    checks.not_supported(where, **{name: value or None})
    return False


@registered("keras.layers")
class BatchNormalization(Normalizer):
    """Normalize each feature by its mean and variance over the batch in training, over past batches otherwise.

    A layer whose `trainable` is False uses the moving statistics in training too and leaves them as they are. Steps
    that the mask leaves out are normalized but do not count in the statistics.

    Parameters
    ----------
    axis : int
        The features'.
    momentum : float
        In ``moving = moving * momentum + of_this_batch * (1 - momentum)``.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there are `beta` (F,) and `gamma` (F,).
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : optional
    beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint : optional
    synchronized
        Accepted for Keras's sake and without effect.
    """

    axis: int = options.option(_axis)
    momentum: float = options.number()
    moving_mean_initializer: Initializer = options.initializer()
    moving_variance_initializer: Initializer = options.initializer()
    synchronized: bool = options.flag()
    renorm: bool = options.option(_no_renorm, before=lambda layer: False)
    renorm_clipping: Any = options.option()
    renorm_momentum: float = options.option()

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: InitializerLike = "zeros",
        gamma_initializer: InitializerLike = "ones",
        moving_mean_initializer: InitializerLike = "zeros",
        moving_variance_initializer: InitializerLike = "ones",
        beta_regularizer: RegularizerLike = None,
        gamma_regularizer: RegularizerLike = None,
        beta_constraint: ConstraintLike = None,
        gamma_constraint: ConstraintLike = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def build(self, input_shape: Shape) -> None:
        shape = self._sizes(input_shape, [self.axis])
        self._add_gamma_and_beta(shape, self.scale, self.center)
        self.moving_mean = self.add_weight("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.add_weight(
            "moving_variance", shape, self.moving_variance_initializer, trainable=False
        )
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._sizes(inputs[0].shape, [self.axis])

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        axes = [self.axis % x.ndim]
        rows = self._rows(call, "rows", x, axes)
        y = call.buffer("y_rows", rows.shape, self.dtype)
        saved = call.saved
        saved["of_batch"] = call.training and self.trainable
        if saved["of_batch"]:
            self._normalize_by_batch(call, rows, y, axes, x)
            np.multiply(saved["normal"], 1 if self.gamma is None else call.value(self.gamma), out=y)
            if self.beta is not None:
                y += call.value(self.beta)
        else:
            # y = x s + (beta - mean s) with s = gamma / sqrt(variance + epsilon)
            saved["rows"], saved["inverse"] = rows, 1 / np.sqrt(call.value(self.moving_variance) + self.epsilon)
            s = saved["inverse"] if self.gamma is None else saved["inverse"] * call.value(self.gamma)
            np.multiply(rows, s, out=y)
            y += (0 if self.beta is None else call.value(self.beta)) - call.value(self.moving_mean) * s
        return self._from_rows(call, "y", y, x.shape, axes)

    def _normalize_by_batch(self, call: Call, rows: Array, scratch: Array, axes: Sequence[int], x: Array) -> None:
        """Save (x - mean) / sqrt(variance + epsilon), and move the moving statistics."""
        counts = None
        total: Any = len(rows)
        if call.mask is not None:
            mask = call.mask.reshape(call.mask.shape + (1,) * (x.ndim - call.mask.ndim))
            counts = self._rows(call, "counts", np.broadcast_to(mask, x.shape), axes)
            # Keras adds its epsilon to the number of steps that a mask leaves
            total = (counts.sum(axis=0) + config.epsilon()).astype(self.dtype)
        ones = call.buffer("ones", (len(rows),), self.dtype)
        ones.fill(1)
        normal = call.buffer("normal", rows.shape, self.dtype)
        # sums of columns as products with ones: BLAS adds in blocks, faster and more exact than row after row
        mean = ones @ (rows if counts is None else np.multiply(rows, counts, out=normal)) / total
        np.subtract(rows, mean, out=normal)
        np.square(normal, out=scratch)
        if counts is not None:
            scratch *= counts
        variance = ones @ scratch / total
        inverse = 1 / np.sqrt(variance + self.epsilon)
        normal *= inverse
        call.saved.update(normal=normal, inverse=inverse, counts=counts, total=total)
        moved = ((self.moving_mean, mean), (self.moving_variance, variance))
        version, rest = call.version, 1 - self.momentum
        version.update({moving: version.latest(moving) * self.momentum + new * rest for moving, new in moved})

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        saved = call.saved
        axes = [self.axis % dy.ndim]
        d = self._rows(call, "d_rows", dy, axes)
        of_batch, inverse = saved["of_batch"], saved["inverse"]
        gamma = None if self.gamma is None else self.gamma.gradient
        dx = call.buffer("dx_rows", d.shape, self.dtype)
        if of_batch or gamma is not None:
            if of_batch:
                normal = saved["normal"]
            else:
                normal = call.buffer("normal", d.shape, self.dtype)
                np.subtract(saved["rows"], call.value(self.moving_mean), out=normal)
                normal *= inverse
            d_gamma = np.ones(len(d), self.dtype) @ np.multiply(d, normal, out=dx)
            if gamma is not None:
                gamma += d_gamma
        d_beta = np.ones(len(d), self.dtype) @ d
        if self.beta is not None and self.beta.gradient is not None:
            self.beta.gradient += d_beta
        if not call.input_gradient:
            return None
        s = inverse if self.gamma is None else inverse * call.value(self.gamma)
        if of_batch:
            # dx = s (dy - (sum dy + x' sum(dy x')) / n), where x' is normalized; a masked step has no part in the sums
            np.multiply(normal, -d_gamma / saved["total"], out=dx)
            dx -= d_beta / saved["total"]
            if saved["counts"] is not None:
                dx *= saved["counts"]
            dx += d
            dx *= s
        else:
            np.multiply(d, s, out=dx)
        return self._from_rows(call, "dx", dx, dy.shape, axes)
