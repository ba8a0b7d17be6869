"""Random tensors under Keras's names: what `fastgru.random` offers beside the package's own stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastgru import random
from fastgru.checks import rate_below_one
from fastgru.checks import seed as checked_seed
from fastgru.layers.share import drawn
from fastgru.layers.variable import Variable
from fastgru.naming import unique_name
from fastgru.ops import creation, elementwise, indexing, shaping
from fastgru.ops.op import as_dtype, values

__all__ = [
    "SeedGenerator",
    "beta",
    "binomial",
    "categorical",
    "dropout",
    "gamma",
    "normal",
    "randint",
    "shuffle",
    "truncated_normal",
    "uniform",
]

DType = npt.DTypeLike | None


class SeedGenerator:
    """Random numbers that go on from call to call, the same for the same seed.

    Parameters
    ----------
    seed : int, optional
        Drawn from the package's stream where absent.
    name : str, optional

    Attributes
    ----------
    state : Variable
        Two numbers, the seed and how many draws there were.
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any) -> None:
        if kwargs:
            raise ValueError(f"SeedGenerator: unrecognized arguments {sorted(kwargs)}.")
        checked_seed(seed, "SeedGenerator", "seed")
        self.name = name or unique_name("seed_generator")
        self.seed = int(random.stream().integers(2**31)) if seed is None else int(seed)
        first = np.array([self.seed & 0xFFFFFFFF, 0], "uint32")
        self.state = Variable(first, trainable=False, name="seed_generator_state")

    def next(self, ordered: bool = True) -> Any:
        """The state before this draw, as Keras returns it; the next one is another."""
        state = self.state.numpy()
        self.state.assign(state + np.array([0, 1], "uint32"))
        return creation.convert_to_tensor(state)

    def generator(self) -> np.random.Generator:
        """A generator for the next draw."""
        return np.random.default_rng(np.asarray(self.next()).tolist())

    def get_config(self) -> dict[str, Any]:
        """Keras's config."""
        return {"seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SeedGenerator:
        """The generator that `get_config` described."""
        return cls(**config)


def _generator(seed: Any) -> np.random.Generator:
    """Of a `SeedGenerator` the next one, of a number a new one, of None the package's."""
    if isinstance(seed, SeedGenerator):
        return seed.generator()
    return random.generator(checked_seed(seed, "random", "seed"))


def _drawn(numbers: Any, dtype: DType, default: str = "float32") -> Any:
    return creation.convert_to_tensor(np.asarray(numbers).astype(as_dtype(dtype, default)))


def normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: DType = None, seed: Any = None) -> Any:
    """Normal numbers."""
    return _drawn(_generator(seed).normal(values(mean), values(stddev), tuple(shape)), dtype)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: DType = None, seed: Any = None) -> Any:
    """Normal numbers; those more than two deviations from the mean are drawn anew."""
    generator = _generator(seed)
    numbers = generator.normal(size=tuple(shape))
    while (outside := np.abs(numbers) > 2).any():
        numbers[outside] = generator.normal(size=int(outside.sum()))
    return _drawn(numbers * values(stddev) + values(mean), dtype)


def uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: DType = None, seed: Any = None) -> Any:
    """Evenly distributed numbers from `minval` to below `maxval`; whole numbers are those of `randint`."""
    if as_dtype(dtype).kind in "iu":
        raise ValueError("random.uniform: expected a dtype of floats; whole numbers are those of random.randint.")
    return _drawn(_generator(seed).uniform(values(minval), values(maxval), tuple(shape)), dtype)


def randint(shape: Any, minval: Any, maxval: Any, dtype: DType = "int32", seed: Any = None) -> Any:
    """Whole numbers from `minval` to below `maxval`."""
    if as_dtype(dtype).kind not in "iu":
        raise ValueError(f"random.randint: expected a dtype of whole numbers, got {dtype!r}.")
    return _drawn(_generator(seed).integers(values(minval), values(maxval), tuple(shape)), dtype)


def categorical(logits: Any, num_samples: int, dtype: DType = "int32", seed: Any = None) -> Any:
    """Class numbers (B, num_samples), drawn for each row of `logits` (B, classes) with its softmax."""
    logits = np.asarray(values(logits), "float64")
    if logits.ndim != 2:
        raise ValueError(f"random.categorical: expected logits of shape (batch, classes), got {logits.shape}.")
    # the largest of the logits with Gumbel noise is a draw of the softmax
    noise = _generator(seed).gumbel(size=(len(logits), num_samples, logits.shape[1]))
    return _drawn((logits[:, None] + noise).argmax(-1), dtype)


def gamma(shape: Any, alpha: Any, dtype: DType = None, seed: Any = None) -> Any:
    """Numbers of the gamma distribution."""
    return _drawn(_generator(seed).gamma(values(alpha), size=tuple(shape)), dtype)


def beta(shape: Any, alpha: Any, beta: Any, dtype: DType = None, seed: Any = None) -> Any:
    """Numbers of the beta distribution."""
    return _drawn(_generator(seed).beta(values(alpha), values(beta), tuple(shape)), dtype)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: DType = None, seed: Any = None) -> Any:
    """How many of `counts` draws succeed, each with this probability."""
    counts = np.asarray(values(counts)).astype(np.int64)
    return _drawn(_generator(seed).binomial(counts, values(probabilities), tuple(shape)), dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The entries along an axis in another order."""
    x = shaping.as_tensor(x)
    return indexing.take(x, _generator(seed).permutation(x.shape[axis]), axis)


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Any:
    """`inputs` with this part of the numbers set to 0 and the others divided by what is left.

    Parameters
    ----------
    inputs : array_like
    rate : float
    noise_shape : tuple, optional
        Of the noise, which is broadcast; that of the inputs where absent.
    seed : int or SeedGenerator, optional
    """
    rate_below_one(rate, "random.dropout", "rate")
    inputs = shaping.as_tensor(inputs)
    sizes = noise_shape or inputs.shape
    shape = [whole if size is None else size for size, whole in zip(sizes, inputs.shape, strict=True)]
    draw = _generator(seed).random
    numbers = draw(shape) if shape[:1] != [len(inputs)] else drawn(draw, tuple(shape))
    return elementwise.multiply(inputs, ((numbers >= rate) / (1 - rate)).astype(inputs.dtype))
