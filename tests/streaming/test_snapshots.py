"""Sessions as bytes: what comes back goes on, and what is no snapshot of this model opens nothing."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from stream_models import opened, row_of, with_weights

from fastgru import Model
from fastgru.layers import GRU, LSTM, Dense, Embedding, Input
from fastgru.streaming import Sessions

RNG = np.random.default_rng(6)
X = RNG.normal(size=(3, 5, 4)).astype("float32")


def model_of(units: int = 6, **options: Any) -> Any:
    return row_of(GRU(units, return_sequences=True, **options), LSTM(3), Dense(2), shape=(None, 4))


def streamed(model: Any) -> tuple[Sessions, Any]:
    sessions = Sessions(model, 4)
    ids = opened(sessions, 3)
    sessions.step(ids, X)
    return sessions, ids


def test_restored_sessions_go_on_in_the_order_of_the_snapshot() -> None:
    sessions, ids = streamed(model_of())
    other = Sessions(model_of(), 5)  # the same model, made anew
    restored = other.restore(sessions.snapshot(ids[::-1]))
    np.testing.assert_array_equal(other.step(restored, X[::-1])[::-1], sessions.step(ids, X))


def test_a_snapshot_stays_when_the_session_goes_on() -> None:
    sessions, ids = streamed(model_of())
    snapshot = sessions.snapshot(ids[0])
    answer = sessions.step(ids[0], X[:1])
    np.testing.assert_array_equal(sessions.step(sessions.restore(snapshot), X[:1]), answer)


AS_BYTES: dict[str, Any] = {
    "bytearray": bytearray,
    "memoryview": memoryview,
    "a view at an odd place": lambda snapshot: memoryview(b"?" + snapshot)[1:],
    "a view of every second byte": lambda snapshot: memoryview(np.repeat(np.frombuffer(snapshot, "u1"), 2))[::2],
    "a view from the end": lambda snapshot: memoryview(snapshot[::-1])[::-1],
    "a view of numbers": lambda snapshot: memoryview(np.frombuffer(snapshot, "<i4")),
    "a view of rows": lambda snapshot: memoryview(np.frombuffer(snapshot, "u1").reshape(-1, 4)),
}


@pytest.mark.parametrize("kind", AS_BYTES)
def test_bytes_come_in_any_form(kind: str) -> None:
    sessions, ids = streamed(model_of())
    snapshot = sessions.snapshot(ids[:1])
    answer = sessions.step(ids[0], X[:1])
    np.testing.assert_array_equal(sessions.step(sessions.restore(AS_BYTES[kind](snapshot)), X[:1]), answer)


def test_no_sessions_are_a_snapshot_too() -> None:
    sessions, _ = streamed(model_of())
    assert sessions.restore(sessions.snapshot([])) == []


def test_a_snapshot_outlives_new_weights() -> None:
    model = model_of()
    sessions, ids = streamed(model)
    snapshot = sessions.snapshot(ids)
    model.set_weights([weight * 2 for weight in model.get_weights()])
    assert len(Sessions(model, 3).restore(snapshot)) == 3


FOREIGN: dict[str, Any] = {
    "units": lambda: model_of(7),
    "candidate": lambda: model_of(reset_after=False),
    "activation": lambda: model_of(activation="relu"),
    "head": lambda: row_of(GRU(6, return_sequences=True), LSTM(3), Dense(2, "tanh"), shape=(None, 4)),
    "order": lambda: row_of(LSTM(3, return_sequences=True), GRU(6), Dense(2), shape=(None, 4)),
    "word ids": lambda: row_of(Embedding(9, 4), GRU(6, return_sequences=True), LSTM(3), Dense(2), shape=(None,)),
}


def test_a_snapshot_of_another_dtype_is_refused() -> None:
    sessions, ids = streamed(model_of())
    double = GRU(6, return_sequences=True, dtype="float64")
    other = Sessions(with_weights(Model(*(lambda x: (x, Dense(2)(LSTM(3)(double(x)))))(Input((None, 4))))), 4)
    with pytest.raises(ValueError, match="of a model with other layers"):
        other.restore(sessions.snapshot(ids))


def test_no_number_of_sessions_without_states_is_too_large_to_be_refused() -> None:
    sessions = Sessions(row_of(Dense(2), shape=(None, 4)), 3)
    head = sessions.snapshot([])[: -32 - 8]
    for count in (1 << 31, 1 << 40, (1 << 64) - 1):
        body = head + count.to_bytes(8, "little")
        with pytest.raises((ValueError, RuntimeError), match=r"damaged|3 of the 3 slots are free"):
            sessions.restore(body + sha256(body).digest())
    assert len(sessions) == 0


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_snapshot_of_another_model_is_refused(kind: str) -> None:
    sessions, ids = streamed(model_of())
    other = Sessions(FOREIGN[kind](), 4)
    with pytest.raises(ValueError, match=r"Sessions.restore: the snapshot is of a model with other layers"):
        other.restore(sessions.snapshot(ids))
    assert len(other) == 0


def test_options_of_training_alone_make_no_other_model() -> None:
    sessions, ids = streamed(model_of())
    other = model_of(dropout=0.5, recurrent_initializer="zeros", kernel_regularizer="l2", name="another")
    assert len(Sessions(other, 4).restore(sessions.snapshot(ids))) == 3


def test_a_snapshot_that_does_not_fit_the_capacity_opens_none() -> None:
    sessions, ids = streamed(model_of())
    with pytest.raises(RuntimeError, match="1 of the 4 slots are free and 3 asked for"):
        sessions.restore(sessions.snapshot(ids))
    assert len(sessions) == 3


def damaged(snapshot: bytes) -> dict[str, Any]:
    count = 15 + 1 + 32
    return {
        "empty": b"",
        "no snapshot": b"PK\x03\x04" * 100,
        "a text": "FASTGRUSESSIONS",
        "of numbers": [1, 2, 3],
        "of a later version": snapshot[:15] + b"\x02" + snapshot[16:],
        "the head alone": snapshot[:60],
        "cut": snapshot[:-1],
        "longer": snapshot + b"\0",
        "more sessions than bytes": snapshot[:count] + (4).to_bytes(8, "little") + snapshot[count + 8 :],
        "2 ** 64 sessions": snapshot[:count] + b"\xff" * 8 + snapshot[count + 8 :],
        "a state": snapshot[:-60] + bytes([snapshot[-60] ^ 1]) + snapshot[-59:],
        "the checksum": snapshot[:-1] + bytes([snapshot[-1] ^ 128]),
    }


@pytest.mark.parametrize("kind", damaged(bytes(99)))
def test_damaged_bytes_are_refused_in_a_sentence(kind: str) -> None:
    sessions, ids = streamed(model_of())
    with pytest.raises(ValueError, match=r"^Sessions\.restore: [^\n]*\.$"):
        sessions.restore(damaged(sessions.snapshot(ids))[kind])
    assert len(sessions) == 3


def test_any_byte_that_changes_is_seen() -> None:
    sessions, ids = streamed(model_of())
    snapshot = sessions.snapshot(ids[:1])
    for place in range(len(snapshot)):
        changed = bytearray(snapshot)
        changed[place] ^= 1 << int(RNG.integers(8))
        with pytest.raises(ValueError, match=r"Sessions\.restore"):
            sessions.restore(bytes(changed))
    for stop in range(0, len(snapshot), 7):
        with pytest.raises(ValueError, match=r"Sessions\.restore"):
            sessions.restore(snapshot[:stop])
    assert len(sessions) == 3
