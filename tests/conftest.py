"""Shared by all tests: real Keras runs on JAX, and every test starts from the same random stream and names."""

from __future__ import annotations

import gc
import os
import re
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import SHARED

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # PyTorch's threads would spin for what another worker computes
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # small models run once: compiling is what takes time

import instruction_sets

from fastgru import cli, config, kernels, naming, random

ENGINES = [
    pytest.param((isa, products), id=f"{isa} with {products}", marks=[] if isa == kernels.isa else [pytest.mark.isa])
    for isa, products in [*((isa, "tiles") for isa in kernels.available()), (kernels.isa, "blas")]
]


ALL_BUT_FAST = re.compile(r"^pytestmark = .*pytest\.mark\.(slow|keras|isa)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file without a fast test is not imported for `-m fast`: Keras, JAX and PyTorch's own tests take seconds."""
    is_test = collection_path.suffix == ".py" and config.option.markexpr == "fast"
    return (is_test and bool(ALL_BUT_FAST.search(collection_path.read_text(encoding="utf-8")))) or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives as long as the tests do: it is not looked through again and again for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest looks at -m
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    for item in items:
        if "keras" in item.fixturenames:
            item.add_marker("keras")
        marks = {mark.name for mark in item.iter_markers()}
        if not {"slow", "keras", "isa"} & marks and "shared" not in item.fixturenames:
            item.add_marker("fast")


@pytest.fixture(autouse=True)
def _same_start() -> None:
    random.seed_stream(0)
    naming.forget_names()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is a KeyboardInterrupt, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261123)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs one command; returns its exit status, and what it wrote to stdout and stderr."""

    def command(*words: str) -> tuple[int, str, str]:
        try:
            status = cli.main(words)
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return command


@pytest.fixture(scope="session")
def keras():
    """Real Keras, the oracle; the test is skipped where it is not installed."""
    return pytest.importorskip("keras", reason="real Keras is not installed")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The development folder with public model files and MNIST, which a user does not have."""
    if not SHARED.is_dir():
        pytest.skip("the development folder 'shared' is not beside the checkout")
    return SHARED


@pytest.fixture(params=ENGINES)
def every_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The test runs with each instruction set of this machine, and with either way to multiply."""
    isa, products = request.param
    monkeypatch.setattr(config, "_products", products)
    with instruction_sets.running(isa):
        yield str(isa)
