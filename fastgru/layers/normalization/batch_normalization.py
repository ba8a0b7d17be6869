"""BatchNormalization (Ioffe and Szegedy 2015), and with `renorm` batch renormalization (Ioffe 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, config
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.context import context
from fastgru.layers.normalization.normalizer import Normalizer
from fastgru.layers.options import ConstraintLike, InitializerLike, LayerOptions, RegularizerLike
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["BatchNormalization"]


def _axis(value: Any, where: str, name: str) -> int:
    """One axis; tf.keras 2 writes a list of one."""
    return checks.integer(value[0] if isinstance(value, Sequence) and len(value) == 1 else value, where, name)


def _clipping(value: Any, where: str, name: str) -> Any:
    """What `renorm_clipping` may hold."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or set(value) - {"rmax", "rmin", "dmax"}:
        raise ValueError(
            f"{where}: Received invalid keys for `{name}` argument: {value!r}. Supported values: rmax, rmin, dmax."
        )
    rmax, rmin, dmax = (value.get(key) for key in ("rmax", "rmin", "dmax"))
    if rmax is not None and rmin is not None and rmax < rmin:
        raise ValueError(f"{where}, {name}: rmax should be greater than rmin. Received: rmax={rmax}, rmin={rmin}.")
    if dmax is not None and dmax < 0:
        raise ValueError(f"{where}, {name}: dmax should be non-negative. Received: dmax={dmax}.")
    return dict(value)


