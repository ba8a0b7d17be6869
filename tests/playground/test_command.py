"""``fastgru playground`` serves the page or writes it, and ends as the other commands do."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastgru import cli
from fastgru.layers import GRU, Dense
from fastgru.models import Sequential
from fastgru.playground import page

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    # the default handler, which is what a terminal's program has; a shell's background job would ignore Ctrl-C
    program = (
        "import signal, sys; from fastgru import cli; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        "sys.exit(cli.main(['playground', '--no-browser']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    yield process
    process.kill()
    process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to whole groups of processes")
def test_the_page_is_served_until_ctrl_c(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    line = running.stdout.readline()
    address = line.split()[1]
    assert line == f"Playground: {address} (Ctrl-C ends)\n" and address.startswith("http://127.0.0.1:")
    with OPENER.open(address, timeout=10) as response:
        assert response.read().decode() == page()
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        OPENER.open(f"{address}other", timeout=10)
    running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=10) == ("", "fastgru: the playground is closed\n")
    assert running.returncode == 130


def test_a_browser_is_opened_once_the_page_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = []

    def open_browser(address: str) -> bool:
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", open_browser)
    assert cli.main(["playground"]) == 130
    assert capsys.readouterr().out == f"Playground: {opened[0]} (Ctrl-C ends)\n"


def test_out_writes_the_page_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    assert cli.main(["playground", "--out", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == page()
    assert capsys.readouterr().out == f"Saved: {target}, {target.stat().st_size:,} bytes\n"


def test_a_model_of_ones_own_is_shown(tmp_path: Path) -> None:
    model = Sequential([GRU(3, input_shape=(8, 8)), Dense(4, activation="softmax")])
    model.save(tmp_path / "mine.keras")
    assert cli.main(["playground", str(tmp_path / "mine.keras"), "--out", str(tmp_path / "page.html")]) == 0
    assert '"name": "mine.keras"' in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.keras", "--no-browser"], "fastgru: missing.keras: File not found."),
        (["--port", "70000"], "expected a whole number from 0 to 65535, got '70000'"),
        (["--out", "page.txt"], "expected a file named *.html, got 'page.txt'"),
    ],
)
def test_what_cannot_be_is_told_in_a_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert cli.main(["playground", *words]) == 1
    except SystemExit as stopped:
        assert stopped.code == 2
    assert sentence in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert cli.main(["playground", "--no-browser", "--port", str(port)]) == 1
    sentence = f"fastgru: --port {port}: Address already in use; without --port a free one is taken.\n"
    assert capsys.readouterr().err == sentence
