"""Attention in several subspaces at once (Vaswani et al. 2017)."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, ops
from fastgru.autodiff.tensor import plain
from fastgru.constraints import Constraint
from fastgru.initializers import Initializer
from fastgru.layers import options
from fastgru.layers.core.einsum_dense import EinsumDense
from fastgru.layers.layer import Layer
from fastgru.layers.options import ConstraintLike, InitializerLike, PlainOptions, RegularizerLike
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.tracking import file_order
from fastgru.registry import object_form, registered
from fastgru.regularizers import Regularizer
from fastgru.types import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["MultiHeadAttention"]

_MASKED = -1e9  # what Keras puts in the place of the score of a masked step


def _optional_size(value: Any, where: str, name: str) -> int | None:
    return None if value is None else checks.positive_integer(value, where, name)


def _sizes(value: Any, where: str, name: str) -> tuple[int, ...] | None:
    count = len(value) if isinstance(value, (list, tuple)) else 1
    return None if value is None else checks.integers(value, count, where, name)


def _axes(value: Any, where: str, name: str) -> tuple[int, ...] | None:
    axes = None if value is None else checks.axes(value, where, name)
    return (axes,) if isinstance(axes, int) else None if axes is None else tuple(axes)


@registered("keras.layers")
class MultiHeadAttention(Layer):
    """Attention of several heads, each of which looks at projections of its own of query, key and value::

        scores_h = softmax(query W_q,h (key W_k,h)^T / sqrt(key_dim))
        output   = sum over h of  scores_h (value W_v,h) W_o,h

    It is called on `query` (B, T, F), `value` (B, S, V) and, optionally, `key` (B, S, K), which is `value` where
    absent. There may be several axes in the places of T and S.

    Parameters
    ----------
    num_heads : int
    key_dim : int
        Size of a head's projections of query and key.
    value_dim : int, optional
        Of its projection of the values; `key_dim` where absent.
    dropout : float
        Rate for the scores in training, in [0, 1].
    use_bias : bool
        Whether the projections have biases.
    output_shape : int or sequence of int, optional
        Of a step of the output; the query's features where absent.
    attention_axes : int or sequence of int, optional
        The axes along which steps look at each other; all between batch and features where absent.
    sliding_window : int, optional
        Steps look at those alone that are fewer steps than this away.
    flash_attention : None or False
        True, a way of graphics cards to compute the same, is refused.
    kernel_initializer, bias_initializer : str, dict or Initializer
    kernel_regularizer, bias_regularizer, activity_regularizer, kernel_constraint, bias_constraint : optional
        Of each projection.
    use_gate : bool
        Multiply what the heads put out by the sigmoid of a further projection of the query (Qiu et al. 2025).
    seed : int, optional
        For a stream of the layer's own.
    """

    _supports_masking = True

    num_heads: int = options.size()
    key_dim: int = options.size()
    value_dim: int = options.option(_optional_size)
    dropout: float = options.option(checks.rate)
    use_bias: bool = options.flag()
    use_gate: bool = options.flag()
    output_shape: tuple[int, ...] | None = options.option(_sizes)
    attention_axes: tuple[int, ...] | None = options.option(_axes)
    sliding_window: int | None = options.option(_optional_size)
    kernel_initializer: Initializer = options.initializer()
    bias_initializer: Initializer = options.initializer()
    kernel_regularizer: Regularizer | None = options.regularizer()
    bias_regularizer: Regularizer | None = options.regularizer()
    kernel_constraint: Constraint | None = options.constraint()
    bias_constraint: Constraint | None = options.constraint()
    seed: int | None = options.seed()

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: InitializerLike = "glorot_uniform",
        bias_initializer: InitializerLike = "zeros",
        kernel_regularizer: RegularizerLike = None,
        bias_regularizer: RegularizerLike = None,
        activity_regularizer: RegularizerLike = None,
        kernel_constraint: ConstraintLike = None,
        bias_constraint: ConstraintLike = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Unpack[PlainOptions],
    ) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        checks.not_supported(self._where, flash_attention=flash_attention)
        self.value_dim = self.key_dim if value_dim is None else self.value_dim
        self._activity_regularizer = options.regularizer().convert(activity_regularizer, "", "")
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype)
        self._projections: dict[str, EinsumDense] = {}  # by their names in Keras's files
        self._built_for: dict[str, Shape] = {}
        self.says_shapes = False  # found by running, for a call may ask for the scores as well

    # --- weights ------------------------------------------------------------------------------------

    def build(  # type: ignore[override]  # the arguments are Keras's
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        self.compute_output_shape(query_shape, value_shape, key_shape)
        key = value_shape if key_shape is None else key_shape
        self._built_for = {"query_shape": tuple(query_shape), "value_shape": tuple(value_shape)}
        if key_shape is not None:
            self._built_for["key_shape"] = tuple(key_shape)
        rank = len(query_shape)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis % rank for axis in axes)
        self._query_dense = self._projection("query_dense", "query", query_shape, 1, (self.num_heads, self.key_dim))
        self._key_dense = self._projection("key_dense", "key", key, 1, (self.num_heads, self.key_dim))
        if self.use_gate:
            of_gate = self.num_heads, self.value_dim
            self._gate_dense = self._projection("_gate_dense", "gate", query_shape, 1, of_gate, "sigmoid")
        self._value_dense = self._projection("value_dense", "value", value_shape, 1, (self.num_heads, self.value_dim))
        attended = (*query_shape[:-1], self.num_heads, self.value_dim)
        of_output = self.output_shape or query_shape[-1:]
        self._output_dense = self._projection("output_dense", "attention_output", attended, 2, of_output)
        self.built = True

    def _projection(
        self, attribute: str, name: str, shape: Shape, summed: int, sizes: Sequence[int | None], activation: Any = None
    ) -> EinsumDense:
        """The last `summed` axes of `shape` to `sizes`, built."""
        letters = iter(string.ascii_lowercase)
        free, bound, output = (
            "".join(next(letters) for _ in range(count)) for count in (len(shape) - summed, summed, len(sizes))
        )
        dense = self._projections[attribute] = EinsumDense(
            f"{free}{bound},{bound}{output}->{free}{output}",
            (*[None] * (len(free) - 1), *sizes),
            activation,
            output if self.use_bias else None,
            self.kernel_initializer,
            self.bias_initializer,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            name=name,
            dtype=self.dtype,
            trainable=self.trainable,
        )
        dense.supports_masking = True  # the masks that query, key and value carry
        dense.build(shape)
        for weight in dense.weights:
            weight.path = f"{self.name}/{weight.path}"
        return dense

    @property
    def sublayers(self) -> list[Layer]:
        return [*self._projections.values(), self._dropout_layer]

    def file_items(self) -> Any:
        return [(name, self._projections[name]) for name in sorted(self._projections, key=file_order)]

    @property
    def query_dense(self) -> EinsumDense:
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        return self._output_dense

    # --- shapes and configs -------------------------------------------------------------------------

    def compute_output_shape(  # type: ignore[override]  # the arguments are Keras's
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
            raise ValueError(
                f"{self._where}: all axes of value and key but the last must be equal, got {tuple(value_shape)} and "
                f"{tuple(key_shape)}."
            )
        return (*query_shape[:-1], *(self.output_shape or query_shape[-1:]))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activity_regularizer": self._activity_regularizer}

    def serialized(self, input_shape: Any = None) -> dict[str, Any]:
        return object_form(self, {"shapes_dict": self._built_for} if self._built_for else None)

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        self.build(**{name: tuple(shape) for name, shape in config["shapes_dict"].items()})

    # --- the formula --------------------------------------------------------------------------------

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """The output (B, T, F) for queries, values and keys.

        Parameters
        ----------
        query, value : (B, T, F), (B, S, V) array_like
        key : (B, S, K) array_like, optional
        query_mask, value_mask, key_mask : (B, T), (B, S), (B, S) bool array_like, optional
            Those that the tensors carry where absent. No step looks at a masked one.
        attention_mask : (B, T, S) or (B, num_heads, T, S) bool array_like, optional
            Which step may look at which.
        return_attention_scores : bool
            Whether (output, scores) is returned, with scores (B, num_heads, T, S).
        training : bool, optional
        use_causal_mask : bool
            No step looks at later ones.
        """
        projected = self._query_dense(query), self._key_dense(value if key is None else key), self._value_dense(value)
        mask = self._compute_attention_mask(
            query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask
        )
        attended, scores = self._compute_attention(*projected, mask, training, return_attention_scores)
        output = self._output_dense(attended * self._gate_dense(query) if self.use_gate else attended)
        return (output, scores) if return_attention_scores else output

    def _compute_attention_mask(
        self,
        query: Any,
        value: Any,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> Any:
        """All masks in one, broadcast to (B, T, S), or None."""
        steps = query.shape[1], value.shape[1]
        masks = [] if query_mask is None else [_as_bool(query_mask)[..., None]]
        masks += [_as_bool(mask)[..., None, :] for mask in (value_mask, key_mask) if mask is not None]
        if use_causal_mask:
            masks.append(np.tri(*steps, dtype=bool)[None])
        if self.sliding_window is not None:
            apart = np.arange(steps[0])[:, None] - np.arange(steps[1])
            masks.append((np.abs(apart) < self.sliding_window)[None])
        if attention_mask is not None:
            masks.append(_as_bool(attention_mask))
        return functools.reduce(np.logical_and, masks) if masks else None

    def _compute_attention(
        self,
        query: Any,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Any, Any]:
        """What the heads put out, (B, T, num_heads, value_dim), and the scores; a subclass may have its own.

        As in Keras, scores that are neither asked for nor dropped are None, and there a step that sees nothing takes
        the mean of all values, where it takes zeros else.
        """
        axes = self.attention_axes or ()
        if use_causal_mask:
            attention_mask = self._compute_attention_mask(query, key, None, None, None, attention_mask, True)
        scale = 1 / math.sqrt(self.key_dim)
        mask = attention_mask
        if mask is not None:
            missing = query.ndim - 1 + len(axes) - mask.ndim
            heads = mask.ndim - 2 * len(axes)  # the axis that they come in at
            mask = mask.reshape(*mask.shape[:heads], *[1] * missing, *mask.shape[heads:])
        if query.ndim == 4 and not self.dropout and not return_attention_scores:
            return ops.dot_product_attention(query, key, value, mask=mask, scale=scale), None
        of_query, of_key, of_scores = _terms(query.ndim, axes)
        scores = ops.einsum(f"{of_query},{of_key}->{of_scores}", query * scale, key)
        if mask is not None:
            scores = ops.where(mask, scores, _MASKED)
        scores = ops.softmax(scores, tuple(range(scores.ndim - len(axes), scores.ndim)))
        if mask is not None:
            scores = ops.where(mask, scores, 0.0)  # where all is masked, softmax has made equal shares of nothing
        weights = self._dropout_layer(scores, training=training) if self.dropout else scores
        return ops.einsum(f"{of_scores},{of_key}->{of_query}", weights, value), scores


def _terms(ndim: int, axes: tuple[int, ...]) -> tuple[str, str, str]:
    """The axes of projected queries, keys and scores as letters: they share those that are not attended along."""
    of_query = string.ascii_lowercase[:ndim]
    further = dict(zip(axes, string.ascii_lowercase[ndim:], strict=False))
    of_key = "".join(further.get(axis, letter) for axis, letter in enumerate(of_query))
    shared = [axis for axis in range(ndim - 1) if axis not in axes]
    of_scores = [of_query[axis] for axis in (*shared, *axes)] + [of_key[axis] for axis in axes]
    return of_query, of_key, "".join(of_scores)


def _as_bool(mask: Any) -> Any:
    return np.asarray(plain(mask), bool)
