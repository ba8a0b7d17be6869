"""Pictures of models: what stands in them, and that boxes and lines do not cross."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fastgru import layers, models, utils
from fastgru.utils.graph_layout import Box, arranged


def branched() -> Any:
    x = layers.Input((6, 3), name="series")
    h = layers.GRU(4, return_sequences=True, name="gru")(x)
    head = models.Sequential([layers.Input((4,)), layers.Dense(2, "relu", name="hidden")], name="head")
    y = layers.concatenate([layers.GlobalAveragePooling1D(name="mean")(h), head(layers.GRU(4, name="last")(h))])
    return models.Model(x, layers.Dense(1, name="out")(y))


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]


def test_a_picture_shows_layers_shapes_and_what_leads_to_what(tmp_path: Path) -> None:
    utils.plot_model(branched(), tmp_path / "model.svg", show_shapes=True, show_layer_names=True)
    picture = (tmp_path / "model.svg").read_text()
    shown = texts(picture)
    assert "gru (GRU)" in shown
    assert "Input shape: (None, 6, 3)" in shown
    assert "Output shape: (None, 6, 4)" in shown
    assert picture.count("<polyline") == 7


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"GRU", "Sequential"}),
        ({"show_layer_names": True, "expand_nested": True}, {"hidden (Dense)", "out (Dense)"}),
        ({"show_layer_activations": True}, {"Activation: tanh", "Activation: linear"}),
        ({"show_dtype": True}, {"Output dtype: float32"}),
        ({"show_trainable": True}, {"Trainable"}),
    ],
)
def test_the_boxes_say_what_is_asked_for(options: dict[str, bool], expected: set[str]) -> None:
    assert expected <= set(texts(utils.plot_model(branched(), None, **options)._repr_svg_()))


def test_a_row_of_layers_is_a_row_of_boxes(tmp_path: Path) -> None:
    model = models.Sequential([layers.Input((5, 2)), layers.GRU(3, name="gru"), layers.Dense(1, name='a"b')])
    graph = utils.model_to_dot(model)
    assert graph.to_string().count("->") == 1
    assert 'label="a\\"b (Dense)"' in graph.to_string()
    assert graph.create(prog="dot", format="dot").decode() == graph.to_string()
    graph.write(tmp_path / "model.dot")
    assert (tmp_path / "model.dot").read_text() == graph.to_string()


@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_boxes_do_not_overlap_and_lines_pass_beside_them(direction: str) -> None:
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (1, 4), (0, 5), (5, 4), (6, 5)]
    layout = arranged({key: Box(["text"], 60 + 10 * key, 20 + 5 * key) for key in range(7)}, edges, direction)
    for one, other in itertools.combinations(layout.boxes.values(), 2):
        apart = abs(one.x - other.x) * 2, abs(one.y - other.y) * 2
        assert apart[0] >= one.width + other.width or apart[1] >= one.height + other.height
    for box in layout.boxes.values():
        assert box.width / 2 <= box.x + 1e-9 <= layout.width - box.width / 2 + 2e-9
        assert box.height / 2 <= box.y + 1e-9 <= layout.height - box.height / 2 + 2e-9
        for points in layout.lines:
            for (x, y), (x2, y2) in itertools.pairwise(points):
                for part in range(1, 20):  # points of the line, without those where it touches a box
                    at_x, at_y = x + (x2 - x) * part / 20, y + (y2 - y) * part / 20
                    inside = abs(at_x - box.x) < box.width / 2 - 1 and abs(at_y - box.y) < box.height / 2 - 1
                    assert not inside


def test_dots_need_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"ends in \.svg or \.dot"):
        utils.plot_model(branched(), tmp_path / "model.png")
    assert list(tmp_path.iterdir()) == []


def test_matplotlib_draws_dots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    utils.plot_model(branched(), tmp_path / "model.png", show_shapes=True, dpi=50)
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="has not yet been built"):
        utils.plot_model(models.Sequential([layers.Dense(1)]))
    with pytest.raises(ValueError, match="rankdir must be one of"):
        utils.model_to_dot(branched(), rankdir="down")