def _not_synchronized(value: Any, where: str, name: str) -> bool:
    if checks.flag(value, where, name):
        raise ValueError(
            f"{where}: Argument {name}=True is only supported by Keras with the TensorFlow backend; fastgru takes the "
            "statistics of the batch at hand, leave it out."
        )
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
    renorm : bool
        In training, bring what was normalized by the batch to running statistics, as constants: ``x' r + d`` with
        ``r = stddev / renorm_stddev`` and ``d = (mean - renorm_mean) / renorm_stddev``.
    renorm_clipping : dict, optional
        Bounds of r, ``"rmin"`` and ``"rmax"``, and of the size of d, ``"dmax"``.
    renorm_momentum : float
        That of the running statistics of `renorm`.
    synchronized
        Accepted for Keras's sake and without effect: `DataParallel` always takes the statistics of the whole batch.
    """

    axis: int = options.option(_axis)
    momentum: float = options.option(checks.rate)
    moving_mean_initializer: Initializer = options.initializer()
    moving_variance_initializer: Initializer = options.initializer()
    synchronized: bool = options.option(_not_synchronized)
    renorm: bool = options.flag(before=lambda layer: False)
    renorm_clipping: Any = options.option(_clipping)
    renorm_momentum: float = options.option(checks.rate)

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
        if self.renorm and self.renorm_clipping is None:
            self.renorm_clipping = {}  # as in Keras's config

    def build(self, input_shape: Shape) -> None:
        shape = self._sizes(input_shape, [self.axis])
        self._add_gamma_and_beta(shape, self.scale, self.center)
        self.moving_mean = self.add_weight("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        self.moving_variance = self.add_weight(
            "moving_variance", shape, self.moving_variance_initializer, trainable=False
        )
        if self.renorm:
            of_variance = self.moving_variance_initializer

            def root(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
                return np.sqrt(of_variance(shape, dtype=dtype))

            self.moving_stddev = self.add_weight("moving_stddev", shape, root, trainable=False)
            self.renorm_mean = self.add_weight("renorm_mean", shape, self.moving_mean_initializer, trainable=False)
            self.renorm_stddev = self.add_weight("renorm_stddev", shape, root, trainable=False)
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
            gamma = 1 if self.gamma is None else call.value(self.gamma)
            np.multiply(saved["normal"], saved["r"] * gamma if self.renorm else gamma, out=y)
            if self.renorm:
                y += saved["d"] * gamma
            if self.beta is not None:
                y += call.value(self.beta)
        else:
            saved["rows"] = rows
            s, offset = self._scale_and_offset(call)
            np.multiply(rows, s, out=y)
            y += offset
        return self._from_rows(call, "y", y, x.shape, axes)

    def _scale_and_offset(self, call: Call) -> tuple[Array, Array]:
        """Of each feature: y = x s + (beta - mean s) with s = gamma / sqrt(variance + epsilon)."""
        call.saved["inverse"] = inverse = 1 / np.sqrt(call.value(self.moving_variance) + self.epsilon)
        s = inverse if self.gamma is None else inverse * call.value(self.gamma)
        return s, (0 if self.beta is None else call.value(self.beta)) - call.value(self.moving_mean) * s

    def _normalize_by_batch(self, call: Call, rows: Array, scratch: Array, axes: Sequence[int], x: Array) -> None:
        """Save (x - mean) / sqrt(variance + epsilon), and move the moving statistics."""
        counts = None
        share = context.share
        total: Any = len(rows) if share is None else share.whole_size(len(rows))
        if call.mask is not None:
            mask = call.mask.reshape(call.mask.shape + (1,) * (x.ndim - call.mask.ndim))
            counts = self._rows(call, "counts", np.broadcast_to(mask, x.shape), axes)
            # Keras adds its epsilon to the number of steps that a mask leaves
            total = counts.sum(axis=0)
            total = ((total if share is None else share.sum(total)) + config.epsilon()).astype(self.dtype)
        ones = call.buffer("ones", (len(rows),), self.dtype)
        ones.fill(1)
        normal = call.buffer("normal", rows.shape, self.dtype)
        # sums of columns as products with ones: BLAS adds in blocks, faster and more exact than row after row
        sums = ones @ (rows if counts is None else np.multiply(rows, counts, out=normal))
        mean = (sums if share is None else share.sum(sums)) / total
        np.subtract(rows, mean, out=normal)
        np.square(normal, out=scratch)
        if counts is not None:
            scratch *= counts
        sums = ones @ scratch
        variance = (sums if share is None else share.sum(sums)) / total
        inverse = 1 / np.sqrt(variance + self.epsilon)
        normal *= inverse
        call.saved.update(normal=normal, inverse=inverse, counts=counts, total=total)
        if self.renorm:
            self._renormalize(call, mean, np.sqrt(variance + self.epsilon))
            return
        moved = ((self.moving_mean, mean), (self.moving_variance, variance))
        call.version.update({moving: self._moved(call, moving, new, self.momentum) for moving, new in moved})

    @staticmethod
    def _moved(call: Call, moving: Weight, new: Array, momentum: float) -> Array:
        return call.version.latest(moving) * momentum + new * (1 - momentum)

    def _renormalize(self, call: Call, mean: Array, stddev: Array) -> None:
        """Save r and d, and move all statistics."""
        latest = call.version.latest
        divisor = np.maximum(latest(self.renorm_stddev), np.asarray(self.epsilon**0.5, self.dtype))
        limits = self.renorm_clipping
        r, d = stddev / divisor, (mean - latest(self.renorm_mean)) / divisor
        r = np.clip(r, limits.get("rmin"), limits.get("rmax")).astype(self.dtype)
        dmax = limits.get("dmax")
        d = d if dmax is None else np.clip(d, -dmax, dmax).astype(self.dtype)
        call.saved.update(r=r, d=d)
        moving_stddev = self._moved(call, self.moving_stddev, stddev, self.momentum)
        call.version.update(
            {
                self.renorm_mean: self._moved(call, self.renorm_mean, mean, self.renorm_momentum),
                self.renorm_stddev: self._moved(call, self.renorm_stddev, stddev, self.renorm_momentum),
                self.moving_mean: self._moved(call, self.moving_mean, mean, self.momentum),
                self.moving_stddev: moving_stddev,
                self.moving_variance: np.maximum(moving_stddev * moving_stddev - self.epsilon, 0).astype(self.dtype),
            }
        )

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        saved = call.saved
        axes = [self.axis % dy.ndim]
        d = self._rows(call, "d_rows", dy, axes)
        of_batch, inverse = saved["of_batch"], saved["inverse"]
        gamma = None if self.gamma is None else self.gamma.gradient
        dx = call.buffer("dx_rows", d.shape, self.dtype)
        d_beta = np.ones(len(d), self.dtype) @ d
        renorm = self.renorm and of_batch
        if of_batch or gamma is not None:
            if of_batch:
                normal = saved["normal"]
            else:
                normal = call.buffer("normal", d.shape, self.dtype)
                np.subtract(saved["rows"], call.value(self.moving_mean), out=normal)
                normal *= inverse
            d_gamma = np.ones(len(d), self.dtype) @ np.multiply(d, normal, out=dx)
            if gamma is not None:
                gamma += saved["r"] * d_gamma + saved["d"] * d_beta if renorm else d_gamma
        if self.beta is not None and self.beta.gradient is not None:
            self.beta.gradient += d_beta
        if not call.input_gradient:
            return None
        if of_batch and (share := context.share) is not None:
            d_beta, d_gamma = share.sum_of_gradients(np.stack([d_beta, d_gamma]))
        s = inverse if self.gamma is None else inverse * call.value(self.gamma)
        if renorm:
            s = s * saved["r"]
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
