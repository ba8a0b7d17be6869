"""get_file: the cache, the hash, the network that is not there, and archives that would leave their folder."""

from __future__ import annotations

import hashlib
import io
import tarfile
import warnings
import zipfile
from pathlib import Path

import pytest

from fastgru.utils import get_file

CONTENT = b"words of a text\n" * 9000


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache, and no other place where a file could be."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FASTGRU_DATA", raising=False)
    return tmp_path / "keras"


@pytest.fixture
def address(tmp_path: Path) -> str:
    """That of a file, which needs no network."""
    file = tmp_path / "words.txt"
    file.write_bytes(CONTENT)
    return file.as_uri()


def test_a_file_is_fetched_once_and_then_read_from_the_cache(home: Path, address: str, tmp_path: Path) -> None:
    path = get_file("mine.txt", address, file_hash=hashlib.sha256(CONTENT).hexdigest())
    assert path == str(home / "datasets" / "mine.txt")
    assert Path(path).read_bytes() == CONTENT
    (tmp_path / "words.txt").unlink()
    assert get_file("mine.txt", address, md5_hash=hashlib.md5(CONTENT).hexdigest()) == path
    assert [file.name for file in Path(path).parent.iterdir()] == ["mine.txt"]


def test_the_name_and_the_folder_are_those_asked_for(home: Path, address: str, tmp_path: Path) -> None:
    assert get_file(origin=address) == str(home / "datasets" / "words.txt")
    assert get_file(origin=address, cache_subdir="texts") == str(home / "texts" / "words.txt")
    assert get_file(origin=address, cache_dir=tmp_path / "here", cache_subdir="") == str(tmp_path / "here/words.txt")


def test_an_outdated_file_is_fetched_anew(home: Path, address: str) -> None:
    path = Path(get_file(origin=address))
    path.write_bytes(b"old")
    with pytest.warns(UserWarning, match="md5 hash of the file is not"):
        get_file(origin=address, file_hash=hashlib.md5(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT
    path.write_bytes(b"old")
    get_file(origin=address)
    assert path.read_bytes() == b"old"
    get_file(origin=address, force_download=True)
    assert path.read_bytes() == CONTENT


def test_a_file_in_the_folder_of_the_environment_needs_no_network(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.txt").write_bytes(b"corpus")
    monkeypatch.setenv("FASTGRU_DATA", str(tmp_path))
    assert get_file("corpus.txt", "http://127.0.0.1:9/corpus.txt") == str(tmp_path / "corpus.txt")


def test_without_a_network_the_error_says_where_to_put_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(OSError, match=r"corpus\.txt cannot be downloaded \(.*refused\)") as caught:
        get_file("corpus.txt", "http://127.0.0.1:9/corpus.txt")
    assert f"put http://127.0.0.1:9/corpus.txt at {home / 'datasets' / 'corpus.txt'}" in str(caught.value)
    assert "FASTGRU_DATA" in str(caught.value)


def test_other_bytes_than_the_hash_says_leave_nothing(home: Path, address: str) -> None:
    with pytest.raises(OSError, match="144,000 bytes arrived with sha256"):
        get_file(origin=address, file_hash="0" * 64)
    assert list((home / "datasets").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, '"origin"'),
        ({"origin": "http://127.0.0.1:9/"}, "the file name"),
        ({"origin": "http://127.0.0.1:9/a", "fname": "../a"}, "no longer accepted"),
        ({"origin": "http://127.0.0.1:9/a", "hash_algorithm": "crc"}, "one of auto, sha256, md5"),
    ],
)
def test_what_names_no_file_is_refused(home: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        get_file(**options)  # type: ignore[arg-type]


# --- archives -----------------------------------------------------------------------------------------


def tar_of(file: Path, *members: tuple[str, bytes | str, bytes]) -> str:
    """An archive of members: name, content or the place that a link leads to, kind."""
    with tarfile.open(file, "w:gz") as archive:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, str):
                member.linkname = content
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content) if isinstance(content, bytes) else None)
    return file.as_uri()


