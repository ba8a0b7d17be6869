"""Normalizing layers: BatchNormalization (Ioffe and Szegedy 2015), LayerNormalization (Ba et al. 2016),
GroupNormalization (Wu and He 2018).

The first two work on a matrix whose columns are the normalized axes; where these are not the last, a transposed copy is
made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import constraints, initializers, regularizers
from fastgru.layers.layer import Array, Call, Layer, Shape, Weight
from fastgru.registry import registered, serialize

_TINY = 1e-7  # keras.backend.epsilon(), which Keras adds to the number of steps that a mask leaves


class Normalization(Layer):
    """What both share: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, and the options of gamma and beta."""

    gamma: Weight | None = None
    beta: Weight | None = None

    def __init__(
        self,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = float(epsilon)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def _add_gamma_and_beta(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        if scale:
            self.gamma = self.add_weight(
                "gamma", shape, self.gamma_initializer, self.gamma_regularizer, self.gamma_constraint
            )
        if center:
            self.beta = self.add_weight(
                "beta", shape, self.beta_initializer, self.beta_regularizer, self.beta_constraint
            )

    def _sizes(self, shape: Shape, axes: Sequence[int]) -> tuple[int, ...]:
        """Sizes of the normalized axes, the same as when the layer was built."""
        where = f"{type(self).__name__} {self.name!r}"
        if any(not -len(shape) <= axis < len(shape) for axis in axes):
            raise ValueError(f"{where}: input of shape {tuple(shape)} has no axis {max(axes, key=abs)}.")
        found = tuple(shape[axis] for axis in axes)
        sizes = tuple(size for size in found if size is not None)
        if len(sizes) < len(found):
            raise ValueError(f"{where}: axis {axes[found.index(None)]} must be known to build it, got {tuple(shape)}.")
        if self.built and self._weights and sizes != self._weights[0].shape:
            raise ValueError(
                f"{where}: expected sizes {self._weights[0].shape} of the axes {list(axes)}, got shape {tuple(shape)}."
            )
        return sizes

    def _rows(self, call: Call, name: str, x: Array, axes: Sequence[int]) -> Array:
        """`x` as a matrix with the normalized axes, which are counted from 0, as columns."""
        columns = math.prod(x.shape[axis] for axis in axes)
        order = [axis for axis in range(x.ndim) if axis not in axes] + list(axes)
        if order == list(range(x.ndim)):
            return x.reshape(-1, columns)
        moved = x.transpose(order)
        rows = call.buffer(name, moved.shape, x.dtype.name)
        np.copyto(rows, moved)
        return rows.reshape(-1, columns)

    def _as_input_was(self, call: Call, name: str, rows: Array, shape: tuple[int, ...], axes: Sequence[int]) -> Array:
        """The inverse of `_rows`."""
        order = [axis for axis in range(len(shape)) if axis not in axes] + list(axes)
        if order == list(range(len(shape))):
            return rows.reshape(shape)
        array = call.buffer(name, shape, self.dtype)
        np.copyto(array.transpose(order), rows.reshape([shape[axis] for axis in order]))
        return array

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": serialize(self.beta_initializer),
            "gamma_initializer": serialize(self.gamma_initializer),
            "beta_regularizer": serialize(self.beta_regularizer),
            "gamma_regularizer": serialize(self.gamma_regularizer),
            "beta_constraint": serialize(self.beta_constraint),
            "gamma_constraint": serialize(self.gamma_constraint),
        }


@registered("keras.layers")
class BatchNormalization(Normalization):
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

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        if renorm:
            raise ValueError(f"BatchNormalization {self.name!r}: renorm is not supported by fastgru.")
        if isinstance(axis, Sequence) and len(axis) == 1:
            (axis,) = axis  # as tf.keras 2 writes it
        if not isinstance(axis, (int, np.integer)):
            raise ValueError(f"BatchNormalization {self.name!r}: axis must be an integer, got {axis!r}.")
        self.axis = int(axis)
        self.momentum = float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.renorm_clipping = renorm_clipping
        self.renorm_momentum = renorm_momentum
        self.synchronized = bool(synchronized)

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
            np.multiply(saved["normal"], 1 if self.gamma is None else self.gamma.value, out=y)
            if self.beta is not None:
                y += self.beta.value
        else:
            # y = x s + (beta - mean s) with s = gamma / sqrt(variance + epsilon)
            saved["rows"], saved["inverse"] = rows, 1 / np.sqrt(self.moving_variance.value + self.epsilon)
            s = saved["inverse"] if self.gamma is None else saved["inverse"] * self.gamma.value
            np.multiply(rows, s, out=y)
            y += (0 if self.beta is None else self.beta.value) - self.moving_mean.value * s
        return self._as_input_was(call, "y", y, x.shape, axes)

    def _normalize_by_batch(self, call: Call, rows: Array, scratch: Array, axes: Sequence[int], x: Array) -> None:
        """Save (x - mean) / sqrt(variance + epsilon), and move the moving statistics."""
        counts = None
        total: Any = len(rows)
        if call.mask is not None:
            mask = call.mask.reshape(call.mask.shape + (1,) * (x.ndim - call.mask.ndim))
            counts = self._rows(call, "counts", np.broadcast_to(mask, x.shape), axes)
            total = (counts.sum(axis=0) + _TINY).astype(self.dtype)
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
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving.value * self.momentum + new * (1 - self.momentum))

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
                np.subtract(saved["rows"], self.moving_mean.value, out=normal)
                normal *= inverse
            d_gamma = np.ones(len(d), self.dtype) @ np.multiply(d, normal, out=dx)
            if gamma is not None:
                gamma += d_gamma
        d_beta = np.ones(len(d), self.dtype) @ d
        if self.beta is not None and self.beta.gradient is not None:
            self.beta.gradient += d_beta
        if not call.input_gradient:
            return None
        s = inverse if self.gamma is None else inverse * self.gamma.value
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
        return self._as_input_was(call, "dx", dx, dy.shape, axes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": serialize(self.moving_mean_initializer),
            "moving_variance_initializer": serialize(self.moving_variance_initializer),
            "synchronized": self.synchronized,
            "renorm": False,
            "renorm_clipping": self.renorm_clipping,
            "renorm_momentum": self.renorm_momentum,
        }


@registered("keras.layers")
class LayerNormalization(Normalization):
    """Normalize each sample by its own mean and variance along the given axes.

    Parameters
    ----------
    axis : int or list of int
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there are `beta` and `gamma`, of the sizes of the axes.
    beta_initializer, gamma_initializer : str, dict or Initializer
    beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint : optional
    rms_scaling : bool
        Keras's deprecated variant without mean and beta: ``x / sqrt(variance + epsilon) * gamma``.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        self.axis = axis if isinstance(axis, int) else list(axis)
        self.rms_scaling = bool(rms_scaling)

    def build(self, input_shape: Shape) -> None:
        self.axis = axes = sorted(self._listed())  # a list from here on, as in Keras's config
        shape = self._sizes(input_shape, axes)
        self._add_gamma_and_beta(shape, self.scale or self.rms_scaling, self.center and not self.rms_scaling)
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._sizes(inputs[0].shape, self._listed())

    def _listed(self) -> list[int]:
        return [self.axis] if isinstance(self.axis, int) else self.axis

    def _axes(self, x: Array) -> list[int]:
        return sorted(axis % x.ndim for axis in self._listed())

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        axes = self._axes(x)
        rows = self._rows(call, "rows", x, axes)
        columns = rows.shape[1]
        mean = rows @ np.full(columns, 1 / columns, self.dtype)
        normal = np.subtract(rows, mean[:, None], out=call.buffer("normal", rows.shape, self.dtype))
        variance = np.einsum("rc,rc->r", normal, normal) / columns
        inverse = 1 / np.sqrt(variance + self.epsilon)[:, None]
        normal *= inverse
        scaled = normal
        if self.rms_scaling:
            scaled = np.multiply(rows, inverse, out=call.buffer("scaled", rows.shape, self.dtype))
        call.saved.update(normal=normal, inverse=inverse, scaled=scaled)
        y = call.buffer("y_rows", rows.shape, self.dtype)
        np.multiply(scaled, 1 if self.gamma is None else self.gamma.value.ravel(), out=y)
        if self.beta is not None:
            y += self.beta.value.ravel()
        return self._as_input_was(call, "y", y, x.shape, axes)

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        axes = self._axes(dy)
        d = self._rows(call, "d_rows", dy, axes)
        normal, inverse, scaled = (call.saved[name] for name in ("normal", "inverse", "scaled"))
        ones = np.ones(len(d), self.dtype)
        dx = call.buffer("dx_rows", d.shape, self.dtype)
        if self.gamma is not None and self.gamma.gradient is not None:
            self.gamma.gradient += (ones @ np.multiply(d, scaled, out=dx)).reshape(self.gamma.shape)
        if self.beta is not None and self.beta.gradient is not None:
            self.beta.gradient += (ones @ d).reshape(self.beta.shape)
        if not call.input_gradient:
            return None
        # with g = dy gamma and x' the normalized x: dx = (g - mean(g) - x' mean(g x')) / sqrt(variance + epsilon);
        # rms_scaling has no mean(g), and x / sqrt(variance + epsilon) in place of the second x'
        g = call.buffer("g", d.shape, self.dtype)
        np.multiply(d, 1 if self.gamma is None else self.gamma.value.ravel(), out=g)
        columns = d.shape[1]
        np.multiply(normal, -np.einsum("rc,rc->r", g, scaled)[:, None] / columns, out=dx)
        dx += g
        if not self.rms_scaling:
            dx -= (g @ np.full(columns, 1 / columns, self.dtype))[:, None]
        dx *= inverse
        return self._as_input_was(call, "dx", dx, dy.shape, axes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "rms_scaling": self.rms_scaling}


