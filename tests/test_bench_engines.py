"""Every variant of every engine that the benchmark races computes fastgru's numbers."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import pytest
from paths import ROOT

# at the end, so that an installed fastgru comes first
sys.path.append(str(ROOT))

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
    name: pytest.param(name, marks=[pytest.mark.slow] if "train" in entry.does else [])
    for name, entry in engines.ENGINES.items()
    if name != "fastgru"
}


def able(kind: str) -> list[Any]:
    """The peers that can do this kind of job."""
    return [param for name, param in PEERS.items() if kind in engines.ENGINES[name].does]


TRAINING = able("train")
WITH_THREADS = [param for param in able("predict") if param.values != ("keras_jax",)]  # JAX has no setting for them


@pytest.fixture(params=able("predict"))
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


def first(variants: dict[str, Any]) -> Any:
    return next(iter(variants.values()))


def assert_agree(outputs: dict[str, Any], expected: Any, tolerance: float = TOLERANCE) -> None:
    assert outputs
    for variant, numbers in outputs.items():
        np.testing.assert_allclose(numbers, expected, rtol=0, atol=tolerance, err_msg=variant)


def test_callers_agree(peer: Any) -> None:
    expected = first(own().callers(NETWORK, STEPS, 2))(X)
    for kind in ("callers", "quick_callers"):
        if make := getattr(peer, kind, None):
            assert_agree({variant: np.array(call(X)) for variant, call in make(NETWORK, STEPS, 2).items()}, expected)


def test_batchers_agree_also_in_a_last_batch_that_is_smaller(peer: Any) -> None:
    variants = peer.batchers(NETWORK, STEPS, 2)
    expected = first(own().batchers(NETWORK, STEPS, 2))(X, BATCH_SIZE)
    assert_agree({variant: batcher(X, BATCH_SIZE) for variant, batcher in variants.items()}, expected)


def test_every_peer_has_a_variant_for_batches_side_by_side(peer: Any) -> None:
    assert any("side by side" in variant or "asynchronous" in variant for variant in peer.batchers(NETWORK, STEPS, 2))


def test_padded_sequences_agree(peer: Any) -> None:
    variants = peer.masked(NETWORK, STEPS, 2)
    expected = first(own().masked(NETWORK, STEPS, 2))(X, MASK, LENGTHS)
    assert_agree({variant: np.array(call(X, MASK, LENGTHS)) for variant, call in variants.items()}, expected)


def test_both_directions_agree(peer: Any) -> None:
    variants = peer.bidirectional(NETWORK, STEPS, 2)
    expected = first(own().bidirectional(NETWORK, STEPS, 2))(X)
    assert_agree({variant: np.array(call(X)) for variant, call in variants.items()}, expected)


@pytest.mark.parametrize("peer", able("step"), indirect=True)
def test_steppers_agree_and_carry_their_states(peer: Any) -> None:
    cell = network.draw(3, 5, 1).cells[0]
    rows = np.split(X[0], STEPS)

    def walked(step: Any) -> Any:
        return np.stack([step(row).copy() for row in rows])

    answers = {variant: walked(step) for variant, step in own().steppers(cell).items()}
    expected = first(answers)
    assert np.abs(np.diff(expected, axis=0)).max() > 1e-3
    assert_agree(answers | {variant: walked(step) for variant, step in peer.steppers(cell).items()}, expected)


@pytest.mark.parametrize("peer", able("stream"), indirect=True)
@pytest.mark.parametrize("count", [1, 4])
def test_streamers_agree_for_sessions_in_any_order(peer: Any, count: int) -> None:
    def walked(streamer: Any) -> Any:
        """The outputs of calls of all sessions, of every second one, and of all again from the last to the first."""
        orders = [np.arange(count), np.arange(0, count, 2), np.arange(count)[::-1]]
        return [streamer.step(streamer.ids[o], X[o, n]).copy() for n, o in enumerate(orders)]

    expected = walked(first(own().streamers(NETWORK, count, 2)))
    for variant, streamer in peer.streamers(NETWORK, count, 2).items():
        for numbers, right in zip(walked(streamer), expected, strict=True):
            assert_agree({variant: numbers}, right)


@pytest.mark.parametrize("peer", able("serve"), indirect=True)
def test_a_service_s_models_agree_at_any_number_of_rows(peer: Any) -> None:
    expected = first(own().callers(NETWORK, STEPS, 2))(X)
    for variant, make in peer.predictors(NETWORK, X, 2).items():
        call = make()
        for rows in (slice(0, 1), slice(2, 5), slice(None)):
            assert_agree({variant: call(X[rows])}, expected[rows])


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
    outputs = {variant: answers(make) for variant, make in makers.items()}
    assert_agree({variant: numbers for variant, (numbers, _after) in outputs.items()}, before)
    assert_agree({variant: numbers for variant, (_before, numbers) in outputs.items()}, after, TOLERANCE_TRAINED)


@pytest.mark.parametrize("peer", WITH_THREADS, indirect=True)
def test_one_thread_is_tried_beside_many(peer: Any) -> None:
    variants = [peer.callers(NETWORK, STEPS, 2), peer.masked(NETWORK, STEPS, 2), peer.bidirectional(NETWORK, STEPS, 2)]
    if hasattr(peer, "trainers"):
        variants += [peer.trainers(NETWORK, STEPS, BATCH_SIZE, 2), peer.quick_trainers(NETWORK, STEPS, BATCH_SIZE, 2)]
    for names in variants:
        assert any(variant.endswith(", 1 thread") for variant in names)
        assert any(not variant.endswith(", 1 thread") for variant in names)
