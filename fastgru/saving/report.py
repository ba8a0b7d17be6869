"""What is said when a model file cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastgru.text import notice as warn
from fastgru.text import printable

MAX_SENTENCE = 2000


def shown(text: str) -> str:
    """`printable`, with the middle left out of what is too long to be read."""
    text = printable(text)
    if len(text) <= MAX_SENTENCE:
        return text
    half = MAX_SENTENCE // 2
    return f"{text[:half]} [...] {text[-half:]}"


class ModelFileError(ValueError):
    """A model file cannot be read: the message names the file, the place in it and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


class ModelFileMissing(ModelFileError, FileNotFoundError):
    """There is no such file."""


class Report:
    """What was decided while a file was read: each decision is a sentence, with the layers that it concerns."""

    def __init__(self) -> None:
        self._layers: dict[str, list[str]] = {}

    def decide(self, decision: str, layer: object = None) -> None:
        """Write down a decision, without its full stop; made again, it only gets one more layer."""
        layers = self._layers.setdefault(shown(decision), [])
        if layer is not None and (name := printable(str(layer))) not in layers:
            layers.append(name)

    def sentences(self) -> list[str]:
        """The decisions in the order in which they were first made."""
        return [
            f"{decision}: {'layer' if len(layers) == 1 else 'layers'} {', '.join(layers)}."
            if layers
            else f"{decision}."
            for decision, layers in self._layers.items()
        ]


@contextmanager
def reading(file: str, place: str = "") -> Iterator[None]:
    """Turn whatever goes wrong inside into a ModelFileError that names the file and the place.

    A damaged file makes h5py, zipfile and json raise nearly every exception there is, so this catches them all.
    """
    try:
        yield
    except ModelFileError:
        raise
    except RecursionError as error:
        raise ModelFileError(f"{_where(file, place)}: is nested too deeply.") from error
    except Exception as error:
        raise ModelFileError(f"{_where(file, place)}: {sentence(error)}") from error


def _where(file: str, place: str) -> str:
    return f"{file}, {place}" if place else file


def sentence(error: Exception) -> str:
    """What an exception says, on one line and with its full stop."""
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        key = str(error.args[0])
        text = key if " " in key else f"{key!r} is missing"
    reason = " ".join(text.split()) or f"{type(error).__name__} in this place"
    return reason if reason.endswith((".", "?")) else f"{reason}."


def notice(message: str) -> None:
    """Warn of what stands in a file, on behalf of the first caller outside the package."""
    warn(shown(message))
