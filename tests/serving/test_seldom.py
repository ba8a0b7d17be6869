"""What a client can write into a service's log."""

from __future__ import annotations

import logging
import socket

import pytest

for package in ("starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(package, reason="fastgru serve needs the extra [serve]")

from services import serving

from fastgru.layers import GRU, Input
from fastgru.models import Sequential
from fastgru.serving.seldom import Seldom


def line(message: str, level: int = logging.WARNING, error: Exception | None = None) -> logging.LogRecord:
    exception = None if error is None else (type(error), error, None)
    return logging.LogRecord("log", level, "file", 1, message, (), exception)


def test_a_line_is_written_once_in_a_while_and_counts_those_between() -> None:
    now = [0.0]
    seldom = Seldom(60, lambda: now[0])
    assert [bool(seldom.filter(line("no request"))) for _ in range(4)] == [True, False, False, False]
    assert seldom.filter(line("another"))
    now[0] = 60.0
    later = line("no request")
    assert seldom.filter(later)
    assert later.getMessage() == "no request (3 more since the last such line)"
    now[0] = 120.0
    later = line("no request")
    assert seldom.filter(later)
    assert later.getMessage() == "no request"


def test_other_errors_and_what_is_no_warning_are_written() -> None:
    seldom = Seldom()
    assert all(seldom.filter(line("failed", error=error)) for error in (KeyError(), TypeError()))
    assert not seldom.filter(line("failed", error=KeyError()))
    assert all(seldom.filter(line("GET", logging.INFO)) for _ in range(3))


def test_bytes_that_are_no_request_fill_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("uvicorn.error")
    log.filters = [one for one in log.filters if not isinstance(one, Seldom)]  # of the tests before
    with serving({"model": Sequential([Input((None, 3), name="x"), GRU(2)])}) as running:
        for _ in range(20):
            with socket.create_connection((running.host, running.port), timeout=10) as one:
                one.sendall(bytes(100) + b"\r\n\r\n")
                assert one.recv(65536).startswith(b"HTTP/1.1 400")
    assert capsys.readouterr().err.count("Invalid HTTP request") == 1
