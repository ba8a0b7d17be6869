"""Models with several outputs: the kernels step them as one row, and what comes out has the model's form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import config
from fastgru.layers import GRU, Concatenate, Dense, Input
from fastgru.models import Model
from fastgru.streaming import Sessions


def model_of(form: Any) -> Model:
    """A graph with a gate's answer of 3 numbers and a judge's of 1, in this form."""
    heard = Input((None, 5))
    first = GRU(6, return_sequences=True)(Dense(4, activation="tanh")(heard))
    second = GRU(7, activation="relu", reset_after=False, return_sequences=True)(Concatenate()([first, heard]))
    return Model(heard, form(Dense(3, name="gate")(second), Dense(1, name="judge")(first)))


FORMS = {
    "list": lambda gate, judge: [gate, judge],
    "dict": lambda gate, judge: {"judge": judge, "gate": gate},
    "twice": lambda gate, judge: [gate, gate, judge],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("k", "n"), [(1, 0), (1, 1), (3, 4), (70, 2)])
def test_each_is_that_of_the_whole_sequence_in_the_form_of_predict(rng: Any, form: str, k: int, n: int) -> None:
    model = model_of(FORMS[form])
    sessions = Sessions(model, k)
    ids = [sessions.open() for _ in range(k)]
    x = rng.normal(size=(k, 2 * max(n, 1), 5)).astype("float32")
    with config.tiles_in_this_thread():
        whole = model.predict(x)
    for part, steps in enumerate(np.split(x, 2, axis=1)):
        answer = sessions.step(ids, steps if n else steps[:, 0])
        assert type(answer) is type(whole) and len(answer) == len(whole)
        for name in whole if isinstance(whole, dict) else range(len(whole)):
            expected = np.split(whole[name], 2, axis=1)[part]
            np.testing.assert_array_equal(answer[name], expected if n else expected[:, 0])


def test_the_kernels_step_them_by_themselves(route: str) -> None:
    assert (Sessions(model_of(FORMS["twice"]), 1)._passes.stream() is not None) == (route == "compiled")


def test_they_are_written_to_a_list_of_arrays(rng: Any) -> None:
    model = model_of(FORMS["list"])
    sessions = Sessions(model, 2)
    ids, x = [sessions.open(), sessions.open()], rng.normal(size=(2, 4, 5)).astype("float32")
    out = [np.empty((2, 4, 3), "float32"), np.empty((2, 4, 1), "float32")]
    assert sessions.step(ids, x, out=out) is out
    for written, whole in zip(out, model.predict(x), strict=True):
        np.testing.assert_allclose(written, whole, atol=1e-6)
    with pytest.raises(ValueError, match="out of shape"):
        sessions.step(ids, x, out=np.empty((2, 4, 4), "float32"))
