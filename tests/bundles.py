"""A writer of TensorFlow's tensor bundles, sound in all checksums, whatever nonsense their entries say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.saving.formats import crc32c, saved_model, tensor_bundle
from fastgru.saving.formats.protobuf import encode

DTYPES = {dtype: number for number, dtype in tensor_bundle.DTYPES.items()}


def varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def block(entries: Mapping[bytes, bytes], kind: int = 0) -> bytes:
    """A block of a sorted table; keys share nothing."""
    data = b"".join(
        varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in sorted(entries.items())
    )
    data += bytes(4) + (1).to_bytes(4, "little") + bytes([kind])
    return data + crc32c.masked(crc32c.checksum(data)).to_bytes(4, "little")


def table(entries: Mapping[bytes, bytes], kind: int = 0) -> bytes:
    """The index with these entries."""
    first, empty = block(entries, kind), block({})
    handles = block({b"\xff": varint(0) + varint(len(first) - 5)})
    footer = varint(len(first)) + varint(len(empty) - 5) + varint(len(first + empty)) + varint(len(handles) - 5)
    return first + empty + handles + footer.ljust(40, b"\0") + tensor_bundle.MAGIC.to_bytes(8, "little")


def text(content: bytes) -> tuple[bytes, int]:
    """A tensor of one text, as it stands in the data, and its checksum."""
    crc = crc32c.checksum(len(content).to_bytes(4, "little"))
    length_crc = crc32c.masked(crc).to_bytes(4, "little")
    crc = crc32c.checksum(content, crc32c.checksum(length_crc, crc))
    return varint(len(content)) + length_crc + content, crc32c.masked(crc)


def objects(keys: list[str]) -> bytes:
    """A graph of objects for variables with these keys, one owner for what stands before the last slash."""
    nodes: list[dict[str, Any]] = [{"children": []}]
    owners: dict[str, int] = {}
    for key in keys:
        owner, _, name = key.rpartition("/")
        if owner not in owners:
            owners[owner] = len(nodes)
            nodes[0]["children"].append({"local_name": owner, "node_id": len(nodes)})
            nodes.append({"children": []})
        nodes[owners[owner]]["children"].append({"local_name": name, "node_id": len(nodes)})
        nodes.append({"attributes": [{"full_name": key, "checkpoint_key": key}]})
    return encode(saved_model.TRACKED_GRAPH, {"nodes": nodes})


def write(
    prefix: Path,
    tensors: Mapping[str, Any],
    graph: bytes | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
    shards: int = 1,
) -> None:
    """Write a checkpoint of arrays in so many data files; `changes` has by key what an entry says instead."""
    data = [b""] * shards
    entries = {b"": encode(tensor_bundle.HEADER, {"num_shards": shards, **(changes or {}).get("", {})})}
    contents = {key: (np.asarray(value).tobytes(), None, np.asarray(value)) for key, value in tensors.items()}
    contents[saved_model.OBJECTS] = (*text(objects(list(tensors)) if graph is None else graph), None)
    for number, (key, (content, crc, value)) in enumerate(contents.items()):
        shard = number % shards
        entry = {
            "dtype": tensor_bundle.TEXT if value is None else DTYPES[value.dtype.str],
            "shape": {"dim": [{"size": axis} for axis in (() if value is None else value.shape)]},
            "shard_id": shard,
            "offset": len(data[shard]),
            "size": len(content),
            "crc32c": crc32c.masked(crc32c.checksum(content)) if crc is None else crc,
            **(changes or {}).get(key, {}),
        }
        entries[key.encode()] = encode(tensor_bundle.ENTRY, entry)
        data[shard] += content
    prefix.parent.mkdir(parents=True, exist_ok=True)
    prefix.with_name(f"{prefix.name}.index").write_bytes(table(entries))
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{shards:05}").write_bytes(content)
