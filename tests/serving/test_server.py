"""The socket that a service listens at."""

from __future__ import annotations

import socket

import pytest

pytest.importorskip("uvicorn", reason="needs the extra [serve]")

from fastgru.serving.server import bound


def test_an_answer_is_sent_at_once_though_its_head_is_written_before() -> None:
    with bound("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _address = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
