"""Layers that make one array out of several: Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Dot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from fastgru import checks, config
from fastgru.layers import options
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions
from fastgru.layers.workspace import Call
from fastgru.registry import registered
from fastgru.types import Array, Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Add",
    "Average",
    "Concatenate",
    "Dot",
    "ElementwiseMerge",
    "Extreme",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Subtract",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]


class Merge(Layer):
    """What they share: a list of inputs, whose batch sizes agree.

    `compute_output_shape` refuses shapes that do not fit, and `forward` asks it.
    """

    takes_list = True

    def check_inputs(self, *inputs: Array) -> None:
        self._check_not_empty(*inputs)

    def _refuse(self, expected: str, shapes: Sequence[Shape]) -> None:
        raise ValueError(
            f"{self._where}: expected {expected}, got the shapes {', '.join(str(tuple(shape)) for shape in shapes)}."
        )

    def _batch(self, shapes: Sequence[Shape]) -> int | None:
        sizes = {shape[0] for shape in shapes} - {None}
        if len(sizes) > 1:
            self._refuse("one batch size", shapes)
        return sizes.pop() if sizes else None


def _leading(mask: Array, ndim: int) -> Array:
    """A mask over the first axes of an array with `ndim` axes, so that both can be broadcast."""
    return mask.reshape(mask.shape + (1,) * (ndim - mask.ndim))


def _expanded(x: Array, ndim: int) -> Array:
    """`x` with axes of size 1 after the batch, `ndim` in all."""
    return x.reshape(x.shape[:1] + (1,) * (ndim - x.ndim) + x.shape[1:])


def _summed_to(shape: tuple[int, ...], d: Array) -> Array:
    """The gradient of an array of this shape, from that of what it was broadcast to (after `_expanded`)."""
    full = shape[:1] + (1,) * (d.ndim - len(shape)) + shape[1:]
    axes = tuple(axis for axis, size in enumerate(full) if size == 1 and d.shape[axis] > 1)
    return (d.sum(axis=axes, keepdims=True) if axes else d).reshape(shape)


class ElementwiseMerge(Merge):
    """Merges number by number: sizes of 1 are repeated, missing axes are put behind the batch axis.

    A step counts where it does in any input; where an input has no mask, the output has none.
    """

    inputs_allowed: int | None = None
    says_inputs = ""

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = list(input_shape)
        if not shapes or self.inputs_allowed not in (None, len(shapes)):
            self._refuse(f"{self.inputs_allowed or 'one or more'} inputs{self.says_inputs}", shapes)
        batch = self._batch(shapes)
        ndim = max(len(shape) for shape in shapes)
        sizes: list[int | None] = []
        for axis in range(1, ndim):
            # counted from the last axis, as the ranks may differ
            along = {shape[axis - ndim] for shape in shapes if len(shape) > ndim - axis} - {1}
            fixed = along - {None}
            if len(fixed) > 1:
                self._refuse("shapes that are equal but for sizes of 1", shapes)
            sizes.append(None if None in along else fixed.pop() if fixed else 1)
        return (batch, *sizes)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        masks = [mask for mask in call.masks if mask is not None]
        return reduce(np.logical_or, masks) if len(masks) == len(inputs) else None

    def forward(self, call: Call, *inputs: Array) -> Array:
        shape: Any = self.compute_output_shape([x.shape for x in inputs])
        call.saved["shapes"] = [x.shape for x in inputs]
        y = call.buffer("y", shape, self.dtype)
        self._merge(call, y, [_expanded(x, len(shape)) for x in inputs], self._masks(call, inputs, len(shape)))
        return y

    def _masks(self, call: Call, inputs: Sequence[Array], ndim: int) -> list[Array | None]:
        """For each input its mask, to be broadcast; as in Keras, an input of fewer axes than the output has none."""
        masks = [*call.masks, *[None] * len(inputs)]
        return [
            None if mask is None or x.ndim < ndim else _leading(mask, ndim)
            for x, mask in zip(inputs, masks, strict=False)
        ]

    def backward(self, call: Call, *d_outputs: Array | None) -> tuple[Array, ...]:
        (dy,) = d_outputs
        assert dy is not None
        shapes = call.saved["shapes"]
        return tuple(
            _summed_to(shape, d) for shape, d in zip(shapes, self._gradients(call, dy, len(shapes)), strict=True)
        )

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        """Fill `y` with the merged inputs, all of its number of axes."""
        raise NotImplementedError

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        """The gradient of each input as if it had the shape of the output."""
        raise NotImplementedError


@registered("keras.layers")
class Add(ElementwiseMerge):
    """The sum of the inputs."""

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        np.copyto(y, inputs[0])
        for x in inputs[1:]:
            y += x

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        return [dy] * count


@registered("keras.layers")
class Average(Add):
    """The mean of the inputs."""

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        super()._merge(call, y, inputs, masks)
        y /= len(inputs)

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        return [np.divide(dy, count, out=call.buffer("d", dy.shape, self.dtype))] * count


@registered("keras.layers")
class Subtract(ElementwiseMerge):
    """The first input minus the second."""

    inputs_allowed = 2
    says_inputs = " (the layer should be called on exactly 2 inputs)"

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        np.subtract(inputs[0], inputs[1], out=y)

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        return [dy, np.negative(dy, out=call.buffer("d", dy.shape, self.dtype))]


@registered("keras.layers")
class Multiply(ElementwiseMerge):
    """The product of the inputs. A masked step is a factor of 1, and the output 0 where all inputs are masked."""

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        factors = [
            x if mask is None else np.where(mask, x, x.dtype.type(1)) for x, mask in zip(inputs, masks, strict=True)
        ]
        present = [mask for mask in masks if mask is not None]
        counts = reduce(np.logical_or, present) if len(present) == len(inputs) else None
        call.saved.update(factors=factors, masks=masks, counts=counts)
        np.copyto(y, factors[0])
        for factor in factors[1:]:
            y *= factor
        if counts is not None:
            y *= counts

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        factors, masks, counts = (call.saved[name] for name in ("factors", "masks", "counts"))
        gradients = []
        for index, mask in enumerate(masks):
            d = call.buffer(f"d{index}", dy.shape, self.dtype)
            np.copyto(d, dy)
            # no division by the input's factor, which may be 0
            for factor in [*factors[:index], *factors[index + 1 :], mask, counts]:
                if factor is not None:
                    d *= factor
            gradients.append(d)
        return gradients


class Extreme(ElementwiseMerge):
    """The largest or smallest of the inputs that count; the first one where none does."""

    _ufunc: Any

    def _merge(self, call: Call, y: Array, inputs: Sequence[Array], masks: Sequence[Array | None]) -> None:
        np.copyto(y, inputs[0])
        counts = masks[0]
        for x, mask in zip(inputs[1:], masks[1:], strict=True):
            both = True if mask is None else mask
            if counts is not None:
                np.copyto(y, x, where=both & ~counts)
            self._ufunc(y, x, out=y, where=both)
            counts = None if counts is None or mask is None else counts | mask
        call.saved.update(inputs=inputs, masks=masks, counts=counts, y=y)

    def _gradients(self, call: Call, dy: Array, count: int) -> Sequence[Array]:
        inputs, masks, counts, y = (call.saved[name] for name in ("inputs", "masks", "counts", "y"))
        chosen = [x == y if mask is None else (x == y) & mask for x, mask in zip(inputs, masks, strict=True)]
        if counts is not None:
            chosen[0] = chosen[0] | ~counts
        # inputs that are equal share the gradient
        share = np.divide(dy, sum(one.astype(self.dtype) for one in chosen), out=call.buffer("d", dy.shape, self.dtype))
        return [np.multiply(share, one) for one in chosen]


@registered("keras.layers")
class Maximum(Extreme):
    """The largest of the inputs, number by number."""

    _ufunc = np.maximum


@registered("keras.layers")
class Minimum(Extreme):
    """The smallest of the inputs, number by number."""

    _ufunc = np.minimum


@registered("keras.layers")
class Concatenate(Merge):
    """The inputs one after the other along an axis.

    Parameters
    ----------
    axis : int
        Any but the batch axis.
    """

    axis: int = options.option(checks.integer)

    def __init__(self, axis: int = -1, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = list(input_shape)
        ndim = len(shapes[0]) if shapes else 0
        if not shapes or any(len(shape) != ndim for shape in shapes):
            self._refuse("one or more inputs of as many axes each", shapes)
        axis = self.axis % ndim if -ndim <= self.axis < ndim else 0
        if axis == 0:
            self._refuse(f"inputs with an axis {self.axis} that is not the batch axis", shapes)
        sizes: list[int | None] = [self._batch(shapes)]
        for other in range(1, ndim):
            along = [shape[other] for shape in shapes]
            fixed = {size for size in along if size is not None}
            if other == axis:
                sizes.append(None if None in along else sum(size for size in along if size is not None))
            elif len(fixed) > 1:
                self._refuse(
                    f"shapes that are equal but along axis {self.axis} (it requires inputs with matching shapes "
                    "except for the concatenation axis)",
                    shapes,
                )
            else:
                sizes.append(fixed.pop() if fixed else None)
        return tuple(sizes)

    def outgoing_mask(self, call: Call, *inputs: Array) -> Array | None:
        masks = [*call.masks, *[None] * len(inputs)][: len(inputs)]
        if all(mask is None for mask in masks):
            return None
        axis = self.axis % inputs[0].ndim
        parts = [
            np.broadcast_to(True if mask is None else _leading(mask, x.ndim - 1), x.shape[:-1])
            for x, mask in zip(inputs, masks, strict=True)
        ]
        # a step counts where any feature in it does; features without a mask always do
        return reduce(np.logical_or, parts) if axis == inputs[0].ndim - 1 else np.concatenate(parts, axis)

    def forward(self, call: Call, *inputs: Array) -> Array:
        shape: Any = self.compute_output_shape([x.shape for x in inputs])
        call.saved["sizes"] = [x.shape[self.axis] for x in inputs]
        return np.concatenate(inputs, axis=self.axis, out=call.buffer("y", shape, self.dtype))

    def backward(self, call: Call, *d_outputs: Array | None) -> tuple[Array, ...]:
        (dy,) = d_outputs
        assert dy is not None
        ends = np.cumsum(call.saved["sizes"])[:-1]
        return tuple(np.ascontiguousarray(part) for part in np.split(dy, ends, axis=self.axis))


@registered("keras.layers")
class Dot(Merge):
    """The products of the vectors along an axis of each of two inputs: (B, M, F) and (B, N, F) become (B, M, N).

    Parameters
    ----------
    axes : int or (int, int)
        For each input the axis that is summed over, not the batch's.
    normalize : bool
        Scale the vectors to length 1 first: the products are then cosines.
    """

    axes: int | Sequence[int] = options.option()
    normalize: bool = options.flag()

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._set_options(locals())
        pair = [axes] * 2 if isinstance(axes, int) else list(axes) if isinstance(axes, (list, tuple)) else []
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise ValueError(f"{self._where}: axes must be an integer or a pair of them, got {axes!r}.")
        self._pair = pair

    def _positive_axes(self, shapes: Sequence[Shape]) -> list[int]:
        if len(shapes) != 2 or any(len(shape) < 2 for shape in shapes):
            self._refuse("two inputs of two or more axes", shapes)
        axes = []
        for axis, shape in zip(self._pair, shapes, strict=True):
            if not -len(shape) <= axis < len(shape) or axis % len(shape) == 0:
                self._refuse(f"inputs with an axis {axis} that is not the batch axis", shapes)
            axes.append(axis % len(shape))
        return axes

    def compute_output_shape(self, input_shape: Sequence[Shape]) -> Shape:
        shapes = [tuple(shape) for shape in input_shape]
        axes = self._positive_axes(shapes)
        batch = self._batch(shapes)
        sizes = [shape[axis] for shape, axis in zip(shapes, axes, strict=True)]
        if None not in sizes and sizes[0] != sizes[1]:
            self._refuse(f"the same size along the axes {tuple(self._pair)}", shapes)
        rest = [size for shape, axis in zip(shapes, axes, strict=True) for size in shape[1:axis] + shape[axis + 1 :]]
        return (batch, *(rest or [1]))

    def forward(self, call: Call, *inputs: Array) -> Array:
        shapes = [x.shape for x in inputs]
        shape: Any = self.compute_output_shape(shapes)
        axes = self._positive_axes(shapes)
        vectors = []
        for index, (x, axis) in enumerate(zip(inputs, axes, strict=True)):
            # (B, M, F): the summed axis last, the others in one
            rows = np.moveaxis(x, axis, -1).reshape(len(x), -1, x.shape[axis])
            if self.normalize:
                squares = np.einsum("bmf,bmf->bm", rows, rows)[..., None]
                with np.errstate(divide="ignore"):
                    inverse = np.minimum(1 / np.sqrt(squares), 1 / config.epsilon()).astype(self.dtype)
                call.saved[f"inverse{index}"] = inverse
                rows = rows * inverse
            vectors.append(rows)
        a, b = vectors
        call.saved.update(a=a, b=b, shapes=shapes, axes=axes)
        y = call.buffer("y", shape, self.dtype)
        np.matmul(a, b.transpose(0, 2, 1), out=y.reshape(len(a), a.shape[1], b.shape[1]))
        return y

    def backward(self, call: Call, *d_outputs: Array | None) -> tuple[Array, ...]:
        (dy,) = d_outputs
        assert dy is not None
        a, b = call.saved["a"], call.saved["b"]
        d = dy.reshape(len(a), a.shape[1], b.shape[1])
        gradients = []
        pairs = ((a, d @ b), (b, d.transpose(0, 2, 1) @ a))
        for index, (rows, d_rows) in enumerate(pairs):
            if self.normalize:
                # of x / |x|: (d - u (u . d)) / |x|, where u = x / |x|; a vector of next to no length is only scaled
                inverse = call.saved[f"inverse{index}"]
                along = np.einsum("bmf,bmf->bm", rows, d_rows)[..., None]
                d_rows -= rows * along * (inverse < 1 / config.epsilon())
                d_rows *= inverse
            shape, axis = call.saved["shapes"][index], call.saved["axes"][index]
            moved = d_rows.reshape(*shape[:axis], *shape[axis + 1 :], shape[axis])
            gradients.append(np.ascontiguousarray(np.moveaxis(moved, -1, axis)))
        return tuple(gradients)

    def outgoing_mask(self, call: Call, *inputs: Array) -> None:
        return None


# --- the same as functions, for graphs: `add([a, b])` is `Add()([a, b])` -------------------------------------------


def add(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Add` of a list of arrays or of outputs of layers."""
    return Add(**kwargs)(inputs)


def subtract(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Subtract` of a list of two arrays or outputs of layers."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Multiply` of a list of arrays or of outputs of layers."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Average` of a list of arrays or of outputs of layers."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Maximum` of a list of arrays or of outputs of layers."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[Any], **kwargs: Unpack[LayerOptions]) -> Any:
    """`Minimum` of a list of arrays or of outputs of layers."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Unpack[LayerOptions]) -> Any:
    """`Concatenate` of a list of arrays or of outputs of layers along an axis."""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Unpack[LayerOptions]) -> Any:
    """`Dot` of a list of two arrays or outputs of layers along these axes."""
    return Dot(axes, **kwargs)(inputs)
