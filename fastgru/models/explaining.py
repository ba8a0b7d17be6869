"""What a model's recurrent layers do with its inputs, and what it would have answered after each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastgru import tree
from fastgru.layers.activations.activation import ActivationLayer
from fastgru.layers.activations.softmax import Softmax
from fastgru.layers.context import watching
from fastgru.layers.core.dense import Dense
from fastgru.layers.core.embedding import Embedding
from fastgru.layers.core.identity import Identity
from fastgru.layers.core.masking import Masking
from fastgru.layers.gated import Gated
from fastgru.layers.layer import Layer
from fastgru.layers.normalization.batch_normalization import BatchNormalization
from fastgru.layers.penalties import run_forward
from fastgru.layers.regularization.dropout import Dropout
from fastgru.layers.regularization.noise import Gaussian
from fastgru.layers.rnn.recurrent import Recurrent
from fastgru.layers.rnn.time_distributed import TimeDistributed
from fastgru.layers.workspace import Call
from fastgru.training import intake
from fastgru.types import Array

__all__ = ["explained", "gates_and_masks", "prefix_predictions"]

Called = tuple[Any, str, Any, "Array | None"]  # a layer that a `call` called, and name, gates and mask of what is in it

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
    call = model._acquired_call(differentiate=True)
    called: list[Called] = []

    def watch(layer: Any, call: Call) -> None:
        called.extend((layer, *seen) for seen in [*_gates_left(layer, call, layer.name, called)])

    try:
        with watching(watch):
            model.forward(call, *arrays)
    finally:
        call.version.forget()
    return {name: (gates, mask) for name, gates, mask in _gates_left(model, call, "", called)}


def _arrays(model: Any, x: Any) -> list[Array]:
    """The inputs as `forward` takes them, checked as `predict` checks them."""
    arrays = intake.one_batch(model, intake.inputs(model, x))
    intake.check_batches(model, len(arrays[0]), len(arrays[0]))
    return arrays


def _gates_left(layer: Any, call: Call, name: str, called: list[Called]) -> Iterator[tuple[str, Any, Array | None]]:
    """Name, gates and mask of the recurrent layers in a layer, itself included, that has run with a call.

    What a `call` of one's own has called is taken out of `called`.
    """
    if layer.runs_call:
        yield from _gates_of_called(layer, name, called)
    elif isinstance(layer, Gated):
        yield name, layer.gates_left(call), call.mask
    elif isinstance(layer, TimeDistributed):
        outer = call.saved["shape"][:2]
        for inner, gates, _ in _gates_left(layer.layer, call.child(0), f"{name}/{layer.layer.name}", called):
            yield inner, tree.map_structure(lambda rows: rows.reshape(*outer, *rows.shape[1:]), gates), None
    elif hasattr(layer, "run_order"):
        calls: dict[Layer, int] = {}
        for index, inner_layer in enumerate(layer.run_order):
            number = calls[inner_layer] = calls.get(inner_layer, -1) + 1
            path = _joined(name, inner_layer.name)
            yield from _gates_left(inner_layer, call.child(index), f"{path}[{number}]" if number else path, called)


def _gates_of_called(layer: Any, name: str, called: list[Called]) -> Iterator[tuple[str, Any, Array | None]]:
    """What the `call` of a layer, and of those inside it, has called, in its order."""
    parents = dict(_parents(layer, name))
    numbers: dict[str, int] = {}
    rest = []
    for entry in called:
        inner, path, gates, mask = entry
        if id(inner) not in parents:
            rest.append(entry)
            continue
        path = _joined(parents[id(inner)], path)
        number = numbers[path] = numbers.get(path, -1) + 1
        yield f"{path}[{number}]" if number else path, gates, mask
    called[:] = rest


def _parents(layer: Any, name: str) -> Iterator[tuple[int, str]]:
    """The layers inside a layer by their identity, each with the name of what it stands in."""
    for inner in layer.sublayers:
        yield id(inner), name
        yield from _parents(inner, _joined(name, inner.name))


def _joined(name: str, inner: str) -> str:
    return f"{name}/{inner}" if name else inner


# --- what the model would have answered -------------------------------------------------------------------------------


def prefix_predictions(model: Any, x: Any) -> Any:
    """`Model.predict_prefixes`.

    Where a row of layers goes forward in time, one pass answers for all prefixes: the states after every step are the
    last states of the prefixes, and the layers behind take them as so many rows. Else the model runs on each prefix.
    """
    arrays = _arrays(model, x)
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


def _outputs(model: Any, arrays: Sequence[Array]) -> list[Array]:
    """The outputs for one batch, in new arrays; the states that stateful layers leave are forgotten."""
    call = model._acquired_call()
    try:
        outputs = model.forward(call, *arrays)
        return [np.array(part) for part in (outputs if isinstance(outputs, tuple) else (outputs,))]
    finally:
        model._release(call)


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
    answers: list[list[Array]] = []
    refusal: ValueError | None = None
    for stop in range(1, steps + 1):
        cut = [
            np.ascontiguousarray(x[:, :stop]) if over_time else x
            for x, over_time in zip(arrays, is_sequence, strict=True)
        ]
        try:
            answers.append(_outputs(model, cut))
        except ValueError as error:
            # a convolution or a pool wants a few steps; a model that wants them all has nothing to say on its way
            if answers or stop == steps:
                raise
            refusal = refusal or error
    first = steps - len(answers) + 1
    if first == steps > 1:
        raise ValueError(f"Model {model.name!r} takes {steps} steps and cannot answer after 1 of them: {refusal}")
    outputs = []
    for parts in zip(*answers, strict=True):
        lengths_over_time = [part.shape[1] if part.ndim > 2 else 0 for part in parts]
        over_time = lengths_over_time != lengths_over_time[:1] * len(parts) or lengths_over_time == [steps]
        rows = np.stack([part[:, -1] if over_time else part for part in parts], axis=1)
        before = np.full((len(rows), first - 1, *rows.shape[2:]), np.nan, rows.dtype)
        outputs.append(np.concatenate([before, rows], axis=1))
    return model.as_structure(outputs)
