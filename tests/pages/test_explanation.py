"""The page of an explanation holds its numbers, asks nothing of a network, and its slider moves everything."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru.pages import Answer, Explanation, explanation_page

STEPS, UNITS = 6, 5


@pytest.fixture
def shown(rng: np.random.Generator) -> Explanation:
    gates = {name: rng.random((STEPS, UNITS)) for name in ("update", "reset")}
    gates["update"][4] = gates["reset"][4] = np.nan
    gates["candidate"], gates["state"] = rng.uniform(-1, 1, (2, STEPS, UNITS))
    chances = rng.random((STEPS, 3))
    answer = Answer("animal", chances / chances.sum(axis=1, keepdims=True), ["cat", "<dog>", "鱼"])
    return Explanation("pets<1>.keras", "one.npy", {"sound": rng.normal(size=(STEPS, 2))}, {"gru": gates}, [answer])


def data_of(page: str) -> Any:
    return json.loads(re.search(r'<script type="application/json" id="explanation">(.*?)</script>', page)[1])


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    codes = np.frombuffer(base64.b64decode(packed["codes"]), "<u2").astype(float)
    numbers = packed["low"] + codes / 65534 * (packed["high"] - packed["low"])
    return np.where(codes == 65535, np.nan, numbers).reshape(packed["shape"])


def test_it_holds_all_numbers(shown: Explanation) -> None:
    data = data_of(explanation_page(shown))
    expected = [shown.answers[0].values, *shown.inputs.values(), *shown.layers["gru"].values()]
    assert data["steps"] == STEPS and len(data["arrays"]) == len(expected)
    for packed, array in zip(data["arrays"], expected, strict=True):
        np.testing.assert_allclose(unpacked(packed), array, rtol=0, atol=1e-4)


def test_it_has_no_link_and_escapes_every_name(shown: Explanation) -> None:
    page = explanation_page(shown, footer="fastgru")
    assert "http" not in page
    assert "<dog>" not in page and "pets<1>" not in page
    assert all(address.startswith("data:image/png") for address in re.findall(r'(?:src|href)="(.*?)"', page))
    for name in ("update z", "reset r", "candidate", "state h", "sound", "After each step", "One unit"):
        assert f"<strong>{name}" in page


def test_numbers_that_are_none_are_left_out() -> None:
    values = np.array([[np.nan, np.inf], [np.nan, np.nan]])
    answer = Answer("output", values, ["a", "b"])
    page = explanation_page(Explanation("m", "s", {"x": values}, {"g": {"state": values}}, [answer]))
    assert all(np.isnan(unpacked(packed)).all() for packed in data_of(page)["arrays"])
    assert "It says" not in page


def test_it_says_which_step_changed_the_answer() -> None:
    values = np.array([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    answer = Answer("output", values, ["no", "yes"])
    assert answer.is_classes and answer.changes() == [(0, "no"), (2, "yes")]
    page = explanation_page(Explanation("m", "s", {"x": np.ones((3, 1))}, {"g": {"state": np.ones((3, 1))}}, [answer]))
    assert (
        "It says <strong>yes (0.8)</strong>; after each step it would have said no from step 0, yes from step 2" in page
    )
    assert not Answer("output", values + 1, ["no", "yes"]).is_classes


# what somebody does, and where the slider stands then
MOVES = {
    "": 5,
    "key('ArrowLeft'); key('ArrowLeft')": 3,
    "key('Home'); key('ArrowRight')": 1,
    "slider.value = 2; slider.dispatchEvent(new Event('input'))": 2,
    "key('Home'); key('ArrowLeft')": 0,
    "slider.value = 4; slider.dispatchEvent(new Event('input')); key('End')": 5,
}


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("moves", MOVES)
def test_the_slider_moves_cursors_and_numbers(moves: str, shown: Explanation, tmp_path: Path) -> None:
    acts = """<script>
      const slider = document.getElementById("step"), failures = [];
      const key = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      document.querySelector(".unit").value = 3;
      document.querySelector(".unit").dispatchEvent(new Event("input"));
      MOVES;
      document.body.dataset.value = slider.value;
    </script></body>"""
    file = tmp_path / "page.html"
    file.write_text(explanation_page(shown).replace("</body>", acts.replace("MOVES", moves)))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    step = MOVES[moves]
    assert f'data-value="{step}"' in done.stdout
    assert f"step {step} of 5</output>" in done.stdout
    readings = re.findall(r'class="reading".*?>(.*?)</p>', done.stdout)
    for (name, values), reading in zip(shown.layers["gru"].items(), readings[1:], strict=True):
        if np.isnan(values[step]).any():
            assert "a masked step" in reading, name
        else:
            assert reading.endswith(f"unit 3: {values[step, 3]:.3f}".replace("-", "\N{MINUS SIGN}")), name
    cursors = re.findall(r'class="cursor" y1="8" y2="\d+" x1="([\d.]+)"', done.stdout)
    assert len(cursors) == 7  # input, four gates and states, a unit's history, the answers
    best = shown.answers[0].labels[shown.answers[0].values[step].argmax()].replace("<", "&lt;").replace(">", "&gt;")
    assert re.search(r'aria-live="polite"><div><span class="name">(.*?)</span>', done.stdout)[1] == best
