"""Messages read and written by tables are those of protobuf itself; damaged and endless ones are refused in bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru.saving.formats import protobuf
from fastgru.saving.formats.protobuf import (
    BOOL,
    BYTES,
    DOUBLE,
    FIXED32,
    FLOAT,
    INT,
    TEXT,
    UINT,
    Message,
    Record,
    decode,
    encode,
    field,
    repeated,
)

TREE = Message(
    "Tree",
    name=field(1, TEXT),
    count=field(2, INT),
    large=field(3, UINT),
    right=field(4, BOOL),
    share=field(5, FLOAT),
    exact=field(6, DOUBLE),
    check=field(7, FIXED32),
    blob=field(8, BYTES),
    at=repeated(9, INT),
    shares=repeated(10, FLOAT),
    names=repeated(11, TEXT),
    only=field(12, lambda: TREE),
    children=repeated(16, lambda: TREE),
)
EMPTY = decode(TREE, b"")
RECORD: Record = {
    "name": "a tree, ein Bäumchen",
    "count": -3,
    "large": (1 << 64) - 1,
    "right": True,
    "share": 0.25,
    "exact": 0.1,
    "check": 4_000_000_000,
    "blob": bytes(range(256)),
    "at": [0, 1, -1, 1 << 40, -(1 << 63)],
    "shares": [0.5, -2.0],
    "names": ["", "x"],
    "only": {"count": 7},
    "children": [{"name": "a"}, {"children": [{"name": "b"}, {}]}],
}


def same(record: Record, expected: Record) -> None:
    for name, value in record.items():
        other = expected.get(name, EMPTY[name])
        if name == "children":
            assert len(value) == len(other)
            for one, two in zip(value, other, strict=True):
                same(one, two)
        elif name == "only" and value is not None:
            same(value, other)
        else:
            np.testing.assert_array_equal(bytes(value) if name == "blob" else value, other)


def google(record: Record, **options: Any) -> Any:
    """The same message in protobuf's own library; its repeated numbers unpacked where `packed` is False."""
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2", reason="needs protobuf")
    from google.protobuf import descriptor_pool, message_factory

    kinds = {INT: 3, UINT: 4, BOOL: 8, FLOAT: 2, DOUBLE: 1, FIXED32: 7, BYTES: 12, TEXT: 9}
    file = descriptors.FileDescriptorProto(name=f"tree{options}.proto", syntax="proto2")
    message = file.message_type.add(name="Tree")
    for name, entry in TREE.fields.items():
        of_message = entry.message is not None
        made = message.field.add(name=name, number=entry.number, label=3 if entry.repeated else 1)
        made.type = 11 if of_message else kinds[entry.kind]  # type: ignore[index]
        if of_message:
            made.type_name = ".Tree"
        elif entry.repeated and entry.kind in (INT, FLOAT):
            made.options.packed = options.get("packed", True)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    tree = message_factory.GetMessageClass(pool.FindMessageTypeByName("Tree"))
    return tree(**record)


@pytest.mark.parametrize("packed", [True, False])
def test_what_protobuf_writes_is_read(packed: bool) -> None:
    same(decode(TREE, google(RECORD, packed=packed).SerializeToString()), RECORD)


def test_protobuf_reads_what_is_written() -> None:
    theirs = google(RECORD)
    ours = type(theirs)()
    ours.ParseFromString(encode(TREE, RECORD))
    assert ours == theirs


def test_what_is_written_is_read_back() -> None:
    same(decode(TREE, encode(TREE, RECORD)), RECORD)
    assert decode(TREE, encode(TREE, {"count": 0}))["count"] == 0
    with pytest.raises(ValueError, match="message Tree has no field 'nobody'"):
        encode(TREE, {"nobody": 1})


def test_what_the_table_does_not_list_is_passed_over() -> None:
    part = Message("Tree", exact=field(6, DOUBLE))
    assert decode(part, encode(TREE, RECORD)) == {"exact": 0.1}


def test_bytes_are_views_of_the_file() -> None:
    data = bytearray(encode(TREE, {"blob": b"abc"}))
    blob = decode(TREE, memoryview(data))["blob"]
    data[-1] = ord("x")
    assert bytes(blob) == b"abx"


def nested(depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = encode(Message("Tree", only=field(12, BYTES)), {"only": data})
    return data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x0a\x05ab", "a field of 5 bytes where 2 are left"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "a field of 18446744073709551615 bytes where 0 are left"),
        (b"\x10" + b"\xff" * 10, "a number without an end"),
        (b"\x10", "a number without an end"),
        (b"\x2d\0\0", "a field of 4 bytes where 2 are left"),
        (b"\x13", "the wire's type 3"),
        (b"\x0a\x01\xff", "utf-8"),
        (b"\x08\x01", "the field 'name' in another form"),
        (b"\x52\x03abc", "multiple of element size"),
        (b"\x62\0\x62\0", "the field 'only' 2 times"),
        (nested(protobuf.MAX_DEPTH + 1), "nested deeper than 64"),
        (b"\x82\x01\0" * 1000, "more than 1000$"),
        (b"\x4a\xff\x1f" + bytes(4095), "more than 2000 fields"),
    ],
)
def test_a_message_that_is_none_is_refused(data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_MESSAGES", 1000)
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 2000)
    with pytest.raises(ValueError, match=reason):
        decode(TREE, data)


def test_damaged_messages_raise_nothing_else(rng: np.random.Generator) -> None:
    sound = encode(TREE, RECORD)
    for _ in range(2000):
        data = bytearray(sound[: rng.integers(1, len(sound) + 1)])
        for place in rng.integers(len(data), size=rng.integers(4)):
            data[place] = rng.integers(256)
        try:
            decode(TREE, bytes(data))
        except ValueError as error:
            assert str(error)
