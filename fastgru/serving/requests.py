"""A request to infer and its answer, as the open inference protocol v2 writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from fastgru.serving import tensors
from fastgru.serving.refusal import Refusal
from fastgru.types import Array

__all__ = ["Request", "answer", "parsed", "read_json"]

# of a request: Triton's clients send them
_PARAMETERS = {"binary_data_output", "timeout"}


class Request(NamedTuple):
    """What is asked.

    Attributes
    ----------
    id : str or None
    inputs : dict of str to ndarray
    outputs : list of (str, bool), or None
        Names of outputs, and whether as bytes; None asks for all.
    is_binary : bool
        Whether outputs are bytes where nothing is said of one.
    seconds : float or None
        Until when an answer is of use.
    """

    id: str | None
    inputs: dict[str, Array]
    outputs: list[tuple[str, bool]] | None
    is_binary: bool
    seconds: float | None

    @property
    def is_all_binary(self) -> bool:
        """Whether no output is written in JSON."""
        return self.is_binary if self.outputs is None else all(is_binary for _name, is_binary in self.outputs)


def read_json(text: bytes | str | memoryview, where: str) -> dict[str, Any]:
    """An object of JSON as RFC 8259 has it, without the NaN of Python's."""
    try:
        value = _JSON.decode(text if isinstance(text, str) else str(text, "utf-8"))
    except RecursionError:
        raise Refusal(400, f"{where}: the JSON is nested too deep.") from None
    except ValueError as error:
        raise Refusal(400, f"{where}: expected JSON ({error}).") from None
    if not isinstance(value, dict):
        raise Refusal(400, f"{where}: expected a JSON object, got {type(value).__name__}.")
    return value


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"it has no {word}; send binary data")


_JSON = json.JSONDecoder(parse_constant=_no_number)


def parsed(body: bytes, json_size: str | None) -> Request:
    """A request to infer.

    Parameters
    ----------
    body : bytes
        JSON, and behind it the tensors that are bytes.
    json_size : str or None
        The header Inference-Header-Content-Length: bytes of the JSON; None where it is the whole body.

    Raises
    ------
    Refusal
        It is none; the sentence says where and why.
    """
    content = memoryview(body)
    size = len(body)
    if json_size is not None:
        size = int(json_size) if json_size.isascii() and json_size.isdecimal() and len(json_size) < 20 else size + 1
        if size > len(body):
            raise Refusal(
                400, f"Inference-Header-Content-Length: expected at most the body's {len(body)} bytes, got {json_size}."
            )
    head = read_json(content[:size], "the request")
    unknown = head.keys() - {"id", "inputs", "outputs", "parameters"}
    if unknown:
        raise Refusal(400, f"the request: {min(unknown)!r} is not known; expected id, inputs, outputs and parameters.")
    is_binary, seconds = _parameters(head.get("parameters") or {})
    if not isinstance(head.get("id", ""), str):
        raise Refusal(400, "id: expected a text.")
    return Request(head.get("id"), _inputs(head, content[size:]), _outputs(head, is_binary), is_binary, seconds)


def _parameters(parameters: Any) -> tuple[bool, float | None]:
    """Whether outputs are bytes, and the seconds of the request."""
    if not isinstance(parameters, dict) or parameters.keys() - _PARAMETERS:
        unknown = next(iter(parameters.keys() - _PARAMETERS)) if isinstance(parameters, dict) else parameters
        raise Refusal(
            400,
            f"parameters: {unknown!r} is not supported; there are {' and '.join(sorted(_PARAMETERS))} "
            "(sequences are streamed at /v2/models/NAME/stream).",
        )
    microseconds = parameters.get("timeout")
    if microseconds is not None and not (type(microseconds) is int and microseconds > 0):
        raise Refusal(400, f"parameters: expected timeout to be a number of microseconds, got {microseconds!r}.")
    is_binary = parameters.get("binary_data_output", False)
    if not isinstance(is_binary, bool):
        raise Refusal(400, f"parameters: expected binary_data_output to be true or false, got {is_binary!r}.")
    return is_binary, None if microseconds is None else min(microseconds, 1 << 62) / 1e6


def _entries(head: Mapping[str, Any], key: str) -> list[Any]:
    """The tensors of a request, each with a name of its own."""
    entries = head.get(key)
    if not isinstance(entries, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in entries
    ):
        raise Refusal(400, f"{key}: expected a list of objects with a name.")
    names = [entry["name"] for entry in entries]
    if len(set(names)) < len(names):
        raise Refusal(400, f"{key}: expected each name once, got {', '.join(map(repr, names[:10]))}.")
    return entries


def _inputs(head: Mapping[str, Any], content: memoryview) -> dict[str, Array]:
    inputs: dict[str, Array] = {}
    start = 0
    for entry in _entries(head, "inputs"):
        where = f"input {entry['name']!r}"
        size = tensors.binary_size(entry, where)
        part = None
        if size is not None:
            if size > len(content) - start:
                raise Refusal(400, f"{where}: expected {size} bytes behind the JSON, got {len(content) - start}.")
            part = content[start : start + size]
            start += size
        inputs[entry["name"]] = tensors.read(entry, part, where)
    if start < len(content):
        raise Refusal(400, f"the request: there are {len(content) - start} bytes more than its inputs have.")
    return inputs


def _outputs(head: Mapping[str, Any], is_binary: bool) -> list[tuple[str, bool]] | None:
    if not head.get("outputs"):
        return None
    outputs = []
    for entry in _entries(head, "outputs"):
        parameters = entry.get("parameters") or {}
        if not isinstance(parameters, dict) or parameters.keys() - {"binary_data"}:
            raise Refusal(400, f"output {entry['name']!r}: of parameters only 'binary_data' is supported.")
        outputs.append((entry["name"], bool(parameters.get("binary_data", is_binary))))
    return outputs


def answer(
    model: str, version: str, request: Request, names: Sequence[str], arrays: Sequence[Array]
) -> tuple[bytes, int | None]:
    """The body of an answer, and the bytes of its JSON where tensors follow it."""
    by_name = dict(zip(names, arrays, strict=True))
    entries, parts = [], []
    for name, is_binary in request.outputs or [(name, request.is_binary) for name in names]:
        array = by_name[name]
        entry: dict[str, Any] = {
            "name": name, "datatype": tensors.datatype_of(array.dtype), "shape": list(array.shape)
        }  # fmt: skip
        if is_binary:
            parts.append(tensors.written(array))
            entry["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            entry["data"] = tensors.as_json(array, f"output {name!r}")
        entries.append(entry)
    head: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": entries}
    if request.id is not None:
        head["id"] = request.id
    text = json.dumps(head).encode()
    return (b"".join([text, *parts]), len(text)) if parts else (text, None)
