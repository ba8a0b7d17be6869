"""The messages of a websocket, in JSON and in bytes, of version 1: docs/howto/serving.md describes them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgru.serving import tensors
from fastgru.serving.refusal import Refusal
from fastgru.serving.requests import read_json
from fastgru.serving.served import Tensor
from fastgru.types import Array

__all__ = ["PROTOCOL", "Message", "Misunderstood", "parsed", "step_answer", "text"]

PROTOCOL = "fastgru.stream.v1"
# the fields of each operation, beside "op" and "id"
FIELDS = {
    "open": ("count",),
    "step": ("sessions", "data"),
    "reset": ("sessions",),
    "close": ("sessions",),
    "snapshot": ("sessions",),
    "restore": ("snapshot",),
    "fork": ("session",),
}
_HEAD = struct.Struct("<BBHIII")  # version, operation, 0, id, sessions, steps
_VERSION, _STEP = 1, 1
_NUMBER = np.dtype("<u4")


def _is_number(value: Any) -> bool:
    return type(value) is int and value >= 0


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "count": (lambda value: _is_number(value) and value > 0, "how many sessions to open"),
    "session": (_is_number, "the number of a session"),
    "sessions": (lambda value: isinstance(value, list) and all(map(_is_number, value)), "a list of numbers"),
    "snapshot": (lambda value: isinstance(value, str), "a snapshot as it was answered"),
}


class Message(NamedTuple):
    """What a client asks of its sessions.

    Attributes
    ----------
    op : str
    id : str, int or None
        The client's own, for the answer.
    fields : dict
        Of the operation; "sessions" are numbers of the connection, "data" of a step is an array.
    head : bytes or None
        Of a step in bytes, the head that its answer has as well.
    """

    op: str
    id: Any
    fields: dict[str, Any]
    head: bytes | None


class Misunderstood(Refusal):
    """A message that is none, and its head as far as it was understood."""

    def __init__(self, message: Message, sentence: str) -> None:
        super().__init__(400, sentence)
        self.message = message


def parsed(frame: str | bytes, tensor: Tensor) -> Message:
    """A message to a model with this input.

    Raises
    ------
    Refusal
        It is none.
    """
    return _of_bytes(frame, tensor) if isinstance(frame, bytes) else _of_text(frame, tensor)


def _of_text(frame: str, tensor: Tensor) -> Message:
    content = read_json(frame, "the message")
    op, identity = content.pop("op", None), content.pop("id", None)
    if not (identity is None or type(identity) is int or isinstance(identity, str)):
        raise Refusal(400, "the message: expected id to be a text or a whole number.")
    message = Message(op, identity, content, None)
    if not isinstance(op, str) or op not in FIELDS:
        raise Misunderstood(message, f"the message: expected op to be one of {', '.join(FIELDS)}.")
    if op == "open":
        content.setdefault("count", 1)
    if content.keys() != set(FIELDS[op]):
        raise Misunderstood(message, f"{op}: expected {' and '.join(FIELDS[op])} beside op and id.")
    for name, value in content.items():
        is_right, meaning = _CHECKS.get(name, (None, ""))
        if is_right is not None and not is_right(value):
            raise Misunderstood(message, f"{op}: expected {name} to be {meaning}.")
    if op == "step":
        try:
            content["data"] = tensors.of_json(content["data"], tensor.datatype, "step")
        except Refusal as refusal:
            raise Misunderstood(message, refusal.sentence) from None
    return message


def _of_bytes(frame: bytes, tensor: Tensor) -> Message:
    if len(frame) < _HEAD.size:
        raise Refusal(400, f"the message: expected a head of {_HEAD.size} bytes, got {len(frame)}.")
    version, op, zero, identity, count, steps = _HEAD.unpack_from(frame)
    message = Message("step", identity, {}, frame[: _HEAD.size])
    if (version, op, zero) != (_VERSION, _STEP, 0):
        raise Misunderstood(message, f"the message: expected a step of version 1, got operation {op} of {version}.")
    features = [size for size in tensor.shape[1:] if size is not None]
    if len(features) < len(tensor.shape) - 1 or tensor.datatype == "BYTES":
        raise Misunderstood(message, "step: the model's features have no fixed size; send JSON.")
    shape, dtype = (count, *[steps] * (steps > 0), *features), tensors.DATATYPES[tensor.datatype]
    start = _HEAD.size + count * _NUMBER.itemsize
    expected = start + math.prod(shape) * dtype.itemsize
    if len(frame) != expected:
        raise Misunderstood(
            message, f"step: {count} sessions and {steps} steps take {expected} bytes, got {len(frame)}."
        )
    sessions = np.frombuffer(frame, _NUMBER, count, _HEAD.size).tolist()
    data = np.frombuffer(frame, np.uint8, offset=start).view(dtype).reshape(shape)
    message.fields.update(sessions=sessions, data=data)
    return message


def step_answer(message: Message, names: Sequence[str], outputs: Sequence[Array]) -> str | bytes:
    """What a step is answered with: in JSON an array for each output by name, NaN and infinity as null."""
    if message.head is not None:
        return b"".join([message.head, *map(tensors.written, outputs)])
    return text(message, outputs={name: _listed(output) for name, output in zip(names, outputs, strict=True)})


def _listed(output: Array) -> Any:
    if output.dtype.kind == "f" and not (is_finite := np.isfinite(output)).all():
        output = output.astype(object)
        output[~is_finite] = None
    return output.tolist()


def text(message: Message | None, **fields: Any) -> str:
    """A message of JSON, in answer to one."""
    head = {} if message is None else {"op": message.op} | ({} if message.id is None else {"id": message.id})
    return json.dumps(head | fields)
