"""The Discretization layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgru import checks
from fastgru.layers.preprocessing.token_layer import TokenLayer, batches, encoded
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

__all__ = ["Discretization"]

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count")


@registered("keras.layers")
class Discretization(TokenLayer):
    """Numbers to the bins that they lie in.

    Parameters
    ----------
    bin_boundaries : list of float, optional
        Where the bins meet, in increasing order: one bin more than boundaries.
    num_bins : int, optional
        How many bins `adapt` makes, of equally many numbers each.
    epsilon : float
        How exact it is: a part of all numbers.
    output_mode : {"int", "one_hot", "multi_hot", "count"}
        (...) int32 bins, or floats as of `CategoryEncoding`, of which the last two are along the first axis behind the
        batch, as in Keras.
    sparse
        In Keras's signature; not supported.
    """

    takes_tokens = False

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        where = self._where
        checks.not_supported(where, sparse=sparse)
        self.output_mode = checks.choice(output_mode, OUTPUT_MODES, where, "output_mode")
        if num_bins is not None and num_bins < 0:
            raise ValueError(f"{where}: `num_bins` must be greater than or equal to 0, got num_bins={num_bins}.")
        if num_bins is not None and bin_boundaries is not None:
            raise ValueError(
                f"{where}: Both `num_bins` and `bin_boundaries` should not be set, got {num_bins} and {bin_boundaries}."
            )
        if num_bins is None and bin_boundaries is None:
            raise ValueError(f"{where}: You need to set either `num_bins` or `bin_boundaries`.")
        if not 0 < epsilon < 1:
            raise ValueError(f"{where}: epsilon must lie in (0, 1), got {epsilon!r}.")
        self.bin_boundaries = None if bin_boundaries is None else [float(one) for one in bin_boundaries]
        self.num_bins = num_bins
        self.epsilon = epsilon
        self.reset_state()

    @property
    def output_dtype(self) -> str:
        return "int32" if self.output_mode == "int" else self.dtype

    # --- adapt ----------------------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Choose boundaries so that about equally many numbers of the data lie in each bin.

        Parameters
        ----------
        data : ndarray, or an iterable of batches of them
        steps : int, optional
            How many batches to read.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{self._where}: Cannot adapt a Discretization layer that has been initialized with `bin_boundaries`, "
                "use `num_bins` instead."
            )
        self.reset_state()
        for batch in batches(data, steps, single_list=False):
            self.update_state(batch)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forget the numbers that were seen."""
        self.summary = np.zeros((2, 0), np.float32)

    def update_state(self, data: Any) -> None:
        """Take the numbers of a batch into account."""
        numbers = np.sort(np.asarray(data, np.float32).ravel())
        # every step-th number stands for those behind the one before it
        step = max(numbers.size * self.epsilon, 1.0)
        values = numbers[int(step - 1) :: int(step)]
        both = np.concatenate([np.stack([values, np.full_like(values, step)]), self.summary], axis=1)
        self.summary = _compressed(both[:, np.argsort(both[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Choose the boundaries."""
        if self.num_bins is not None:
            self.bin_boundaries = _compressed(self.summary, 1.0 / self.num_bins)[0, :-1].tolist()

    # --- as a layer -----------------------------------------------------------------------------------

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        shape = tuple(input_shape)
        if self.output_mode == "int":
            return shape
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        if self.output_mode == "one_hot":
            return (*(shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape), depth)
        return (shape[0], *shape[2:], depth) if len(shape) > 1 else (depth,)

    def forward(self, call: Call, *inputs: Array) -> Array:
        (x,) = inputs
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self._where}: You need to either pass the `bin_boundaries` argument at construction time or call "
                "`adapt(dataset)` before you can start using the `Discretization` layer."
            )
        bins = np.digitize(x, self.bin_boundaries)
        if self.output_mode == "int":
            return bins.astype(np.int32)
        if self.output_mode != "one_hot" and bins.ndim > 1:
            bins = np.moveaxis(bins, 1, -1)
        return encoded(bins, self.output_mode, len(self.bin_boundaries) + 1, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            "bin_boundaries": self.bin_boundaries,
            "num_bins": self.num_bins,
            "epsilon": self.epsilon,
            "output_mode": self.output_mode,
            "sparse": False,
            "name": self.name,
            "dtype": self.dtype,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        boundaries = config.get("bin_boundaries")
        if boundaries is None or config.get("num_bins") is None:
            return cls(**config)
        layer = cls(**{**config, "bin_boundaries": None})  # which was adapted
        layer.bin_boundaries = list(boundaries)
        return layer


def _compressed(summary: Array, epsilon: float) -> Array:
    """A summary of sorted values and their weights with one value for each part `epsilon` of the weights."""
    if summary.shape[1] * epsilon < 1:
        return summary
    parts = epsilon + np.arange(0.0, 1.0, epsilon)
    weights = summary[1].cumsum()
    shares = weights / weights[-1]
    values = np.interp(parts, shares, summary[0])
    return np.stack([values, np.diff(np.interp(parts, shares, weights), prepend=0)]).astype(np.float32)
