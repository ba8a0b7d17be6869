"""Every way of every engine that the benchmark races computes fastgru's numbers."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# at the end, so that an installed fastgru comes first
sys.path.append(str(Path(__file__).resolve().parents[1]))

from bench import engines, network
from bench.race import TOLERANCE, TOLERANCE_TRAINED

STEPS, BATCH_SIZE = 6, 4
NETWORK = network.draw(3, 5, 2, layers=2)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((10, STEPS, 3)).astype(np.float32)  # two batches and half of one
Y = RNG.integers(0, 2, 10)
LENGTHS = np.array([6, 1, 3, 2, 6, 5, 4, 1, 2, 6], np.int32)
MASK = np.arange(STEPS) < LENGTHS[:, None]

PEERS = {
    # those that train take seconds to import, and more to compile
    name: pytest.param(name, marks=[pytest.mark.slow] if entry.trains else [])
    for name, entry in engines.ENGINES.items()
    if name != "fastgru"
}
TRAINING = [param for name, param in PEERS.items() if engines.ENGINES[name].trains]
WITH_THREADS = [param for name, param in PEERS.items() if name != "keras_jax"]  # JAX has no setting for them


@pytest.fixture(params=PEERS.values())
def peer(request: pytest.FixtureRequest) -> Any:
    for package in engines.ENGINES[request.param].needs:
        pytest.importorskip(package)
    module = engines.load(request.param)
    if request.param == "keras_jax" and module.keras.backend.backend() != "jax":
        pytest.skip("Keras runs on another backend here")
    return module


@cache
def own() -> Any:
    return engines.load("fastgru")


def first(ways: dict[str, Any]) -> Any:
    return next(iter(ways.values()))


def assert_agree(found: dict[str, Any], expected: Any, tolerance: float = TOLERANCE) -> None:
    assert found
    for way, numbers in found.items():
        np.testing.assert_allclose(numbers, expected, rtol=0, atol=tolerance, err_msg=way)


def test_callers_agree(peer: Any) -> None:
    expected = first(own().callers(NETWORK, STEPS, 2))(X)
    for kind in ("callers", "quick_callers"):
        if make := getattr(peer, kind, None):
            assert_agree({way: np.array(call(X)) for way, call in make(NETWORK, STEPS, 2).items()}, expected)


def test_batchers_agree_also_in_a_last_batch_that_is_smaller(peer: Any) -> None:
    ways = peer.batchers(NETWORK, STEPS, 2)
    expected = first(own().batchers(NETWORK, STEPS, 2))(X, BATCH_SIZE)
    assert_agree({way: batcher(X, BATCH_SIZE) for way, batcher in ways.items()}, expected)


def test_every_peer_has_a_way_for_batches_side_by_side(peer: Any) -> None:
    assert any("side by side" in way or "asynchronous" in way for way in peer.batchers(NETWORK, STEPS, 2))


def test_padded_sequences_agree(peer: Any) -> None:
    ways = peer.masked(NETWORK, STEPS, 2)
    expected = first(own().masked(NETWORK, STEPS, 2))(X, MASK, LENGTHS)
    assert_agree({way: np.array(call(X, MASK, LENGTHS)) for way, call in ways.items()}, expected)


def test_both_directions_agree(peer: Any) -> None:
    ways = peer.bidirectional(NETWORK, STEPS, 2)
    expected = first(own().bidirectional(NETWORK, STEPS, 2))(X)
    assert_agree({way: np.array(call(X)) for way, call in ways.items()}, expected)


@pytest.mark.parametrize("peer", TRAINING, indirect=True)
@pytest.mark.parametrize("classes", [1, 2])
def test_trainers_agree_before_and_after_updates(peer: Any, classes: int) -> None:
    drawn = network.draw(3, 5, classes)

    def answers(make: Any) -> tuple[Any, Any]:
        trainer = make()
        before = np.array(trainer.outputs(X))
        trainer.epoch(X, Y, shuffle=False)
        return before, np.array(trainer.outputs(X))

    before, after = answers(first(own().trainers(drawn, STEPS, BATCH_SIZE, 2)))
    assert np.abs(after - before).max() > 1e-4
    makers = peer.trainers(drawn, STEPS, BATCH_SIZE, 2)
    found = {way: answers(make) for way, make in makers.items()}
    assert_agree({way: numbers for way, (numbers, _after) in found.items()}, before)
    assert_agree({way: numbers for way, (_before, numbers) in found.items()}, after, TOLERANCE_TRAINED)


@pytest.mark.parametrize("peer", WITH_THREADS, indirect=True)
def test_one_thread_is_tried_beside_many(peer: Any) -> None:
    ways = [peer.callers(NETWORK, STEPS, 2), peer.masked(NETWORK, STEPS, 2), peer.bidirectional(NETWORK, STEPS, 2)]
    if hasattr(peer, "trainers"):
        ways += [peer.trainers(NETWORK, STEPS, BATCH_SIZE, 2), peer.quick_trainers(NETWORK, STEPS, BATCH_SIZE, 2)]
    for found in ways:
        assert any(way.endswith(", 1 thread") for way in found)
        assert any(not way.endswith(", 1 thread") for way in found)
