"""Why a request is not answered."""

from __future__ import annotations

__all__ = ["Refusal"]


class Refusal(Exception):
    """A sentence for who asked, with its status in HTTP.

    Parameters
    ----------
    status : int
    sentence : str
    headers : (name, value) of bytes
    """

    def __init__(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = headers
