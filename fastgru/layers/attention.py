"""Attention over sequences: dot products (Luong et al. 2015) or sums (Bahdanau et al. 2015) as scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import activations, checks
from fastgru.layers import options
from fastgru.layers.activations.activation import activate, derive
from fastgru.layers.options import LayerOptions
from fastgru.layers.regularization.dropout import keep_mask
from fastgru.layers.seeded import Seeded
from fastgru.layers.symbolic import SymbolicTensor, is_symbolic
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AdditiveAttention", "Attention"]

_MASKED = 1e9  # what Keras takes off the score of a masked step


def _score_mode(value: Any, where: str, name: str) -> str:
    return checks.either(value, "dot", "concat", where, name)


@registered("keras.layers")
class Attention(Seeded):
    """For each step of a query the mean of the values, weighted by how well their keys match it.

    Inputs are `query` (B, Tq, F), `value` (B, Tv, V) and, optionally, `key` (B, Tv, F), which is `value` where absent;
    there may be further axes behind the batch::

        output = softmax(scores(query, key)) value          (B, Tq, V)

    Steps that the value's mask leaves out get no weight; where the query's mask leaves out a step the output is 0.

    Parameters
    ----------
    use_scale : bool
        Multiply the scores, or with ``"concat"`` the sums, by a weight `scale`.
    score_mode : {"dot", "concat"}
        ``query . key``, or a weight `concat_score_weight` times the sum of ``tanh(query + key)``.
    dropout : float
        Rate for the weights of the values in training, in [0, 1].
    seed : int, optional
        For a stream of the layer's own.
    """

    takes_list = True

    use_scale: bool = options.flag()
    score_mode: str = options.option(_score_mode)
    dropout: float = options.option(checks.rate)
    seed: int | None = options.seed()
    use_causal_mask = False
    return_attention_scores = False

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        self.scale: Weight | None = None
        self.concat_score_weight: Weight | None = None

    def __call__(
        self,
        inputs: Any,
        *more: Any,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
        **options: Any,
    ) -> Any:
        """Apply the layer; see `Layer`.

        Parameters
        ----------
        return_attention_scores : bool
            Whether the weights of the values (B, Tq, Tv), after dropout, come back behind the output. As for the next,
            it is the same in all of the layer's places in graphs.
        use_causal_mask : bool
            No step of the query sees a later step of the values.
        """
        flags = {"return_attention_scores": bool(return_attention_scores), "use_causal_mask": bool(use_causal_mask)}
        before = {name: getattr(self, name) for name in flags}
        if is_symbolic(inputs):
            if self.nodes and flags != before:
                raise ValueError(
                    f"{self._where}: stands in a graph with {before} already, expected the same, got {flags}; make "
                    "another layer."
                )
            self.__dict__.update(flags)
        elif flags != before:
            if not self.built:
                self.build([np.shape(x) for x in (inputs if isinstance(inputs, (list, tuple)) else (inputs, *more))])
            # its places in graphs go on as they are
            layer = object.__new__(type(self))
            layer.__dict__ = {**self.__dict__, **flags}
            outputs = layer(inputs, *more, **flags, **options)
            self._losses = layer._losses
            return outputs
        outputs = super().__call__(inputs, *more, **options)
        return tuple(outputs) if isinstance(outputs, list) else outputs

    def call_arguments(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        arguments, options = super().call_arguments(inputs)
        flags = {name: True for name in ("return_attention_scores", "use_causal_mask") if getattr(self, name)}
        return arguments, {**options, **flags}

    def compute_output_spec(self, *inputs: SymbolicTensor) -> list[tuple[Shape, str]]:
        specs = super().compute_output_spec(*inputs)
        if self.return_attention_scores:
            specs.append(((*inputs[0].shape[:-1], inputs[1].shape[-2]), self.dtype))
        return specs

    def build(self, input_shape: Sequence[Shape]) -> None:
        self.compute_output_shape(input_shape)
        if self.use_scale:
            self.scale = self.add_weight("scale", (), "ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight("concat_score_weight", (), "ones")
        self.built = True

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = [tuple(shape) for shape in input_shape]
        fits = len(shapes) in (2, 3) and len(shapes[0]) > 2 and len({len(shape) for shape in shapes}) == 1
        if fits:
            query, value, key = (*shapes, shapes[-1])[:3]
            equal = [(query[-1], key[-1]), *zip(value[:-1], key[:-1], strict=True)]
            equal += zip(query[:-2], value[:-2], strict=True)
            fits = all(one == other or None in (one, other) for one, other in equal)
        if not fits:
            raise ValueError(
                f"{self._where}: expected a query (batch, Tq, features), a value (batch, Tv, "
                f"size) and perhaps a key (batch, Tv, features), got the shapes {', '.join(map(str, shapes))}."
            )
        return (*shapes[0][:-1], shapes[1][-1])

    def check_inputs(self, *inputs: Array) -> None:
        self._check_not_empty(*inputs)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        return call.mask

    def compute_mask(self, inputs: Any, mask: Any = None, previous_mask: Any = None) -> Any:
        """The mask of the query, the first of a list of masks."""
        if mask is not None and (not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3)):
            raise ValueError(f"{self._where}: expected mask to be a list of two or three masks, got {mask!r}.")
        return None if mask is None else mask[0]

    # --- the two passes -----------------------------------------------------------------------------

    def forward(self, call: Call, *inputs: Array) -> Array | tuple[Array, Array]:
        shape: Any = self.compute_output_shape([x.shape for x in inputs])
        query, value, key = (*inputs, inputs[-1])[:3]
        weights = call.buffer("weights", (*shape[:-1], value.shape[-2]), self.dtype)
        self._score(call, query, key, weights)
        value_mask = call.masks[1] if len(call.masks) > 1 else None
        counts = None if value_mask is None else value_mask[..., None, :]
        if self.use_causal_mask:
            past = np.tri(*weights.shape[-2:], dtype=np.bool_)
            counts = past if counts is None else counts & past
        if counts is not None:
            np.subtract(weights, _MASKED, out=weights, where=~counts)
        activate(activations.softmax, weights)
        applied, survivors = weights, None
        if call.training and self.dropout > 0:
            survivors = keep_mask(self._generator, weights.shape, self.dropout, self.dtype)
            applied = weights * survivors
        y = np.matmul(applied, value, out=call.buffer("y", shape, self.dtype))
        if call.mask is not None:
            y *= call.mask[..., None]
        call.saved.update(inputs=inputs, weights=weights, applied=applied, survivors=survivors)
        return (y, applied) if self.return_attention_scores else y

    def backward(self, call: Call, *d_outputs: Array | None) -> tuple[Array, ...]:
        dy, d_applied = (*d_outputs, None)[:2]
        inputs, weights, applied, survivors = (
            call.saved[name] for name in ("inputs", "weights", "applied", "survivors")
        )
        query, value, key = (*inputs, inputs[-1])[:3]
        if dy is None:
            dy = np.zeros((*query.shape[:-1], value.shape[-1]), self.dtype)
        if call.mask is not None:
            dy = dy * call.mask[..., None]
        d_value = np.matmul(applied.swapaxes(-1, -2), dy, out=call.buffer("d_value", value.shape, self.dtype))
        d_scores = np.matmul(dy, value.swapaxes(-1, -2), out=call.buffer("d_scores", weights.shape, self.dtype))
        if d_applied is not None:
            d_scores += d_applied
        if survivors is not None:
            d_scores *= survivors
        derive(activations.softmax, weights, d_scores)
        d_query, d_key = self._score_gradients(call, query, key, d_scores)
        if len(inputs) == 2:
            d_value += d_key
            return d_query, d_value
        return d_query, d_value, d_key

    def _score(self, call: Call, query: Array, key: Array, scores: Array) -> None:
        """Fill `scores` (B, Tq, Tv)."""
        if self.score_mode == "concat":
            assert self.concat_score_weight is not None
            sizes = np.full(query.shape[-1], call.value(self.concat_score_weight), self.dtype)
            self._score_sums(call, query, key, sizes, self.scale, scores)
            return
        np.matmul(query, key.swapaxes(-1, -2), out=scores)
        if self.scale is not None:
            scores *= call.value(self.scale)

    def _score_gradients(self, call: Call, query: Array, key: Array, d_scores: Array) -> tuple[Array, Array]:
        """Gradients of query and key from those of the scores; adds those of the weights."""
        if self.score_mode == "concat":
            d_query, d_key, d_sizes = self._score_sums_gradients(call, query, key, self.scale, d_scores)
            assert self.concat_score_weight is not None
            if self.concat_score_weight.gradient is not None:
                self.concat_score_weight.gradient += d_sizes.sum()
            return d_query, d_key
        d_query = np.matmul(d_scores, key, out=call.buffer("d_query", query.shape, self.dtype))
        d_key = np.matmul(d_scores.swapaxes(-1, -2), query, out=call.buffer("d_key", key.shape, self.dtype))
        if self.scale is not None:
            if self.scale.gradient is not None:
                self.scale.gradient += np.vdot(d_query, query)
            d_query *= call.value(self.scale)
            d_key *= call.value(self.scale)
        return d_query, d_key

    # --- scores = sum over features of sizes * tanh(scale * (query + key)) --------------------------

    def _score_sums(
        self, call: Call, query: Array, key: Array, sizes: Array, scale: Weight | None, scores: Array
    ) -> None:
        t = call.buffer("t", (*scores.shape, len(sizes)), self.dtype)
        np.add(query[..., None, :], key[..., None, :, :], out=t)
        if scale is not None:
            t *= call.value(scale)
        activate(activations.tanh, t)
        np.matmul(t, sizes, out=scores)
        call.saved.update(t=t, sizes=sizes)

    def _score_sums_gradients(
        self, call: Call, query: Array, key: Array, scale: Weight | None, d_scores: Array
    ) -> tuple[Array, Array, Array]:
        """Gradients of query, key and sizes; adds that of the scale."""
        t, sizes = call.saved["t"], call.saved["sizes"]
        d_sizes = d_scores.reshape(-1) @ t.reshape(-1, len(sizes))
        d = np.multiply(d_scores[..., None], sizes, out=call.buffer("d", t.shape, self.dtype))
        derive(activations.tanh, t, d)
        d_query = np.sum(d, axis=-2, out=call.buffer("d_query", query.shape, self.dtype))
        d_key = np.sum(d, axis=-3, out=call.buffer("d_key", key.shape, self.dtype))
        if scale is not None:
            if scale.gradient is not None:
                scale.gradient += np.vdot(d_query, query) + np.vdot(d_key, key)
            d_query *= call.value(scale)
            d_key *= call.value(scale)
        return d_query, d_key, d_sizes


@registered("keras.layers")
class AdditiveAttention(Attention):
    """`Attention` whose scores are the sums of ``scale * tanh(query + key)`` over the features.

    Parameters
    ----------
    use_scale : bool
        Whether there is a weight `scale` (F,); it is 1 otherwise.
    dropout : float
        Rate for the weights of the values in training, in [0, 1].
    seed : int, optional
        For a stream of the layer's own.
    """

    score_mode: str = options.option(in_config=False)

    def __init__(
        self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Unpack[LayerOptions]
    ) -> None:
        super().__init__(use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Sequence[Shape]) -> None:
        self.compute_output_shape(input_shape)
        features = input_shape[0][-1]
        if self.use_scale:
            if features is None:
                raise ValueError(
                    f"{self._where}: the query's last axis must be known to build it, got {tuple(input_shape[0])}."
                )
            self.scale = self.add_weight("scale", (features,), "glorot_uniform")
        self.built = True

    def _score(self, call: Call, query: Array, key: Array, scores: Array) -> None:
        sizes = np.ones(query.shape[-1], self.dtype) if self.scale is None else call.value(self.scale)
        self._score_sums(call, query, key, sizes, None, scores)

    def _score_gradients(self, call: Call, query: Array, key: Array, d_scores: Array) -> tuple[Array, Array]:
        d_query, d_key, d_sizes = self._score_sums_gradients(call, query, key, None, d_scores)
        if self.scale is not None and self.scale.gradient is not None:
            self.scale.gradient += d_sizes
        return d_query, d_key
