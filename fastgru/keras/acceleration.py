"""Keras's own recurrent layers on fastgru's kernels: each keeps its class, weights and options."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from fastgru import kernels
from fastgru.bridges.sequence import Cell
from fastgru.keras.library import keras
from fastgru.keras.options import PassOptions

__all__ = ["accelerate"]

BACKENDS = ("jax", "torch")
DTYPES = kernels.DTYPES
LAYERS = (
    (keras.layers.GRU, keras.layers.GRUCell, "gru"),
    (keras.layers.LSTM, keras.layers.LSTMCell, "lstm"),
)


def accelerate(model: Any) -> Any:
    """Let the GRU and LSTM layers of a Keras model compute with fastgru's kernels, those in `Bidirectional` too.

    The model is changed in place: `fit`, `evaluate` and `predict` go on as they were compiled, with the same weights,
    and are quicker. Its layers stay Keras's, so a file that it saves is Keras's and holds nothing of fastgru; a model
    that is loaded or cloned is plain again.

    Parameters
    ----------
    model : keras.Model or keras.layers.Layer
        Of Keras 3, on JAX or PyTorch, with weights or not yet built. All layers inside are looked through.

    Returns
    -------
    The same model.

    Raises
    ------
    TypeError
        It is no layer of Keras 3.
    ValueError
        Keras runs on another backend.

    Warns
    -----
    UserWarning
        Names each recurrent layer that is left to Keras, or is in training, and why.

    Notes
    -----
    On JAX the kernels are called inside the compiled step, through XLA's foreign function interface; the number of
    threads is that of the time when the step is compiled. A second derivative is refused.
    """
    if not isinstance(model, keras.Layer):
        raise TypeError(
            f"fastgru.keras.accelerate: expected a model or a layer of Keras 3, got {type(model).__name__}."
        )
    if (name := keras.backend.backend()) not in BACKENDS:
        raise ValueError(
            f"fastgru.keras.accelerate: expected Keras on {' or '.join(BACKENDS)}, got {name!r}; set KERAS_BACKEND "
            "before Keras is imported, or give the model to fastgru.from_keras."
        )
    backend = importlib.import_module(f"fastgru.keras.{name}_pass")
    left = []
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN) and not isinstance(layer.inner_loop, InnerLoop):
            reason = backend.obstacle() or _obstacle(layer)
            if reason is None:
                layer.inner_loop = InnerLoop(layer, backend)
                reason = _obstacle_in_training(layer)
            if reason is not None:
                left.append(f"{layer.name} ({reason})")
    if isinstance(model, keras.Model):  # what is compiled already has the old loops in it
        model.train_function = model.test_function = model.predict_function = None
    if left:
        warnings.warn(f"fastgru.keras.accelerate: left to Keras: {', '.join(left)}.", stacklevel=2)
    return model


def _kind_of(layer: Any) -> Any:
    """The kind of `Cell` that computes what a layer does; None where it does something of its own."""
    for kind, cell, name in LAYERS:
        own = isinstance(layer, kind) and type(layer.cell) is cell
        if own and all(getattr(type(layer), method) is getattr(kind, method) for method in ("call", "inner_loop")):
            return name
    return None


def _has_kernel(function: Any) -> bool:
    """Whether an activation is one of Keras's that the kernels compute in a recurrent layer."""
    name = getattr(function, "__name__", None)
    if name == "softmax" or getattr(keras.activations, str(name), None) is not function:
        return False
    return kernels.activation_id(str(name)) is not None


def _obstacle(layer: Any) -> str | None:
    """Why the kernels cannot compute a layer."""
    if _kind_of(layer) is None:
        return f"{type(layer).__name__} of {type(layer.cell).__name__} is neither GRU nor LSTM as Keras wrote them"
    for function in (layer.activation, layer.recurrent_activation):
        if not _has_kernel(function):
            return f"activation {getattr(function, '__name__', function)!r}"
    if layer.compute_dtype not in DTYPES or layer.compute_dtype != layer.variable_dtype:
        return f"dtype {layer.dtype_policy.name}"
    if layer.unroll:  # whose masked steps put out zeros before the first used one, whatever the initial state
        return "unroll=True"
    if layer.use_cudnn is True:
        return "use_cudnn=True"
    return None


def _obstacle_in_training(layer: Any) -> str | None:
    """Why the kernels cannot train a layer whose predictions they compute."""
    if layer.recurrent_dropout:
        return "recurrent_dropout, in training"
    if layer.dropout and layer.cell.implementation == 1:
        return "dropout with implementation=1, in training"
    return None


class InnerLoop:
    """The `inner_loop` of a layer of Keras's, on the kernels.

    Parameters
    ----------
    layer : keras.layers.GRU or LSTM
        For which `_obstacle` has nothing to say.
    backend : module
        The `recurrent_pass` of what computes below Keras.
    """

    def __init__(self, layer: Any, backend: Any) -> None:
        self._layer = layer
        self._keras_loop = layer.inner_loop
        self._backend = backend
        self._in_training = _obstacle_in_training(layer) is None

    def __call__(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        """The last output, all outputs (B, T, H), or where they are not returned the last one (B, 1, H), and the last
        states."""
        layer, cell, ops = self._layer, self._layer.cell, keras.ops
        if keras.backend.is_int_dtype(sequences.dtype):  # which Keras leaves to its products to promote
            sequences = ops.cast(sequences, layer.compute_dtype)
        if (training and not self._in_training) or not self._fits(sequences):
            return self._keras_loop(sequences, initial_state, mask=mask, training=training)
        if training and cell.dropout:
            sequences = sequences * ops.expand_dims(cell.get_dropout_mask(sequences[:, 0, :]), 1)
        mask = None if (masks := keras.tree.flatten(mask)) == [None] else _of_steps(masks[0])
        weights = (cell.kernel, cell.recurrent_kernel, cell.bias)
        tensors = [None if weight is None else ops.convert_to_tensor(weight) for weight in weights]
        states = keras.tree.flatten(initial_state)
        if layer.stateful:  # which PyTorch's layer writes over before the backward pass
            states = [ops.copy(state) for state in states]
        y, *lasts = self._backend.recurrent_pass(self._options(mask), sequences, mask, *tensors, *states)
        last_output = y[:, -1] if layer.zero_output_for_mask and mask is not None else lasts[0]
        return last_output, y if layer.return_sequences else last_output[:, None], lasts

    def _fits(self, sequences: Any) -> bool:
        """Whether the kernels can read these sequences; a layer of float64 may be handed float32 by JAX."""
        dtype = keras.backend.standardize_dtype(sequences.dtype)
        return dtype in DTYPES and 0 not in sequences.shape and self._backend.can_read(sequences)

    def _options(self, mask: Any) -> PassOptions:
        layer = self._layer
        zero_outputs = layer.zero_output_for_mask and mask is not None
        return PassOptions(
            Cell(
                _kind_of(layer),
                layer.activation.__name__,
                layer.recurrent_activation.__name__,
                getattr(layer.cell, "reset_after", False),
                zero_outputs,
            ),
            go_backwards=layer.go_backwards,
            sequences=layer.return_sequences or zero_outputs,
        )


def _of_steps(mask: Any) -> Any:
    """A mask (B, T): a step of (B, T, n) is left out where all its features are."""
    mask = keras.ops.cast(mask, "bool")
    return keras.ops.any(mask, axis=-1) if len(mask.shape) == 3 else mask