def zip_of(file: Path, name: str) -> str:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, CONTENT)
    return file.as_uri()


REVIEW = ("reviews/pos/0_9.txt", b"good", tarfile.REGTYPE)


def test_a_tar_is_unpacked_where_keras_unpacks_it(home: Path, tmp_path: Path) -> None:
    address = tar_of(tmp_path / "reviews.tar.gz", REVIEW)
    folder = get_file("reviews.tar.gz", address, untar=True)
    assert folder == str(home / "datasets" / "reviews_extracted")
    assert Path(folder, "reviews/pos/0_9.txt").read_bytes() == b"good"
    assert get_file("reviews", address, extract=True) == str(home / "datasets" / "reviews")
    assert get_file(origin=address, extract=True) == str(home / "datasets" / "reviews.tar.gz")
    assert (home / "datasets" / "reviews.tar.gz_archive").is_file()


def test_a_zip_is_unpacked_once(home: Path, tmp_path: Path) -> None:
    address = zip_of(tmp_path / "words.zip", "words/en.txt")
    folder = Path(get_file("words.zip", address, extract=True))
    assert (folder / "words/en.txt").read_bytes() == CONTENT
    (folder / "mine.txt").touch()
    get_file("words.zip", address, extract=True)
    assert (folder / "mine.txt").exists()
    get_file("words.zip", address, extract=True, force_download=True)
    assert not (folder / "mine.txt").exists()


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "a/../../outside.txt", "C:\\outside.txt"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_path_that_leads_out_is_refused_and_nothing_is_unpacked(
    home: Path, tmp_path: Path, kind: str, name: str
) -> None:
    file = tmp_path / f"bad.{kind}"
    address = zip_of(file, name) if kind == "zip" else tar_of(file, REVIEW, (name, b"bad", tarfile.REGTYPE))
    with pytest.raises(ValueError, match="leads out of the archive"):
        get_file(f"bad.{kind}", address, extract=True)
    assert [one.name for one in (home / "datasets").iterdir()] == [f"bad.{kind}"]
    assert not (home / "outside.txt").exists()


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("device", b"", tarfile.CHRTYPE), "device or a FIFO"),
        (("fifo", b"", tarfile.FIFOTYPE), "device or a FIFO"),
        (("link", "/etc/passwd", tarfile.SYMTYPE), "not in the archive"),
        (("link", "../../secret", tarfile.LNKTYPE), "not in the archive"),
    ],
)
def test_devices_and_links_out_of_the_archive_are_refused(
    home: Path, tmp_path: Path, member: tuple[str, bytes | str, bytes], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get_file("bad.tar", tar_of(tmp_path / "bad.tar", REVIEW, member), extract=True)
    assert not (home / "datasets" / "bad_extracted").exists()


def test_a_link_inside_becomes_a_copy_and_nothing_is_written_through_one(home: Path, tmp_path: Path) -> None:
    address = tar_of(
        tmp_path / "links.tar",
        REVIEW,
        ("reviews/again.txt", "pos/0_9.txt", tarfile.SYMTYPE),
        ("reviews/hard.txt", "reviews/pos/0_9.txt", tarfile.LNKTYPE),
    )
    folder = Path(get_file("links.tar", address, extract=True))
    for name in ("again.txt", "hard.txt"):
        assert not (folder / "reviews" / name).is_symlink()
        assert (folder / "reviews" / name).read_bytes() == b"good"


def test_what_is_no_archive_is_named(home: Path, address: str) -> None:
    with pytest.warns(UserWarning, match="is no archive of the formats"):
        get_file("words.txt", address, extract=True)
    with pytest.raises(ValueError, match="one of tar, zip"):
        get_file("words.txt", address, extract=True, archive_format="rar")


def test_no_warning_where_all_is_well(home: Path, address: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        get_file(origin=address)
