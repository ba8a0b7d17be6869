"""A config cannot attack: each bomb, trap and lie is refused quickly, in one sentence, before memory is taken."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import archive, assert_refused
from paths import FILES

from fastgru.cli import main
from fastgru.layers import GRU, Dense, Input
from fastgru.models import Functional, load_model
from fastgru.saving import ModelFileError


def config_of(change: Callable[[Any], None], source: str = "reset_after.keras") -> bytes:
    with zipfile.ZipFile(FILES / source) as file:
        config = json.loads(file.read("config.json"))
    change(config)
    return json.dumps(config).encode()


def test_units_beyond_what_the_file_holds_are_refused(cheap: None, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"]["units"] = 10**9

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "is larger than what the file holds")


def test_many_large_layers_are_refused_together(cheap: None, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        dense = config["config"]["layers"][2]
        for number in range(1000):
            inner = {**dense["config"], "units": 5000, "name": f"d{number}"}
            config["config"]["layers"].append({**dense, "config": inner})

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "is larger than what the file holds")


@pytest.mark.parametrize("depth", [200, 100_000])
def test_deep_nesting_is_refused(depth: int, cheap: None, tmp_path: Path) -> None:
    form = '{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    assert_refused(archive(tmp_path / "m.keras", config=(form * depth + "]}}" * depth).encode()), "nested|deep|depth")


def test_too_many_layers_are_refused(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"] *= 2000

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "more than 2000 layers")


def test_as_many_layers_as_are_allowed_open_in_time(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        dropout = {"module": "keras.layers", "class_name": "Dropout", "registered_name": None}
        config["config"]["layers"] += [{**dropout, "config": {"name": f"d{n}", "rate": 0.1}} for n in range(1900)]

    assert len(load_model(archive(tmp_path / "m.keras", config=config_of(change)), compile=False).layers) > 1900


def circle(layers: list[Any]) -> None:
    history = layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
    history[0] = layers[1]["name"]


def to_nowhere(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "nowhere"


def to_another_application(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1] = 10**9


def to_another_output(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][2] = 7


def to_the_last_application(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][1] = -1


def to_the_last_output(layers: list[Any]) -> None:
    layers[2]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][2] = -1


def not_a_list(layers: list[Any]) -> None:
    layers[1]["inbound_nodes"] = {"args": 1}


NO_GRAPHS = [
    circle, to_nowhere, to_another_application, to_another_output, to_the_last_application, to_the_last_output,
    not_a_list,
]  # fmt: skip


@pytest.mark.parametrize("change", NO_GRAPHS)
@pytest.mark.parametrize("outputs", [None, ["end"]])
def test_a_graph_that_is_none_is_told(
    change: Callable[[list[Any]], None], outputs: list[str] | None, tmp_path: Path
) -> None:
    x = Input((4, 3), name="x")
    model = Functional(x, Dense(2, name="end")(GRU(2, name="gru")(x)))
    model.save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "m.keras", "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            if name == "config.json":
                config = json.loads(data)
                change(config["config"]["layers"])
                data = json.dumps(config).encode()
            bad.writestr(name, data)
    assert_refused(tmp_path / "m.keras", "model config", outputs=outputs)


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("ends", ["input_layers", "output_layers"])
def test_the_ends_of_a_graph_are_not_counted_from_behind(ends: str, place: int, tmp_path: Path) -> None:
    x = Input((4, 3), name="x")
    form = Functional(x, Dense(2, name="end")(GRU(2, name="gru")(x))).get_config()
    end = form[ends] if isinstance(form[ends][0], str) else form[ends][0]
    end[place] = -1
    with pytest.raises(ValueError, match=r"layer '\w+' has no output -?\d+ of a call -?\d+"):
        Functional.from_config(form)


@pytest.mark.parametrize("name", [5, ["adam"], {"a": 1}, True])
def test_an_optimizer_has_a_name_of_letters(name: Any, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["compile_config"]["optimizer"]["config"]["name"] = name

    path = archive(tmp_path / "m.keras", config=config_of(change))
    with pytest.warns(UserWarning, match="not compiled: Adam: expected name to be a string, got"):
        assert not load_model(path).compiled


def test_a_config_of_empty_lists_is_not_parsed(cheap: None, tmp_path: Path) -> None:
    assert_refused(archive(tmp_path / "m.keras", config=b"[" + b"[]," * (10 << 20) + b"[]]"), "is a text of")


ODD_NAME = "\x1b[31m\x1b]0;title\x07red\nFAKE LINE\u202e\ud800"


def named(path: Path) -> Path:
    def change(config: Any) -> None:
        config["config"]["layers"][1]["config"]["name"] = ODD_NAME
        config["config"]["layers"][2]["config"][ODD_NAME] = ODD_NAME

    return archive(path, config=config_of(change))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("command", [["inspect"], ["inspect", "--json"], ["summary"], ["convert"]])
def test_names_do_not_steer_a_terminal(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = named(tmp_path / "m.keras")
    monkeypatch.setenv("COLUMNS", "200")
    last = [str(tmp_path / "new.h5")] if command == ["convert"] else []
    status = main([command[0], str(path), *last, *command[1:]])
    captured = capsys.readouterr()
    assert status == 0 or command == ["convert"]
    assert all(line.isprintable() for line in (captured.out + captured.err).splitlines())
    assert not any(line.strip().startswith("FAKE LINE") for line in captured.out.splitlines())


def test_names_in_errors_and_reports_are_escaped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning) as caught:
        model = load_model(named(tmp_path / "m.keras"))
    assert all(text.isprintable() for text in [*model.load_report, *(str(one.message) for one in caught)])

    def change(config: Any) -> None:
        config["config"]["layers"][2]["class_name"] = ODD_NAME

    with pytest.raises(ModelFileError) as caught:
        load_model(archive(tmp_path / "m.keras", config=config_of(change)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "form",
    [
        {"module": "os", "class_name": "system", "config": {"command": "x"}, "registered_name": "system"},
        {"module": "evil_module", "class_name": "Evil", "config": {}, "registered_name": "evil_module>Evil"},
        {"module": "builtins", "class_name": "eval", "config": {"source": "1"}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "x", "function": ["4wEA", None, None]}},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "x", "filepath": "/"}},
    ],
)
def test_no_module_is_imported_for_a_file(form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    def as_layer(config: Any) -> None:
        config["config"]["layers"][2] = form

    def as_activation(config: Any) -> None:
        config["config"]["layers"][2]["config"]["activation"] = form

    for change in (as_layer, as_activation):
        assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "not known|never run|expected")
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("value", [None, 3, "tanh", object(), [1], np.zeros(2)])
def test_custom_objects_that_are_none_are_told(value: Any, tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][2]["class_name"] = "Mine"

    path = archive(tmp_path / "m.keras", config=config_of(change))
    with pytest.raises(ValueError):
        load_model(path, custom_objects={"Mine": value})


@pytest.mark.parametrize("text", ['"units": 1e400', '"units": NaN', '"units": 12, "units": {}', '"units": -0.5'])
def test_numbers_that_are_none_are_told(text: str, tmp_path: Path) -> None:
    config = config_of(lambda config: None).decode()
    config = re.sub(r'"units": \d+', text, config, count=1)
    assert_refused(archive(tmp_path / "m.keras", config=config.encode()), "units")


def test_a_layer_has_a_name_of_letters(tmp_path: Path) -> None:
    def change(config: Any) -> None:
        config["config"]["layers"][2]["config"]["name"] = 3

    assert_refused(archive(tmp_path / "m.keras", config=config_of(change)), "expected name to be a string")


@pytest.mark.parametrize("version", ["1" * 5000 + ".2", "²." + "1" * 9, "", None])
def test_a_version_that_is_none_does_no_harm(version: Any, tmp_path: Path) -> None:
    assert load_model(archive(tmp_path / "m.keras", metadata=json.dumps({"keras_version": version}).encode())).layers
