"""The page of an explanation holds its numbers, asks nothing of a network, and its slider moves everything."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastgru.pages import Answer, Explanation, explanation_page, words

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


def texts_of(page: str) -> str:
    """What is read on a page, each element's text in a line of its own."""
    return html.unescape(re.sub(r"<script.*?</script>|<style.*?</style>|<[^>]*>", "\n", page, flags=re.S))


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
    page = explanation_page(shown, version="1.2.3")
    assert "http" not in page
    assert "<dog>" not in page and "pets<1>" not in page
    assert all(address.startswith("data:image/png") for address in re.findall(r'(?:src|href)="(.*?)"', page))
    texts = re.sub(r"\n+", "", texts_of(page))
    for name in ("Update gate z", "Reset gate r", "Candidate state", "Hidden state h", "sound", "After each step"):
        assert name in texts
    assert "Written by fastgru 1.2.3" in texts


def test_numbers_that_are_none_are_left_out() -> None:
    values = np.array([[np.nan, np.inf], [np.nan, np.nan]])
    answer = Answer("output", values, ["a", "b"])
    page = explanation_page(Explanation("m", "s", {"x": values}, {"g": {"state": values}}, [answer]))
    assert all(np.isnan(unpacked(packed)).all() for packed in data_of(page)["arrays"])
    assert "It says" not in texts_of(page)


def test_it_says_which_step_changed_the_answer() -> None:
    values = np.array([[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])
    answer = Answer("output", values, ["no", "yes"])
    assert answer.is_classes and answer.changes() == [(1, "no"), (3, "yes")]
    page = explanation_page(Explanation("m", "s", {"x": np.ones((3, 1))}, {"g": {"state": np.ones((3, 1))}}, [answer]))
    sentence = "It says yes (0.800). After each step it would have said: no from step 1, yes from step 3."
    assert sentence in re.sub(r"\n+", "", texts_of(page))
    assert not Answer("output", values + 1, ["no", "yes"]).is_classes


def test_an_answer_may_begin_late() -> None:
    values = np.array([[np.nan, np.nan], [0.7, 0.3], [0.2, 0.8]])
    answer = Answer("output", values, ["no", "yes"])
    assert answer.is_classes and answer.first == 2 and answer.changes() == [(2, "no"), (3, "yes")]
    page = explanation_page(Explanation("m", "s", {"x": np.ones((3, 1))}, {"g": {"state": np.ones((3, 1))}}, [answer]))
    assert "It needs 2 steps before it can answer." in texts_of(page)


def test_both_languages_have_the_same_words_with_the_same_places() -> None:
    english, chinese = words("explanation")["en"], words("explanation")["zh"]
    assert english.keys() == chinese.keys()
    for key in english:
        assert sorted(re.findall(r"\{\w+\}", english[key])) == sorted(re.findall(r"\{\w+\}", chinese[key])), key


def test_a_page_opens_in_chinese(shown: Explanation) -> None:
    page = explanation_page(shown, "zh", "1.2.3")
    texts = texts_of(page)
    assert '<html lang="zh-CN">' in page
    for name in ("更新门 z", "重置门 r", "候选隐状态", "隐状态 h", "sound", "每一步之后", "由 fastgru 1.2.3 生成"):
        assert name in re.sub(r"\n+", "", texts)
    own = {"sound", "cat", "dog", "pets", "keras", "one", "npy", "fastgru", "gru", "English"}
    assert set(re.findall(r"[A-Za-z]{2,}", texts)) <= own


@pytest.mark.parametrize(
    ("gates", "names"),
    [
        (("update", "reset", "candidate", "state"), ["Update gate", "Reset gate", "Candidate state", "Hidden state"]),
        (
            ("input", "forget", "candidate", "output", "cell", "state"),
            ["Input gate", "Forget gate", "Candidate cell", "Output gate", "Cell", "Hidden state"],
        ),
        (("state",), ["Hidden state"]),
        (("mine",), ["mine"]),
    ],
)
def test_gates_are_called_as_their_kind_of_layer_calls_them(gates: Any, names: list[str]) -> None:
    values = np.full((3, 2), 0.5)
    page = explanation_page(Explanation("m", "s", {"x": values}, {"g": dict.fromkeys(gates, values)}))
    captions = [re.sub(r"<[^>]*>", "", one) for one in re.findall(r"<strong[^>]*>(.*?)</strong>", page)]
    assert [caption.rsplit(" ", 1)[0] if " " in caption else caption for caption in captions[1:-1]] == names


# what somebody does, and where the slider stands then
MOVES = {
    "": 6,
    "key('ArrowLeft'); key('ArrowLeft')": 4,
    "key('Home'); key('ArrowRight')": 2,
    "slider.value = 3; slider.dispatchEvent(new Event('input'))": 3,
    "key('Home'); key('ArrowLeft')": 1,
    "slider.value = 5; slider.dispatchEvent(new Event('input')); key('End')": 6,
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
    assert f"step {step} of 6</output>" in done.stdout
    readings = re.findall(r'class="reading".*?>(.*?)</p>', done.stdout)
    for (name, values), reading in zip(shown.layers["gru"].items(), readings[1:], strict=True):
        if np.isnan(values[step - 1]).any():
            assert "a masked step" in reading, name
        else:
            assert reading.endswith(f"unit 3: {values[step - 1, 2]:.3f}".replace("-", "\N{MINUS SIGN}")), name
    cursors = re.findall(r'class="cursor" y1="8" y2="\d+" x1="([\d.]+)"', done.stdout)
    assert len(cursors) == 7  # input, four gates and states, a unit's history, the answers
    best = shown.answers[0].labels[shown.answers[0].values[step - 1].argmax()].replace("<", "&lt;").replace(">", "&gt;")
    assert re.search(r'aria-live="polite"><div><span class="name">(.*?)</span>', done.stdout)[1] == best


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
@pytest.mark.slow
@pytest.mark.browser
def test_a_button_says_all_of_it_in_the_other_language(shown: Explanation, tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="playwright drives the browser")
    from browsers import chromium

    with chromium() as browser:
        tab = browser.new_page()
        pages = {}
        for language, other in (("en", "zh"), ("zh", "en")):
            file = tmp_path / f"{language}.html"
            file.write_text(explanation_page(shown, language, "1.2.3"), encoding="utf-8")
            tab.goto(file.as_uri())
            tab.wait_for_selector(".reading:not(:empty)")
            pages[language] = tab.inner_text("body"), tab.title(), labels(tab)
            tab.click(f"[data-language={other}]")
            pages[f"{language} to {other}"] = tab.inner_text("body"), tab.title(), labels(tab)
        assert pages["en to zh"] == pages["zh"] and pages["zh to en"] == pages["en"]
        assert "第 6 步" in pages["zh"][0] and "step 6 of 6" in pages["en"][0]


def labels(tab: Any) -> list[str]:
    return tab.eval_on_selector_all("[aria-label]", "all => all.map((one) => one.getAttribute('aria-label'))")
