"""A service in one process or in several, with its models' files followed."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from fastgru import threads
from fastgru.serving import server
from fastgru.serving.admission import Admission
from fastgru.serving.app import Service
from fastgru.serving.limits import Limits
from fastgru.serving.reloading import ModelFiles, follow
from fastgru.serving.served import Served
from fastgru.serving.workers import Workers, until_closed

__all__ = ["Setup", "alone", "several", "shares"]

COUNT_SECONDS = 1.0  # between the times that a worker writes down what is counted when somebody asks


class Setup(NamedTuple):
    """What a service is of.

    Attributes
    ----------
    files : ModelFiles
    models : sequence of Served
        What is loaded of them.
    limits : Limits
    admission : Admission
    listener : socket
    look_seconds : float or None
        Between looks for changed files; None: on SIGHUP alone.
    access_log : bool
    """

    files: ModelFiles
    models: Sequence[Served]
    limits: Limits
    admission: Admission
    listener: socket.socket
    look_seconds: float | None
    access_log: bool


def alone(setup: Setup) -> None:
    """Answer in this process until SIGTERM or SIGINT."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until `follow` has its handler
    service = Service(setup.models, setup.limits, setup.admission)
    service.beside.append(partial(follow, service, setup.files, setup.look_seconds))
    server.run(service, setup.listener, setup.access_log)


def several(count: int, setup: Setup) -> None:
    """Answer in `count` processes on one socket until SIGTERM or SIGINT.

    This process loads the models, also those whose file has changed, forks, and answers nothing. Workers share what it
    has loaded, and load themselves what changes behind their fork.
    """
    files, limits = setup.files, setup.limits
    current = {model.name: model for model in setup.models}
    counts = shares(threads.get_num_threads(), count)
    service = Service(setup.models, limits, setup.admission)

    def work(number: int, alive: int) -> None:
        threads.set_num_threads(counts[number])
        service.beside += [
            partial(follow, service, files, None), partial(until_closed, alive), partial(_count, service)
        ]  # fmt: skip
        server.run(service, setup.listener, setup.access_log)

    def changed(at_once: bool) -> bool:
        nonlocal service
        taken = files.taken(files.changed(at_once))
        if taken:
            current.update({model.name: model for model in taken})
            service = Service(list(current.values()), limits, setup.admission)
        return bool(taken)

    Workers(count, work, changed, setup.look_seconds, limits.end_seconds).run()


def shares(total: int, count: int) -> list[int]:
    """How many threads each of some workers has: at least one, and all of them as many as there are."""
    return [max(1, total // count + (number < total % count)) for number in range(count)]


async def _count(service: Service) -> None:
    while True:
        service.count()
        await asyncio.sleep(COUNT_SECONDS)
