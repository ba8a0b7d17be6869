"""Models whose file has changed take the place of those before, while the service goes on."""

from __future__ import annotations

import asyncio
import logging
import re
import shlex
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastgru import saving
from fastgru.serving.app import Service
from fastgru.serving.limits import Limits
from fastgru.serving.served import Served, of_model

__all__ = ["ModelFiles", "follow"]

logger = logging.getLogger("fastgru.serving")

T = TypeVar("T")
Stamp = tuple[tuple[str, int, int, int], ...]


class ModelFiles:
    """The files of a service's models, each named ``NAME=PATH`` or by its file.

    Parameters
    ----------
    words : sequence of str
    limits : Limits

    Raises
    ------
    ValueError
        Two have one name, or a name is none.
    """

    def __init__(self, words: Sequence[str], limits: Limits) -> None:
        self._limits = limits
        self._paths: dict[str, Path] = {}
        for word in words:
            name, path = _named(word)
            if name in self._paths:
                raise ValueError(
                    f"{word}: there are two models named {name!r}; give one another name as in NAME=MODEL."
                )
            self._paths[name] = Path(path)
        # as of the last time that each was read, taken or refused, and looked at
        self._read: dict[str, Stamp | None] = {}
        self._seen: dict[str, Stamp | None] = {}

    def loaded(self) -> list[Served]:
        """All models.

        Raises
        ------
        OSError, ValueError
            A file cannot be read or served.
        """
        return [self._loaded(name) for name in self._paths]

    def changed(self, at_once: bool) -> list[str]:
        """The models whose files are other ones than those that were read, and unless `at_once` the same as at the
        last look: nobody is writing there any more."""
        names = []
        for name, path in self._paths.items():
            stamp, before = _stamp(path), self._seen.get(name)
            self._seen[name] = stamp
            if stamp is not None and stamp != self._read.get(name) and (at_once or stamp == before):
                names.append(name)
        return names

    def taken(self, names: Iterable[str]) -> list[Served]:
        """The models of these files; one that is damaged is logged, and left out until its file changes again."""
        models = []
        for name in names:
            try:
                models.append(self._loaded(name))
            except Exception as error:
                what = str(error) if isinstance(error, (OSError, ValueError)) else f"{type(error).__name__}: {error}"
                logger.warning("Model %r goes on as it was, its changed file is not taken: %s", name, what)
            else:
                logger.info("Model %r is read anew from %s.", name, self._paths[name])
        return models

    def _loaded(self, name: str) -> Served:
        path = self._paths[name]
        self._read[name] = stamp = _stamp(path)
        served = of_model(name, saving.load_model(path), self._limits.batch, self._limits.numbers)
        if _stamp(path) != stamp:
            self._read[name] = None
            raise ValueError(f"{path}: was changed while it was read.")
        served.warm_up()
        return served


def _named(word: str) -> tuple[str, str]:
    name, equals, path = word.partition("=")
    if not equals or Path(word).exists():
        name, path = Path(word).stem, word
    if not path:
        raise ValueError(f"{word}: expected NAME=MODEL, got no file behind the name.")
    if not re.fullmatch(r"[\w.-]+", name):
        raise ValueError(
            f"{word}: expected a name of letters, digits, '.', '_' and '-', got {name!r}; say NAME={shlex.quote(path)}."
        )
    return name, path


def _stamp(path: Path) -> Stamp | None:
    """What tells that a file, or one in a folder, is another; None where there is none."""
    try:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        stats = [(str(file), file.stat()) for file in files]
    except OSError:
        return None
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)


async def _beside(work: Callable[[], T]) -> T:
    """The result of work in a thread that, other than an executor's, the end of the process does not wait for."""
    loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            settle = partial(_settle, result.set_result, result, work())
        except BaseException as error:
            settle = partial(_settle, result.set_exception, result, error)
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(settle)

    threading.Thread(target=run, name="fastgru reload", daemon=True).start()
    return await result


def _settle(how: Callable[[Any], object], result: asyncio.Future[Any], value: Any) -> None:
    if not result.done():  # nor cancelled
        how(value)


async def follow(service: Service, files: ModelFiles, seconds: float | None) -> None:
    """Take changed files when a SIGHUP comes, and where `seconds` are given look for them that often.

    A model's place is taken in the event loop; requests that came before are answered by the model before.
    """
    loop, hangup = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    if seconds is None:
        hangup.set()  # one may have come before
    try:
        while True:
            with suppress(asyncio.TimeoutError):  # in Python 3.10 another than TimeoutError
                await asyncio.wait_for(hangup.wait(), seconds)
            at_once = hangup.is_set()
            hangup.clear()
            names = files.changed(at_once)
            if names:
                for served in await _beside(partial(files.taken, names)):
                    try:
                        await service.replace(served)
                    except Exception:  # later changes of the files are taken all the same
                        logger.exception("Model %r has not taken the place of the one before.", served.name)
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
