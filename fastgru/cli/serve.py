"""Answer requests for models over HTTP, in the protocol of KServe and Triton, and stream over websockets."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from typing import Any

from fastgru.cli.arguments import COUNT, whole_number
from fastgru.cli.running import thread_count
from fastgru.serving.limits import Limits

EXAMPLE = "fastgru serve digits.keras --port 8000"

NEEDS = ("starlette", "uvicorn", "websockets", "prometheus_client")
MIB = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Limits()
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="a model file, served by its name without the ending, or NAME=MODEL"
    )
    parser.add_argument("--host", default="127.0.0.1", help="(default: %(default)s, this machine alone)")
    port = whole_number("from 0 to 65535", 0, 65535)
    parser.add_argument("--port", type=port, metavar="N", default=8000, help="0 for a free one (default: %(default)s)")
    parser.add_argument(
        "--token",
        type=_token,
        default=os.environ.get("FASTGRU_TOKEN"),
        metavar="TOKEN",
        help="what requests must name (default: FASTGRU_TOKEN)",
    )
    parser.add_argument(
        "--allow-host", type=_host, action="append", default=[], metavar="NAME",
        help="another name to be asked by, whose pages may ask, too; * for any name (repeat for several)",
    )  # fmt: skip
    parser.add_argument("--threads", **COUNT, help="threads (default: the CPUs this process may use)")
    parser.add_argument(
        "--workers", **COUNT, default=1, help="processes, which share models and threads (default: %(default)s)"
    )
    parser.add_argument(
        "--look-every", type=_seconds_or_none, metavar="S", default=1.0,
        help="seconds between looks for changed files, which are then read anew; 0: on SIGHUP alone (default: 1)",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="open the models, say what would be served, and end")
    parser.add_argument("--access-log", action="store_true", help="a line for each request")
    limits = parser.add_argument_group("limits")
    for name, meaning, value in (
        ("max-batch", "rows that run together", default.batch),
        (
            "max-numbers",
            "Mi numbers that layers make of a row; more are refused with 413",
            default.numbers >> 20,
        ),
        ("max-queue", "requests of a model that wait; more are refused with 429", default.queue),
        ("max-body", "MiB of a request or message; more are refused with 413", default.body // MIB),
        ("max-sessions", "open sessions of a model", default.sessions),
        ("max-connections", "open connections", default.connections),
    ):
        limits.add_argument(f"--{name}", **COUNT, default=value, help=f"{meaning} (default: %(default)s)")
    for name, meaning, seconds in (
        ("body-timeout", "for a request to arrive", default.body_seconds),
        ("timeout", "for its answer", default.answer_seconds),
        ("grace", "for what is in flight, at the end", default.end_seconds),
    ):
        limits.add_argument(
            f"--{name}", type=_seconds, metavar="S", default=seconds, help=f"seconds {meaning} (default: %(default)s)"
        )
    limits.add_argument(
        "--max-delay", type=_milliseconds, metavar="MS", default=1e3 * default.delay,
        help="milliseconds that a request stays in the queue for others to join it (default: %(default)s)",
    )  # fmt: skip
    limits.add_argument(
        "--session-ttl", type=_seconds, metavar="S", help="seconds without a step until a session ends (default: none)"
    )


def _token(text: str) -> str:
    """The token; the error says none of it."""
    if not text.isascii() or not text.isprintable() or not text.strip():
        raise argparse.ArgumentTypeError("expected a token of printable characters of ASCII, here or in FASTGRU_TOKEN")
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+|\*", text):
        raise argparse.ArgumentTypeError(f"expected the name of a host without a port, or *, got {text!r}")
    return text


def _number(text: str, least: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= 86400e3 or value != value:
        raise argparse.ArgumentTypeError(f"expected a number of at least {least:g}, got {text!r}")
    return value


def _seconds(text: str) -> float:
    return _number(text, 0.001)


def _seconds_or_none(text: str) -> float | None:
    return _number(text, 0.0) or None


def _milliseconds(text: str) -> float:
    return _number(text, 0.0)


def _tensors(tensors: Sequence[Any]) -> str:
    return ", ".join(f"{one['name']} {one['datatype']}{one['shape']}" for one in (part.metadata() for part in tensors))


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(
        batch=options.max_batch,
        delay=options.max_delay / 1e3,
        numbers=options.max_numbers << 20,
        queue=options.max_queue,
        body=options.max_body * MIB,
        bodies=max(Limits().bodies, 2 * options.max_body * MIB),
        body_seconds=options.body_timeout,
        answer_seconds=options.timeout,
        end_seconds=options.grace,
        connections=options.max_connections,
        sessions=options.max_sessions,
        session_seconds=options.session_ttl,
    )


def _without_stream(network: Any) -> str:
    """Why a model has no sessions; empty where it has."""
    from fastgru.streaming import Sessions

    try:
        Sessions(network, capacity=1)
    except ValueError as error:
        return f"; no stream ({str(error).removesuffix('.')})"
    return ""


def run(options: argparse.Namespace) -> None:
    missing = [name for name in NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"serve: needs {missing[0]}, which is not installed: pip install 'fastgru[serve]'.")
    if options.workers > 1 and not options.dry_run:
        # prometheus_client reads it when it is imported
        folder = tempfile.TemporaryDirectory(prefix="fastgru-metrics-")
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder.name)
    from fastgru import config
    from fastgru.serving import processes, server
    from fastgru.serving.admission import Admission, is_loopback
    from fastgru.serving.reloading import ModelFiles

    if config.get_products() == "auto":
        config.set_products("tiles")  # with which a row's answer is the same in any company
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fastgru.serving").setLevel(logging.INFO)
    limits = _limits(options)
    files = ModelFiles(options.models, limits)
    models = files.loaded()
    if options.dry_run:
        for model in models:
            tensors = f"{_tensors(model.inputs)} -> {_tensors(model.outputs)}"
            print(f"{model.name}: {tensors}{_without_stream(model.network)}")
        return
    with server.bound(options.host, options.port) as listener:
        host, port = listener.getsockname()[:2]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        names = ", ".join(model.name for model in models)
        workers = options.workers
        of_workers = f"{workers} workers, " * (workers > 1)
        is_local = is_loopback(host)
        if not is_local and options.token is None:
            warnings.warn(
                f"--host {host} without a token: everybody who reaches this machine may ask; set FASTGRU_TOKEN.",
                stacklevel=2,
            )
        print(f"Serving {names} at {address}/v2, {of_workers}{thread_count()} (Ctrl-C ends)", flush=True)
        admission = Admission(options.token, [options.host, *options.allow_host], is_local)
        setup = processes.Setup(
            files, models, limits, admission, listener, options.look_every, options.access_log
        )  # fmt: skip
        try:
            if workers > 1:
                processes.several(workers, setup)
            else:
                processes.alone(setup)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("the service has ended") from None
