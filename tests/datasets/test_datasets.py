"""The data sets: where MNIST comes from, what happens when it does not come, and the digits in the package."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fastgru.datasets import digits, mnist


def mnist_bytes(**replaced: np.ndarray) -> bytes:
    """A file of MNIST's shapes, all zeros but for what is replaced."""
    shapes = {"x_train": (60000, 28, 28), "y_train": (60000,), "x_test": (10000, 28, 28), "y_test": (10000,)}
    arrays = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()} | replaced
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def published() -> bytes:
    return mnist_bytes()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Keras cache, and no other place where MNIST could be."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("FASTGRU_DATA", raising=False)
    return tmp_path / "keras" / "datasets" / "mnist.npz"


@pytest.fixture
def server(published: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """A web server on this machine in the place of Keras's; `body`, `status` and `pause` say what it answers."""

    class Handler(http.server.BaseHTTPRequestHandler):
        body = published
        status = 200
        pause = 0.0

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            try:
                for start in range(0, len(self.body), 1 << 14):
                    self.wfile.write(self.body[start : start + (1 << 14)])
                    self.wfile.flush()
                    time.sleep(self.pause)
            except OSError:  # the client has given up
                pass

        def log_message(self, *args: object) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist, "URL", f"http://127.0.0.1:{running.server_port}/mnist.npz")
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(published).hexdigest())
    yield Handler
    running.shutdown()
    running.server_close()


def left_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.exists() else []


def test_mnist_is_downloaded_once_and_then_read_from_keras_cache(cache: Path, server: type, published: bytes) -> None:
    assert mnist.find() is None
    (x, y), (x_test, y_test) = mnist.load_data()
    assert (x.shape, y.shape, x_test.shape, y_test.shape) == ((60000, 28, 28), (60000,), (10000, 28, 28), (10000,))
    assert x.dtype == y.dtype == np.uint8
    assert cache.read_bytes() == published
    assert left_in(cache.parent) == ["mnist.npz"]
    server.status = 500
    assert mnist.find() == cache
    mnist.load_data()


def test_keras_cache_comes_before_the_folder_of_the_environment(
    cache: Path, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTGRU_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").write_bytes(published)
    assert mnist.find() == tmp_path / "mnist.npz"
    cache.parent.mkdir(parents=True)
    cache.write_bytes(published)
    assert mnist.find() == cache


def test_the_environment_may_name_the_file_itself_and_is_told_where_it_names_nothing(
    cache: Path, server: type, published: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "numbers.npz"
    monkeypatch.setenv("FASTGRU_DATA", str(file))
    server.status = 404  # type: ignore[attr-defined]
    with pytest.raises(OSError, match=r"FASTGRU_DATA=.*numbers\.npz holds no mnist\.npz"):
        mnist.load_data()
    file.write_bytes(published)
    assert mnist.find() == file


def test_the_cache_is_in_the_home_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mnist.cache_file() == tmp_path / ".keras" / "datasets" / "mnist.npz"


@pytest.mark.parametrize(
    ("attribute", "value", "complaint"),
    [("status", 404, "Not Found"), ("body", b"something else", "sha256")],
    ids=["not there", "another file"],
)
def test_a_failed_download_says_where_to_put_the_file_and_leaves_nothing(
    cache: Path, server: type, attribute: str, value: object, complaint: str
) -> None:
    setattr(server, attribute, value)
    with pytest.raises(OSError, match=complaint) as caught:
        mnist.load_data()
    assert str(cache) in str(caught.value)
    assert "FASTGRU_DATA" in str(caught.value)
    assert left_in(cache.parent) == []


def test_nobody_listening_is_an_error_at_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(mnist, "URL", "http://127.0.0.1:9/mnist.npz")
    began = time.monotonic()
    with pytest.raises(OSError, match="refused"):
        mnist.load_data()
    assert time.monotonic() - began < 5


def test_a_slow_download_is_given_up_in_time(cache: Path, server: type) -> None:
    server.body = bytes(1 << 20)
    server.pause = 0.1
    began = time.monotonic()
    with pytest.raises(OSError, match=r"not complete after 0\.5 s"):
        mnist.download(seconds=0.5)
    assert time.monotonic() - began < 2
    assert left_in(cache.parent) == []


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (lambda: b"", "damaged"),
        (lambda: b"<html>not a zip</html>", "damaged"),
        (lambda: mnist_bytes()[:5000], "damaged"),
        (lambda: mnist_bytes(x_test=np.zeros((10000, 28, 27), np.uint8)), r"x_test \(10000, 28, 28\) uint8"),
        (lambda: mnist_bytes(y_test=np.zeros(10000, np.int64)), "y_test"),
        (lambda: mnist_bytes(y_test=np.full(10000, None)), "damaged"),
    ],
    ids=["empty", "html", "truncated", "shape", "dtype", "pickled"],
)
def test_a_file_that_is_not_mnist_is_named(cache: Path, content: Callable[[], bytes], complaint: str) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(content())
    with pytest.raises(ValueError, match=complaint) as caught:
        mnist.load_data()
    assert str(cache) in str(caught.value)


def test_a_path_with_folders_is_refused_as_in_keras(cache: Path) -> None:
    with pytest.raises(ValueError, match="file name"):
        mnist.load_data("../mnist.npz")


def test_mnist_of_the_development_folder_is_mnist(cache: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTGRU_DATA", str(shared / "data"))
    (x, y), (_, y_test) = mnist.load_data()
    assert list(y[:5]) == [5, 0, 4, 1, 9]
    assert list(y_test[:5]) == [7, 2, 1, 0, 4]
    assert x.mean() == pytest.approx(33.318, abs=1e-3)


def test_digits_are_shipped_and_split_in_a_fixed_way() -> None:
    (x, y), (x_test, y_test) = digits.load_data()
    assert (x.shape, x_test.shape) == ((1415, 8, 8), (382, 8, 8))
    assert x.dtype == y.dtype == np.uint8
    assert (x.min(), x.max()) == (0, 16)
    assert set(y) == set(y_test) == set(range(10))
    # both parts begin with the first fields of a form
    assert list(y[:30]) == list(y_test[:30]) == [*range(10)] * 3
    # min and max share of a class in the test part
    shares = np.bincount(y_test) / len(y_test)
    assert 0.09 < shares.min() <= shares.max() < 0.12


def test_digits_come_with_their_licence() -> None:
    text = Path(digits.__file__).with_name("digits.LICENSE").read_text()
    assert "CC BY 4.0" in text
    assert "Alpaydin" in text


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    (x, y), (x_test, y_test) = digits.load_data()
    np.testing.assert_array_equal(np.concatenate([x, x_test]).reshape(-1, 64), images)
    np.testing.assert_array_equal(np.concatenate([y, y_test]), labels)
