"""Pages: escaped, self-contained, and charts that say what they show."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from fastgru import pages
from fastgru.pages.colors import picture
from fastgru.pages.numbers import tick_labels, ticks

CHARTS = {
    "lines": lambda: pages.line_chart({"loss": [3, 2, 1], "a<b": [1, np.nan, 2]}, title="Loss", x_label="epoch"),
    "dates": lambda: pages.line_chart(
        {"load": [1, 2, 3]}, x=np.arange("2024-01", "2024-04", dtype="datetime64[M]"), title="Load", y_label="MW"
    ),
    "bars": lambda: pages.bar_chart({"p": [0.25, -0.5]}, ["猫", "<dog>"], title="Classes"),
    "heat map": lambda: pages.heat_map([[0, 1, 2], [3, 4, 5]], title="Update gate", x_label="step", y_label="unit"),
    "confusion": lambda: pages.confusion_matrix([[3, 1], [0, 2]], ["cat", "<dog>"]),
    "many classes": lambda: pages.confusion_matrix(np.eye(40, dtype=int)),
    "table": lambda: pages.table(["layer", "weights"], [["gru", 17856], ["<dense>", None]], title="Layers"),
}
VOID = {"br", "hr", "img", "input", "meta"}


class Outline(HTMLParser):
    """The tags of a text, which have to close in order, and its texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_texts_and_attributes_are_escaped_and_markup_is_not() -> None:
    inner = pages.element("b", "a < b & c")
    assert pages.element("p", inner, ["<i>", None, 3], class_='"x"', hidden=True, id=None, data_step=0.5) == (
        '<p class="&quot;x&quot;" hidden data-step="0.5"><b>a &lt; b &amp; c</b>&lt;i&gt;3</p>'
    )
    assert pages.element("br") == "<br>"


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_is_whole_escaped_and_says_what_it_shows(kind: str) -> None:
    outline = Outline(CHARTS[kind]())
    assert not [tag for tag, _ in outline.tags if tag in ("dog", "dense", "b")]
    labels = [attributes["aria-label"] for _, attributes in outline.tags if "aria-label" in attributes]
    assert len(labels) == 1 and labels[0]
    assert all("nan" not in str(value) for _, attributes in outline.tags for value in attributes.values())


def test_a_page_asks_nothing_of_a_network() -> None:
    text = pages.page("Report", *(make() for make in CHARTS.values()), footer="fastgru", script="let x = '</script>';")
    addresses = re.findall(r"(?:src|href|action)=\"(.*?)\"|url\((.*?)\)|@import|//", text)
    assert "http" not in text
    assert all(address.startswith("data:image/png;base64,") for address, _ in addresses)
    outline = Outline(text)
    assert [tag for tag, _ in outline.tags].count("script") == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in [a for _, a in outline.tags]


def test_a_data_block_cannot_end_its_element() -> None:
    value = {"name": "</script><b>更新门", "numbers": [1, 2.5]}
    block = pages.data_block("run", value)
    assert block.count("<") == 2
    assert json.loads(re.sub("<.*?>", "", block)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.1235"),
        (1234567, "1,234,567"),
        (-2.5e-7, "\N{MINUS SIGN}2.5e\N{MINUS SIGN}07"),
        (12345.6, "12,346"),
        (np.nan, "n/a"),
        (3.0, "3"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert pages.number(value) == text


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 7.9), (0.001, 0.0017), (1, 2e9), (0, 28), (-1e-9, 1e-9)])
def test_ticks_are_few_round_numbers_inside(low: float, high: float) -> None:
    places = ticks(low, high)
    assert 2 <= len(places) <= 6
    assert low - 1e-9 * (high - low) <= places[0] and places[-1] <= high + 1e-9 * (high - low)
    np.testing.assert_allclose(np.diff(places), places[1] - places[0])
    assert len(set(tick_labels(places))) == len(places)


def test_the_color_map_grows_lighter_evenly() -> None:
    linear = (pages.color_map() / 255) ** 2.2
    lightness = (linear @ [0.2126, 0.7152, 0.0722]) ** (1 / 3)
    steps = np.diff(lightness[::15])
    assert steps.min() > 0.5 * steps.mean()


def test_a_picture_is_a_png_of_the_values(rng: np.random.Generator) -> None:
    values = rng.random((5, 7))
    values[0, 0], values[4, 6], values[2, 2] = 0, 1, np.nan
    png = base64.b64decode(picture(values, 0, 1).partition(",")[2])
    assert struct.unpack(">II", png[16:24]) == (7, 5)
    start = png.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", png[start - 8 : start - 4])
    rows = np.frombuffer(zlib.decompress(png[start : start + length]), np.uint8).reshape(5, 8)
    np.testing.assert_array_equal(rows[:, 1:], np.where(np.isnan(values), 0, np.rint(1 + 254 * values)))


def test_a_line_has_a_gap_where_there_is_no_number() -> None:
    (path,) = re.findall(r' d="(.*?)"', pages.line_chart({"a": [1, 2, np.nan, 4]}, title="a"))
    assert [piece.count("L") for piece in path.split("M")[1:]] == [1, 0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: pages.line_chart({"a": [1, 2], "b": [1]}, title=""), "as long as x"),
        (lambda: pages.line_chart({}, title=""), "as long as x"),
        (lambda: pages.bar_chart({"a": [1, 2]}, ["x"], title=""), "each of 1 labels"),
        (lambda: pages.heat_map([1, 2], title=""), r"\(rows, columns\), got shape \(2,\)"),
        (lambda: pages.confusion_matrix([[1, 2]], ["a"]), "counts of 1 by as many classes"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(call, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_sparkline_says_where_it_goes_and_leaves_out_what_is_no_number() -> None:
    drawn = pages.sparkline([3.0, float("nan"), 1.0])
    assert 'aria-label="from 3 to 1"' in drawn and drawn.count(",") == 2
    assert "no numbers" in pages.sparkline([float("nan")])