@registered("keras.layers")
class GroupNormalization(Normalization):
    """Normalize each sample by the mean and variance of groups of its channels, over all other axes.

    Parameters
    ----------
    groups : int
        -1: as many as there are channels.
    axis : int
        The channels'.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there are `beta` and `gamma`, one for each channel.
    beta_initializer, gamma_initializer : str, dict or Initializer
    beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint : optional
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon, center, scale, beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer,
            beta_constraint, gamma_constraint, **kwargs,
        )  # fmt: skip
        self.groups = int(groups)
        self.axis = int(axis)

    def build(self, input_shape: Shape) -> None:
        (channels,) = self._sizes(input_shape, [self.axis])
        self.groups = channels if self.groups == -1 else self.groups
        if self.groups < 1 or channels % self.groups:
            raise ValueError(
                f"GroupNormalization {self.name!r}: {channels} channels are no multiple of groups={self.groups}."
            )
        self._add_gamma_and_beta((channels,), self.scale, self.center)
        self.built = True

    def check_inputs(self, *inputs: Array) -> None:
        super().check_inputs(*inputs)
        self._sizes(inputs[0].shape, [self.axis])

    def _grouped(self, x: Array) -> Array:
        """(B, *S, groups, C / groups)."""
        last = np.moveaxis(x, self.axis, -1)
        return last.reshape(*last.shape[:-1], self.groups, -1)

    def _ungrouped(self, x: Array) -> Array:
        return np.ascontiguousarray(np.moveaxis(x.reshape(*x.shape[:-2], -1), -1, self.axis))

    def _by_channel(self, weight: Weight | None, absent: float) -> Any:
        return absent if weight is None else weight.value.reshape(self.groups, -1)

    def forward(self, call: Call, *inputs: Array) -> Array:
        grouped = self._grouped(inputs[0])
        call.saved["axes"] = axes = (*range(1, grouped.ndim - 2), grouped.ndim - 1)
        normal = grouped - grouped.mean(axes, keepdims=True)
        inverse = 1 / np.sqrt(np.square(normal).mean(axes, keepdims=True) + np.asarray(self.epsilon, self.dtype))
        normal *= inverse
        call.saved["normal"], call.saved["inverse"] = normal, inverse
        return self._ungrouped(normal * self._by_channel(self.gamma, 1) + self._by_channel(self.beta, 0))

    def backward(self, call: Call, *d_outputs: Array | None) -> Array | None:
        (dy,) = d_outputs
        assert dy is not None
        d, normal, axes = self._grouped(dy), call.saved["normal"], call.saved["axes"]
        samples = tuple(range(d.ndim - 2))
        for weight, gradient in ((self.gamma, d * normal), (self.beta, d)):
            if weight is not None and weight.gradient is not None:
                weight.gradient += gradient.sum(samples).ravel()
        g = d * self._by_channel(self.gamma, 1)
        along = (g * normal).mean(axes, keepdims=True)
        return self._ungrouped((g - g.mean(axes, keepdims=True) - normal * along) * call.saved["inverse"])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}
