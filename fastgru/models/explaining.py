"""What a model's recurrent layers do with its inputs, and what it would have answered after each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.activations.softmax import Softmax
from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.masking import Masking
from fastgru.layers.gated import Gated, stored_states
from fastgru.layers.layer import Layer
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.penalties import run_forward
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import Gaussian
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.workspace import Call
from fastgru.training import feeding
from fastgru.types import Array

__all__ = ["explained", "gates_and_masks", "prefix_predictions"]

# layers whose output at a step of a sequence is that of this step's input alone
OF_EACH_STEP = (
    ActivationLayer, BatchNormalization, Dense, Dropout, Embedding, Gaussian, Identity, Masking, TimeDistributed,
)  # fmt: skip


def explained(model: Any, x: Any) -> dict[str, Any]:
    """`Model.explain`."""
    return {name: gates for name, (gates, _) in gates_and_masks(model, x).items()}


def gates_and_masks(model: Any, x: Any) -> dict[str, tuple[Any, Array | None]]:
    """The same, with the mask (B, T) that each layer saw."""
    arrays = _arrays(model, x)
    if not hasattr(model, "run_order"):
        raise ValueError(
            f"Model {model.name!r}: explain looks into models that are a row or a graph of layers, and this one runs a "
            "call of its own; ask its recurrent layers for their gates(sequences)."
        )
    call = model._acquired_call(differentiate=True)
    with stored_states(model):
        model.forward(call, *arrays)
    return {name: (gates, mask) for name, gates, mask in _gates_left(model, call, "")}


def _arrays(model: Any, x: Any) -> list[Array]:
    """The inputs as `forward` takes them, checked as `predict` checks them."""
    arrays = feeding.one_batch(model, feeding.inputs(model, x))
    feeding.check_batches(model, len(arrays[0]), len(arrays[0]))
    return arrays


def _gates_left(layer: Any, call: Call, name: str) -> Iterator[tuple[str, Any, Array | None]]:
    """Name, gates and mask of the recurrent layers in a layer, itself included, that has run with a call."""
    if isinstance(layer, Gated):
        yield name, layer.gates_left(call), call.mask
    elif isinstance(layer, TimeDistributed):
        outer = call.saved["shape"][:2]
        for inner, gates, _ in _gates_left(layer.layer, call.child(0), f"{name}/{layer.layer.name}"):
            yield inner, tree.map_structure(lambda rows: rows.reshape(*outer, *rows.shape[1:]), gates), None
    elif hasattr(layer, "run_order"):
        calls: dict[Layer, int] = {}
        for index, inner_layer in enumerate(layer.run_order):
            number = calls[inner_layer] = calls.get(inner_layer, -1) + 1
            path = f"{name}/{inner_layer.name}" if name else inner_layer.name
            yield from _gates_left(inner_layer, call.child(index), f"{path}[{number}]" if number else path)


# --- what the model would have answered -------------------------------------------------------------------------------


def prefix_predictions(model: Any, x: Any) -> Any:
    """`Model.predict_prefixes`.

    Where a row of layers goes forward in time, one pass answers for all prefixes: the states after every step are the
    last states of the prefixes, and the layers behind take them as so many rows. Else the model runs on each prefix.
    """
    arrays = _arrays(model, x)
    with stored_states(model):
        if len(arrays) == 1 and (layers := _forward_row(model)) is not None:
            return _in_one_pass(model, layers, arrays[0])
        return _one_by_one(model, arrays)


def _forward_row(model: Any) -> list[Layer] | None:
    """The layers of a model that reads its steps in their order; None of any other."""
    if not getattr(model, "is_chain", True) or not hasattr(model, "run_order"):
        return None
    layers: list[Layer] = model.run_order
    for index, layer in enumerate(layers):
        forward = type(layer).forward is Recurrent.forward and not (
            layer.go_backwards or layer.stateful or layer.return_state  # type: ignore[attr-defined]
        )
        if forward and not layer.return_sequences:  # type: ignore[attr-defined]
            return layers if not any(behind.couples_rows or behind.stateful for behind in layers[index + 1 :]) else None
        if not forward and (not isinstance(layer, OF_EACH_STEP) or isinstance(layer, Softmax)):
            return None
    return layers


def _in_one_pass(model: Any, layers: Sequence[Layer], x: Array) -> Array:
    batch, steps = x.shape[:2]
    call = model._acquired_call()
    try:
        call.mask = None
        mask, is_prefix = None, False
        for index, layer in enumerate(layers):
            child = call.child(index)
            child.mask = mask
            (x,) = layer.as_inputs((x,))
            if not is_prefix and getattr(layer, "return_sequences", True) is False:
                is_prefix = True
                y, _ = run_forward(_over_all_steps(layer), child, x)
                y, mask = y.reshape(batch * steps, -1), None
            else:
                y, _ = run_forward(layer, child, x)
                mask = layer.outgoing_mask(child, x)
            x = y
        return np.array(x.reshape(batch, steps, *x.shape[1:]) if is_prefix else x)
    finally:
        model._release(call)


def _over_all_steps(layer: Any) -> Any:
    """The layer with its weights, but that it returns what it would return after every step."""
    copy = object.__new__(type(layer))
    copy.__dict__.update(layer.__dict__, return_sequences=True)
    return copy


def _one_by_one(model: Any, arrays: Sequence[Array]) -> Any:
    of_tokens = [any(layer.takes_tokens for layer in readers) for readers in model.first_layers()]
    described = zip(arrays, model.input_dtypes, of_tokens, strict=True)
    is_sequence = [x.ndim > 2 or (x.ndim == 2 and (tokens or dtype is None)) for x, dtype, tokens in described]
    lengths = {x.shape[1] for x, over_time in zip(arrays, is_sequence, strict=True) if over_time}
    if len(lengths) != 1:
        raise ValueError(
            f"Model {model.name!r}: expected inputs (batch, timesteps, ...) of one length to go through step by step, "
            f"got inputs of shapes {[x.shape for x in arrays]}."
        )
    (steps,) = lengths
    answers = []
    for stop in range(1, steps + 1):
        cut = [
            np.ascontiguousarray(x[:, :stop]) if over_time else x
            for x, over_time in zip(arrays, is_sequence, strict=True)
        ]
        with stored_states(model):
            answers.append(_parts(model, cut, stop, steps))
    outputs = []
    for parts in zip(*answers, strict=True):
        over_time = all(part.ndim > 2 and part.shape[1] == stop for stop, part in enumerate(parts, 1))
        outputs.append(np.stack([part[:, -1] if over_time else part for part in parts], axis=1))
    return model.as_structure(outputs)


def _parts(model: Any, arrays: Sequence[Array], stop: int, steps: int) -> list[Array]:
    """The outputs for inputs of so many steps."""
    try:
        outputs = model._new_outputs(arrays, False, ())
    except ValueError as error:
        raise ValueError(
            f"Model {model.name!r} takes {steps} steps and cannot answer after {stop} of them: {error}"
        ) from None
    return outputs if isinstance(outputs, list) else [outputs]
