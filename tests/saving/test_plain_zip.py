"""The reader of the plainest zip archive gives what zipfile gives, and leaves all else to it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from fastgru.saving.formats import zip_archive, zip_plain

FILES = Path(__file__).parents[1] / "files"
MEMBERS = {"config.json": b"{}", "assets/näme.txt": b"", "model.weights.h5": bytes(range(256)) * 300}


def image(members: Mapping[str, bytes] = MEMBERS, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def plain(data: bytes) -> zip_plain.PlainArchive | None:
    return zip_plain.opened(io.BytesIO(data))


def contents(data: bytes) -> dict[str, bytes]:
    with zip_archive.opened(data) as archive:
        return {member.name: archive.content(member) for member in archive.members}


def by_open(members: Mapping[str, bytes]) -> bytes:
    """An archive as Keras writes one, member by member as into a file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            with archive.open(name, "w") as file:
                file.write(content)
    return buffer.getvalue()


@pytest.mark.parametrize("write", [image, by_open])
@pytest.mark.parametrize("members", [MEMBERS, {}], ids=["three members", "none"])
def test_members_and_their_order_are_those_of_zipfile(
    write: Callable[[Mapping[str, bytes]], bytes], members: Mapping[str, bytes]
) -> None:
    data = write(members)
    assert plain(data) is not None
    assert list(contents(data).items()) == list(members.items())


@pytest.mark.parametrize("file", sorted(FILES.glob("*.keras")), ids=lambda file: file.stem)
def test_files_of_keras_are_plain_or_read_by_zipfile(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        assert contents(file.read_bytes()) == {name: archive.read(name) for name in archive.namelist()}
    assert file.stem != "reset_after" or plain(file.read_bytes()) is not None


def with_extra(field: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("config.json")
        info.extra = field
        archive.writestr(info, b"{}")
    return buffer.getvalue()


def with_comment() -> bytes:
    buffer = io.BytesIO(image())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"hello"
    return buffer.getvalue()


def with_zip64() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("config.json", "w", force_zip64=True) as file:
        file.write(b"{}")
    return buffer.getvalue()


class Pipe(io.BytesIO):
    """What cannot go back: sizes then stand behind the members."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError

    seek = tell  # type: ignore[assignment]


def through_a_pipe() -> bytes:
    buffer = Pipe()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", b"{}")
    return buffer.getvalue()


UNUSUAL = {
    "deflated": image(method=zipfile.ZIP_DEFLATED),
    "an extra field": with_extra(b"\x01\x99\x02\x00ab"),
    "a comment": with_comment(),
    "bytes before it": b"#!/bin/sh\n" + image(),
    "zip64": with_zip64(),
    "sizes behind the members": through_a_pipe(),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_what_is_unusual_is_left_to_zipfile(kind: str) -> None:
    data = UNUSUAL[kind]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        expected = {name: archive.read(name) for name in archive.namelist()}
    assert plain(data) is None
    assert contents(data) == expected


def test_a_changed_byte_of_a_member_is_told() -> None:
    data = bytearray(image())
    data[data.index(b"{}")] ^= 1
    assert plain(bytes(data)) is not None
    with pytest.raises(zipfile.BadZipFile, match=r"CRC.*config\.json"):
        contents(bytes(data))


def test_a_name_twice_is_left_to_zipfile() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x", b"2")
    assert plain(buffer.getvalue()) is None
    with zip_archive.opened(buffer.getvalue()) as archive:
        assert archive.content(archive.member("x")) == b"2"


def test_a_damaged_archive_gives_what_zipfile_gives(rng: np.random.Generator) -> None:
    """Nothing that zipfile refuses is opened, and what both open has the same members."""
    good = image({"config.json": b"{}" * 20, "b": bytes(50)})
    agreed = 0
    for _ in range(3000):
        data = bytearray(good)
        for place in rng.integers(len(data), size=rng.integers(1, 3)):
            data[place] = rng.choice([0, 1, 255, rng.integers(256)])
        if (archive := plain(bytes(data))) is None:
            continue
        with zipfile.ZipFile(io.BytesIO(data)) as theirs:
            assert [member.name for member in archive.members] == theirs.namelist()
            for member in archive.members:
                content = archive.content(member)
                assert content is None or content == theirs.read(member.name)
                agreed += content is not None
    assert agreed > 1000


def test_a_name_that_ends_as_an_archive_of_zip64_does_is_left_to_zipfile() -> None:
    data = image({"x" + "PK\x06\x07" + "\1" * 16: b""})
    assert plain(data) is None
    with pytest.raises(zipfile.BadZipFile):
        contents(data)


def test_every_cut_is_left_to_zipfile() -> None:
    data = image()
    for end in [*range(60), *range(len(data) - 200, len(data))]:
        assert plain(data[:end]) is None
