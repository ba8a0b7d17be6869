"""Initial values of weights: Keras's initializers with their names, distributions and configs.

The numbers themselves are not Keras's: the distributions are, the generator is numpy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from fastgru import checks, random, threads
from fastgru.moved import attributes
from fastgru.registry import Identifier, registered, resolve
from fastgru.serialization import deserialize_keras_object, serialize_keras_object
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

KIND = "keras.initializers"


class Initializer:
    """Base of all initializers: an object that makes an array of any shape and dtype."""

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        """A new array of this shape; ``dtype`` None means float32."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__.")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer that `get_config` described."""
        return cls(**config)

    def clone(self) -> Self:
        """An equal initializer."""
        return type(self).from_config(self.get_config())


@registered(KIND, "zero")
class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        return np.zeros(shape, dtype or "float32")


@registered(KIND, "one")
class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        return np.ones(shape, dtype or "float32")


@registered(KIND)
class Constant(Initializer):
    """One number everywhere, or the numbers of an array whose shape fits the weight's: `value`."""

    def __init__(self, value: npt.ArrayLike = 0.0) -> None:
        checks.real_numbers(value, "Constant, value")
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        return np.full(shape, self.value, dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(deserialize_keras_object(config["value"]))


@registered(KIND, "IdentityInitializer")
class Identity(Initializer):
    """The identity matrix times `gain`, for two axes only."""

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = checks.number(gain, type(self).__name__, "gain")

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        if len(shape) != 2:
            raise ValueError(f"Identity: expected a shape of 2 axes, got {tuple(shape)}.")
        return np.eye(shape[0], shape[1], dtype=dtype or "float32") * np.asarray(self.gain, dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base of the random initializers.

    Parameters
    ----------
    seed : int, optional
        With a seed every call returns the same numbers; without one they come from the package's stream, which
        `fastgru.utils.set_random_seed` starts.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and not isinstance(seed, int | np.integer):
            raise ValueError(f"{type(self).__name__}: expected a whole number or None as seed, got {seed!r}.")
        self.seed = None if seed is None else int(seed)

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Numbers of this distribution, in float64."""
        raise NotImplementedError(f"{type(self).__name__} does not define draw.")

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        return self.draw(random.generator(self.seed), tuple(shape)).astype(dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@registered(KIND, "uniform")
class RandomUniform(RandomInitializer):
    """Uniform between `minval` and `maxval`."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = checks.number(minval, type(self).__name__, "minval")
        self.maxval = checks.number(maxval, type(self).__name__, "maxval")
        if minval > maxval:
            raise ValueError(f"RandomUniform: minval must be at most maxval, got {minval!r} and {maxval!r}.")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return generator.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


@registered(KIND, "normal")
class RandomNormal(RandomInitializer):
    """Normal with the mean `mean` and the standard deviation `stddev`."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = checks.number(mean, type(self).__name__, "mean")
        self.stddev = checks.not_negative(stddev, type(self).__name__, "stddev")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return generator.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


@registered(KIND)
class TruncatedNormal(RandomNormal):
    """Normal, drawn anew beyond two standard deviations; `stddev` is that before truncation."""

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self.mean + self.stddev * _truncated_normal(generator, shape)


def _truncated_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers within [-2, 2]."""
    values = generator.standard_normal(shape)
    outside = np.abs(values) > 2
    while outside.any():
        values[outside] = generator.standard_normal(int(outside.sum()))
        outside = np.abs(values) > 2
    return values


@registered(KIND)
class VarianceScaling(RandomInitializer):
    """Zero mean and variance ``scale / n``, where n is the fan the mode names.

    Parameters
    ----------
    scale : float
        Greater than 0.
    mode : {"fan_in", "fan_out", "fan_avg"}
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        "normal" is another name of "truncated_normal".
    seed : int, optional
    input_axes, output_axes : sequence of int, optional
        The axes whose lengths multiply to fan_in and fan_out, where they are not the last two.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = checks.text(distribution, type(self).__name__, "distribution").lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if not checks.is_not_negative(scale) or scale == 0:
            raise ValueError(
                f"{type(self).__name__}: Argument `scale` must be positive float. Received: scale={scale}; expected a "
                "scale greater than 0."
            )
        for name, value, choices in (("mode", mode, _MODES), ("distribution", distribution, _DISTRIBUTIONS)):
            if value not in choices:
                raise ValueError(
                    f"{type(self).__name__}: Invalid `{name}` argument: expected one of {', '.join(choices)}, "
                    f"got {value!r}."
                )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        for name, axes in (("input_axes", input_axes), ("output_axes", output_axes)):
            checks.optional(checks.axes)(axes, type(self).__name__, name)
        self.input_axes = input_axes
        self.output_axes = output_axes

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        if self.distribution == "uniform":
            limit = math.sqrt(3 * variance)
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return generator.normal(0.0, math.sqrt(variance), shape)
        return math.sqrt(variance) / _TRUNCATED_STDDEV * _truncated_normal(generator, shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")
_TRUNCATED_STDDEV = 0.87962566103423978  # of a standard normal distribution cut at -2 and 2


class _NamedScaling(VarianceScaling):
    """A VarianceScaling with a name for its scale, mode and distribution."""

    _fixed: tuple[float, str, str]

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(*self._fixed, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "input_axes": self.input_axes, "output_axes": self.output_axes}


@registered(KIND)
class GlorotUniform(_NamedScaling):
    """Uniform within ``sqrt(6 / (fan_in + fan_out))``; also called Xavier."""

    _fixed = (1.0, "fan_avg", "uniform")


@registered(KIND)
class GlorotNormal(_NamedScaling):
    """Truncated normal of variance ``2 / (fan_in + fan_out)``; also called Xavier."""

    _fixed = (1.0, "fan_avg", "truncated_normal")


@registered(KIND)
class HeUniform(_NamedScaling):
    """Uniform within ``sqrt(6 / fan_in)``."""

    _fixed = (2.0, "fan_in", "uniform")


@registered(KIND)
class HeNormal(_NamedScaling):
    """Truncated normal of variance ``2 / fan_in``."""

    _fixed = (2.0, "fan_in", "truncated_normal")


@registered(KIND)
class LecunUniform(_NamedScaling):
    """Uniform within ``sqrt(3 / fan_in)``."""

    _fixed = (1.0, "fan_in", "uniform")


@registered(KIND)
class LecunNormal(_NamedScaling):
    """Truncated normal of variance ``1 / fan_in``."""

    _fixed = (1.0, "fan_in", "truncated_normal")


@registered(KIND, "OrthogonalInitializer")
class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    More than two axes are one matrix whose rows are all axes but the last.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = checks.number(gain, type(self).__name__, "gain")

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal: expected a shape of at least 2 axes, got {shape}.")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
        with threads.one_blas_thread():  # the bits of a threaded QR depend on the number of threads
            q, r = np.linalg.qr(normal)
        # the signs make the distribution uniform over all orthogonal matrices
        q *= np.sign(np.diagonal(r))
        if rows < columns:
            q = q.T
        return self.gain * q.reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


class ValuesInitializer(Initializer):
    """An initializer made of a function ``(shape, dtype)`` or of an array."""

    def __init__(self, source: Callable[..., Any] | Array) -> None:
        self.source = source

    def __call__(self, shape: Sequence[int], dtype: npt.DTypeLike = "float32") -> Array:
        values = np.array(self.source(shape, dtype=dtype) if callable(self.source) else self.source, dtype=dtype)
        if values.shape != tuple(shape):
            raise ValueError(
                f"Initializer: Expected `shape` to be {values.shape}, that of the array; expected an array of shape "
                f"{tuple(shape)}, got {values.shape}."
            )
        return values

    def get_config(self) -> dict[str, Any]:
        raise ValueError("Initializer: a function or an array cannot be written to a config; give an Initializer.")


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Numbers of inputs and outputs, (fan_in, fan_out), of a weight: the last two axes, times the axes before them."""
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


@overload
def get(identifier: None, custom_objects: Mapping[str, Any] | None = None) -> None: ...
@overload
def get(
    identifier: Identifier | Array | np.generic, custom_objects: Mapping[str, Any] | None = None
) -> Initializer: ...
def get(
    identifier: Identifier | Array | np.generic | None, custom_objects: Mapping[str, Any] | None = None
) -> Initializer | None:
    """The initializer for a Keras name, config, class, function ``(shape, dtype)``, array, or itself; None for None.

    Raises
    ------
    ValueError
        The name is unknown (the message has the nearest), or it is something else.
    """
    if isinstance(identifier, np.ndarray | np.generic):
        return ValuesInitializer(np.asarray(identifier))
    values = resolve(identifier, KIND, custom_objects)
    return values if values is None or isinstance(values, Initializer) else ValuesInitializer(values)


def serialize(initializer: Initializer | None) -> Any:
    """Keras 3's JSON form of an initializer."""
    return serialize_keras_object(initializer)


def deserialize(config: Identifier | None, custom_objects: Mapping[str, Any] | None = None) -> Initializer | None:
    """The initializer that `serialize` described; its name stands for it, too. ValueError as for `get`."""
    return get(config, custom_objects)


zeros = Zeros
ones = Ones
constant = Constant
identity = Identity
random_uniform = RandomUniform
random_normal = RandomNormal
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
orthogonal = Orthogonal


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # which would take every name for one of this module
    __getattr__ = attributes(__name__)
