"""Messages of protobuf, read and written by tables: the wire format behind TensorFlow's and ONNX's files.

A table says which fields of a message are read; what it does not list is passed over unread, however large it is. The
format: https://protobuf.dev/programming-guides/encoding.

>>> POINT = Message("Point", name=field(1, TEXT), at=repeated(2, INT))
>>> decode(POINT, encode(POINT, {"name": "start", "at": [3, -4]}))
{'name': 'start', 'at': [3, -4]}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_DEPTH = 64
MAX_MESSAGES = 100_000
MAX_FIELDS = 1_000_000  # each number of a packed field counts as one
VARINT, EIGHT_BYTES, SIZED, FOUR_BYTES = 0, 1, 2, 5  # the wire's types, but for groups, which no writer uses any more
FIXED_SIZES = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
WORD = (1 << 64) - 1

Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """What a field is: its type on the wire, its value where it is absent, the dtype of numbers of fixed size."""

    wire: int
    absent: Any
    dtype: str = ""


INT = Kind(VARINT, 0)  # int32, int64 and enumerations
UINT = Kind(VARINT, 0)
BOOL = Kind(VARINT, False)
FLOAT = Kind(FOUR_BYTES, 0.0, "<f4")
DOUBLE = Kind(EIGHT_BYTES, 0.0, "<f8")
FIXED32 = Kind(FOUR_BYTES, 0, "<u4")
BYTES = Kind(SIZED, b"")
TEXT = Kind(SIZED, "")


class Message:
    """The table of a message: its name in error messages, and its fields by theirs."""

    def __init__(self, name: str, /, **fields: Field) -> None:
        self.name = name
        self.fields = fields
        self.by_number = {entry.number: (key, entry) for key, entry in fields.items()}


@dataclass(frozen=True)
class Field:
    """A field of a message.

    Attributes
    ----------
    number : int
    kind : Kind, Message or callable
        A message by its table, or by a function that gives one which is written further down.
    repeated : bool
    """

    number: int
    kind: Kind | Message | Callable[[], Message]
    repeated: bool = False

    @property
    def message(self) -> Message | None:
        """The table of the message in it, if there is one."""
        if isinstance(self.kind, Kind):
            return None
        return self.kind if isinstance(self.kind, Message) else self.kind()


def field(number: int, kind: Kind | Message | Callable[[], Message]) -> Field:
    """A field that stands in a message once or not at all."""
    return Field(number, kind)


def repeated(number: int, kind: Kind | Message | Callable[[], Message]) -> Field:
    """A field that stands in a message any number of times; also the entries of a map, messages of key and value."""
    return Field(number, kind, repeated=True)


# --- reading ----------------------------------------------------------------------------------------------------------


def decode(message: Message, data: bytes | memoryview) -> Record:
    """The fields of a message by their names.

    Parameters
    ----------
    message : Message
    data : bytes or memoryview
        All bytes of it.

    Returns
    -------
    dict
        Every field of the table: numbers, texts, bytes as views of `data`, records of messages inside; lists of them
        for what is repeated, for numbers of fixed size an array. What is absent is 0, empty, or None for a message.

    Raises
    ------
    ValueError
        The bytes are no such message, or hold more than `MAX_MESSAGES`, `MAX_FIELDS` or `MAX_DEPTH` allow.
    """
    return _Reader().record(message, memoryview(data), 0)


class _Reader:
    def __init__(self) -> None:
        self.messages = 0
        self.fields = 0

    def record(self, message: Message, data: memoryview, depth: int) -> Record:
        self.messages += 1
        if depth > MAX_DEPTH or self.messages > MAX_MESSAGES:
            raise ValueError(f"holds messages nested deeper than {MAX_DEPTH}, or more than {MAX_MESSAGES}")
        values: dict[str, list[Any]] = {}
        place = 0
        while place < len(data):
            tag, place = varint(data, place)
            raw, place = _payload(data, place, tag & 7)
            self._count(1)
            name, entry = message.by_number.get(tag >> 3, (None, None))
            if name is None or entry is None:
                continue
            inner = entry.message
            if inner is not None and tag & 7 == SIZED:
                values.setdefault(name, []).append(self.record(inner, raw, depth + 1))
            elif isinstance(entry.kind, Kind) and tag & 7 == entry.kind.wire:
                values.setdefault(name, []).append(_value(entry.kind, raw))
            elif isinstance(entry.kind, Kind) and tag & 7 == SIZED and entry.repeated:
                values.setdefault(name, []).extend(self._packed(entry.kind, raw))
            else:
                raise ValueError(
                    f"its message {message.name} has the field {name!r} in another form than it is written"
                )
        return {name: _field(message, name, values.get(name, [])) for name in message.fields}

    def _packed(self, kind: Kind, raw: memoryview) -> Iterator[Any]:
        """The numbers of a packed field; those of fixed size as one array."""
        if kind.dtype:
            yield np.frombuffer(raw, kind.dtype)
            return
        place = 0
        while place < len(raw):
            number, place = varint(raw, place)
            self._count(1)
            yield _value(kind, number)

    def _count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > MAX_FIELDS:
            raise ValueError(f"holds more than {MAX_FIELDS} fields, which are not accepted")


def _field(message: Message, name: str, values: list[Any]) -> Any:
    """What a record has of a field, of all that stands in the message of it."""
    entry = message.fields[name]
    dtype = entry.kind.dtype if isinstance(entry.kind, Kind) else ""
    if entry.repeated and dtype:
        return np.concatenate([np.atleast_1d(np.asarray(value, dtype)) for value in values or [[]]])
    if entry.repeated:
        return values
    if not values:
        return entry.kind.absent if isinstance(entry.kind, Kind) else None
    if entry.message is not None and len(values) > 1:
        raise ValueError(f"its message {message.name} has the field {name!r} {len(values)} times")
    return values[-1]  # of a number that stands there twice the last one counts


def _payload(data: memoryview, place: int, wire: int) -> tuple[Any, int]:
    """What follows a tag, a number or bytes, and the place behind it."""
    if wire == VARINT:
        return varint(data, place)
    if wire == SIZED:
        size, place = varint(data, place)
    elif wire in FIXED_SIZES:
        size = FIXED_SIZES[wire]
    else:
        raise ValueError(f"is damaged, or no protobuf: it has a field of the wire's type {wire}")
    if size > len(data) - place:
        raise ValueError(f"is damaged or cut short: it has a field of {size} bytes where {len(data) - place} are left")
    return data[place : place + size], place + size


def varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and the place behind it."""
    number = 0
    for count, byte in enumerate(data[place : place + 10]):
        number |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return number & WORD, place + count + 1
    raise ValueError("is damaged or cut short: it has a number without an end")


