"""What a service takes, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NUMBERS", "Limits"]

NUMBERS = 1 << 26


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a service; a request beyond one is refused, and costs no other.

    Attributes
    ----------
    batch : int
        Rows of requests that run together. A request of more runs alone.
    delay : float
        Seconds that a request may stay in the queue for others to join it, where the last one had company.
    numbers : int
        That the layers of a model make, outputs of all of them, for the rows that are computed at a time: fewer rows
        where they are large. One row of more is 413.
    queue : int
        Requests of a model that have not begun to run; one more is 429.
    body : int
        Bytes of a request's body, unpacked, and of a message on a websocket; more are 413, or 1009.
    bodies : int
        Bytes of all bodies, messages and answers that are held at a time; more are 429, or 1013, and one answer of more
        is 413.
    body_seconds : float
        For a body, a message or the head of a request to arrive; later is 408, or the end of the connection.
    answer_seconds : float
        From the last byte of a request to its answer; later is 504. And for a client to take an answer, all but the
        last of what its socket holds; who is later is left.
    end_seconds : float
        For what is in flight at the end of the service.
    connections : int
        Open at a time; one more is 503.
    sessions : int
        Of a model, open at a time.
    session_seconds : float, optional
        Without a step until a session expires.
    """

    batch: int = 64
    numbers: int = NUMBERS
    delay: float = 0.0
    queue: int = 1024
    body: int = 16 << 20
    bodies: int = 256 << 20
    body_seconds: float = 10.0
    answer_seconds: float = 30.0
    end_seconds: float = 10.0
    connections: int = 8192
    sessions: int = 4096
    session_seconds: float | None = None
