"""SpectralNormalization (Miyato et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, config
from fastgru.initializers import TruncatedNormal
from fastgru.layers import options
from fastgru.layers.core.wrapper import Wrapper
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.penalties import run_backward, run_forward
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call, Version
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SpectralNormalization"]


def _iterations(value: Any, where: str, name: str) -> int:
    number = checks.integer(value, where, name)
    if number <= 0:
        raise ValueError(f"{where}: `{name}` should be greater than zero. Received: `{name}={number}`")
    return number


@registered("keras.layers")
class SpectralNormalization(Wrapper):
    """Run a layer, in training with its kernel divided by the largest singular value of it.

    That is found by power iteration, from a vector `vector_u` that is no trained weight and goes on from call to call.

    Parameters
    ----------
    layer : Layer
        One with a `kernel` or `embeddings`, as Dense, Conv1D and Embedding.
    power_iterations : int
        In each call in training.

    Notes
    -----
    As in Keras on JAX: where a gradient is taken, by `fit` or a tape, it goes through the division, and what is updated
    is the kernel itself. A call in training of which nobody takes a gradient leaves the divided kernel in the layer.
    Outside of training the layer runs as it is. What comes out of an `Embedding` stays real where ids are integers;
    Keras makes them integers, too.
    """

    inner = ("layer",)
    _supports_masking = False

    power_iterations: int = options.option(_iterations)

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        if not isinstance(layer, Layer):
            raise ValueError(f"{self._where}: expected a layer to wrap, got {layer!r}.")
        if layer.runs_call:
            raise ValueError(
                f"{self._where}: the layer {layer.name!r} reads its kernel in a call of its own, where no other can be "
                "put in its place; wrap a layer that has forward and backward, as Dense."
            )
        self.layer = layer
        self._set_options(locals())
        self._settle_dtype(kwargs.get("dtype"))

    def build(self, input_shape: Shape) -> None:
        self._build_inner(self.layer, input_shape)
        own: Any = dict(self.layer.file_items()).get("", [])  # a GRU's kernel is that of its cell
        named = [getattr(self.layer, name, None) for name in ("kernel", "embeddings")]
        kernels = [weight for weight in own if any(weight is one for one in named)]
        if not kernels:
            raise ValueError(
                f"{self._where}: {type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings'"
            )
        self.kernel: Weight = kernels[0]
        shape = (1, self.kernel.shape[-1])
        self.vector_u = self.add_weight("vector_u", shape, TruncatedNormal(stddev=0.02), trainable=False)
        self.built = True

    @property
    def own_weights(self) -> list[Weight]:
        """As Keras lists and stores them: the kernel is also an attribute of this layer."""
        return [self.kernel, self.vector_u] if self.built else []

    @property
    def trainable_weights(self) -> list[Weight]:
        return self.layer.trainable_weights if self.trainable else []

    def file_items(self) -> Any:
        return [("", self.own_weights), *super().file_items()]

    def compute_output_shape(self, input_shape: Shape) -> Any:
        return self.layer.compute_output_shape(input_shape)

    @property
    def input_dtype(self) -> str | None:
        return self.layer.input_dtype

    def as_input(self, x: Any) -> Array:
        return self.layer.as_input(x)

    def check_inputs(self, *inputs: Array) -> None:
        self.layer.check_inputs(*inputs)

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None

    def _divided(self, kernel: Array, u: Array) -> tuple[Array, Array, Array, Array]:
        """The kernel over its largest singular value, that value, and its singular vectors v and u, each a row."""
        w = kernel.reshape(-1, kernel.shape[-1])
        for _ in range(self.power_iterations):
            v = _unit(u @ w.T)
            u = _unit(v @ w)
        sigma = v @ w @ u.T
        return kernel / sigma[0, 0], sigma, v, u

    def forward(self, call: Call, *inputs: Array) -> Any:
        child = call.child(0)
        child.masks, child.version = call.masks, call.version
        call.saved["divided"] = None
        kernel = call.value(self.kernel)
        if call.training and kernel.any():
            divided, sigma, v, u = self._divided(kernel, call.version.latest(self.vector_u))
            divided_values = {**(call.version.values or {}), self.kernel: divided}
            child.version = Version(divided_values, call.version.outer or call.version)
            moved = {self.vector_u: u}
            if call.differentiate and any(weight is self.kernel for weight in self.trainable_weights):
                call.saved["divided"] = divided, sigma, v, u
            else:
                moved[self.kernel] = divided
            call.version.update(moved)
        y, call.penalty = run_forward(self.layer, child, *inputs)
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> Any:
        child = call.child(0)
        child.input_gradient = call.input_gradient
        total = self.kernel.gradient
        if call.saved["divided"] is None or total is None:
            return run_backward(self.layer, child, *d_outputs)
        divided, sigma, v, u = call.saved["divided"]
        self.kernel.gradient = d = np.zeros_like(divided)
        try:
            dx = run_backward(self.layer, child, *d_outputs)
        finally:
            self.kernel.gradient = total
        # y = w / s with s = v w u': dw = (dy - sum(dy y) v'u) / s, where v and u count as constants
        total += (d - np.sum(d * divided) * (v.T @ u).reshape(d.shape)) / sigma[0, 0]
        return dx


def _unit(x: Array) -> Array:
    """A vector over its length, which counts as no less than Keras's epsilon."""
    length = np.maximum(np.sqrt(np.square(x).sum()), np.asarray(config.epsilon(), x.dtype))
    return np.asarray(x / length)