def _value(kind: Kind, raw: Any) -> Any:
    if kind is TEXT:
        return str(raw, "utf-8")
    if kind.dtype:
        return np.frombuffer(raw, kind.dtype)[0].item()
    if kind is BOOL:
        return bool(raw)
    return raw - (1 << 64) if kind is INT and raw >> 63 else raw


# --- writing ----------------------------------------------------------------------------------------------------------


def encode(message: Message, record: Mapping[str, Any]) -> bytes:
    """The bytes of a message with these fields; what is None or not there is not written, numbers are packed."""
    return b"".join(_pieces(message, record))


def _pieces(message: Message, record: Mapping[str, Any]) -> Iterator[bytes | memoryview]:
    """The bytes in pieces, so that large ones are copied once, however deep they are."""
    unknown = record.keys() - message.fields.keys()
    if unknown:
        raise ValueError(f"message {message.name} has no field {min(unknown)!r}")
    for name, entry in message.fields.items():
        value = record.get(name)
        if value is None:
            continue
        if not entry.repeated:
            yield from _written(entry, value)
        elif isinstance(entry.kind, Kind) and entry.kind.wire != SIZED:
            if len(value):
                yield from _sized(entry.number, [_number(entry.kind, value)])
        else:
            for one in value:
                yield from _written(entry, one)


def _written(entry: Field, value: Any) -> Iterator[bytes | memoryview]:
    """A field with one value."""
    inner = entry.message
    if inner is not None:
        yield from _sized(entry.number, list(_pieces(inner, value)))
    elif entry.kind is TEXT:
        yield from _sized(entry.number, [value.encode()])
    elif entry.kind is BYTES:
        yield from _sized(entry.number, [memoryview(value).cast("B")])
    elif isinstance(entry.kind, Kind):
        yield _tag(entry.number, entry.kind.wire) + _number(entry.kind, [value])


def _sized(number: int, pieces: list[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    yield _tag(number, SIZED) + _varint_bytes(sum(map(len, pieces)))
    yield from pieces


def _tag(number: int, wire: int) -> bytes:
    return _varint_bytes(number << 3 | wire)


def _number(kind: Kind, values: Any) -> bytes:
    """Numbers, one after the other."""
    if kind.dtype:
        return np.asarray(values, kind.dtype).tobytes()
    return b"".join(_varint_bytes(int(value) & WORD) for value in values)


def _varint_bytes(number: int) -> bytes:
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)
