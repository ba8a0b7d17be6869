"""`fastgru inspect` and `fastgru convert` tell what a file is and what became of it, to people and to programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
from paths import FILES

from fastgru import cli
from fastgru.layers import GRU, Activation, Bidirectional, Dense, Embedding, Input, Layer, Masking
from fastgru.models import Sequential, load_model


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs one command at a width; returns its exit status, and the lines it wrote to stdout and stderr."""

    def command(*words: str | Path, width: int = 200) -> tuple[int, list[str], list[str]]:
        monkeypatch.setenv("COLUMNS", str(width))
        status = cli.main([str(word) for word in words])
        written = capsys.readouterr()
        return status, written.out.splitlines(), written.err.splitlines()

    return command


def old_file(path: Path) -> Path:
    """A model as of Keras 2.2.4, compiled with a loss of the author's."""
    model = Sequential([Input((4, 3)), GRU(2, reset_after=False, recurrent_activation="hard_sigmoid"), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file.attrs["fastgru_version"]
        for group in (file, file["model_weights"]):
            group.attrs["keras_version"], group.attrs["backend"] = "2.2.4", "tensorflow"
        training = json.loads(file.attrs["training_config"])
        file.attrs["training_config"] = json.dumps({**training, "loss": "my_loss"})
    return path


class Unheard(Layer):
    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0]


def with_unknown_layer(path: Path) -> Path:
    Sequential([Input((4, 3)), GRU(2, name="first"), Unheard(name="own"), Dense(1, name="last")]).save(path)
    return path


def test_inspect_tells_layers_decisions_and_training(run: Any, tmp_path: Path) -> None:
    status, lines, errors = run("inspect", old_file(tmp_path / "old.h5"))
    assert (status, errors) == (0, [])
    assert lines[1] == "legacy HDF5, written by Keras 2.2.4 on tensorflow"
    (row,) = [index for index, line in enumerate(lines) if line.startswith("gru GRU ")]
    assert lines[row].split()[2:] == ["(None,", "2)", "3x6", "2x6", "6", "36"]
    assert lines[row + 1].rstrip().split(", ") == [
        "  units=2",
        "recurrent_activation=hard_sigmoid_old",
        "reset_after=False",
    ]
    assert "39 parameters" in lines
    assert "optimizer Adam (learning rate 0.001); loss my_loss" in lines
    assert any(line.startswith("- hard_sigmoid is clip(0.2 x + 0.5, 0, 1)") for line in lines)


@pytest.mark.parametrize(
    ("layers", "telling"),
    [
        ([Input((4, 3)), GRU(2)], "units=2"),
        ([Input((4, 3)), GRU(2, activation="linear", recurrent_activation="tanh")],
         "units=2, activation=linear, recurrent_activation=tanh"),
        ([Input((4, 3)), Bidirectional(GRU(2, return_sequences=True), merge_mode="sum")],
         "units=2, return_sequences=True, merge_mode=sum"),
        ([Input((4, 3)), Dense(2)], "units=2"),
        ([Input((4, 3)), Dense(2, activation="tanh")], "units=2, activation=tanh"),
        ([Input((4, 3)), Masking()], "mask_value=0.0"),
        ([Input((4,)), Embedding(5, 2, mask_zero=True)], "input_dim=5, output_dim=2, mask_zero=True"),
        ([Input((4, 3)), Activation("softmax")], "activation=softmax"),
    ],
)  # fmt: skip
def test_inspect_tells_the_options_that_are_not_usual(
    layers: list[Any], telling: str, run: Any, tmp_path: Path
) -> None:
    Sequential(layers).save(tmp_path / "m.keras")
    _, lines, _ = run("inspect", tmp_path / "m.keras")
    assert f"  {telling}" in [line.rstrip() for line in lines]


def test_sentences_stay_on_one_line_where_a_program_reads_them(run: Any, tmp_path: Path) -> None:
    _, lines, _ = run("inspect", old_file(tmp_path / "old.h5"), width=40)
    assert "- hard_sigmoid is clip(0.2 x + 0.5, 0, 1) as up to Keras 2, not Keras 3's: layer gru." in lines
    assert all(len(line) <= 40 for line in lines[2 : lines.index("39 parameters")])


def test_what_is_piped_has_no_escape_codes(tmp_path: Path) -> None:
    program = "import sys; from fastgru.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", program, "inspect", str(FILES / "old_graph.keras")]
    done = subprocess.run(words, capture_output=True, cwd=tmp_path, env={**os.environ, "TERM": "xterm-256color"})
    assert done.returncode == 0 and b"\x1b" not in done.stdout
    assert b"Concatenate" in done.stdout


def test_inspect_as_json_is_for_programs(run: Any, tmp_path: Path) -> None:
    path = old_file(tmp_path / "old.h5")
    status, lines, _ = run("inspect", "--json", path)
    facts = json.loads("\n".join(lines))
    assert status == 0 and facts["file"] == str(path) and facts["error"] is None
    assert facts["decisions"] == load_model(path, compile=False).load_report
    assert [layer["parameters"] for layer in facts["layers"]] == [36, 3]


def test_a_file_with_an_unknown_layer_is_told_as_far_as_its_config_does(run: Any, tmp_path: Path) -> None:
    path = with_unknown_layer(tmp_path / "m.h5")
    status, lines, errors = run("inspect", path)
    assert status == 1
    assert [line.split()[:2] for line in lines if line[:1].isalpha()][2:] == [
        ["input_layer", "InputLayer"], ["first", "GRU"], ["own", "Unheard"], ["last", "Dense"]
    ]  # fmt: skip
    (error,) = errors
    assert "layer 'own' (Unheard) is not known to fastgru" in error and "outputs=['first']" in error
    status, lines, errors = run("inspect", path, "--outputs", "first")
    assert (status, errors) == (0, [])
    assert "42 parameters" in lines


def test_inspect_lists_the_arrays_of_a_file_without_a_model(run: Any) -> None:
    status, lines, _ = run("inspect", FILES / "old_row_weights.h5")
    assert status == 0 and lines[1].startswith("legacy HDF5, weights alone, written by Keras 2.")
    assert any(line.split()[0] == "gru" and line.split()[1:] == ["3x12", "4x12", "2x12"] for line in lines[3:])


def test_convert_tells_what_was_decided_and_warns_in_a_sentence(run: Any, tmp_path: Path) -> None:
    old, new = old_file(tmp_path / "old.h5"), tmp_path / "new.keras"
    status, lines, errors = run("convert", old, new)
    assert status == 0
    with pytest.warns(UserWarning, match="my_loss"):
        assert lines[:-2] == load_model(old).load_report
    assert lines[-2] == "Weights before hard_sigmoid are multiplied by 1.2, for Keras 3's slope: gru."
    assert lines[-1] == f"Saved: {new}"
    (warning,) = errors
    assert (
        warning.startswith(f"fastgru: warning: {old}: the model is loaded but not compiled: ") and "my_loss" in warning
    )


def test_convert_says_where_to_stop_and_stops_there(run: Any, tmp_path: Path) -> None:
    old, new = with_unknown_layer(tmp_path / "m.keras"), tmp_path / "new.h5"
    status, lines, (error,) = run("convert", old, new)
    assert (status, lines) == (1, []) and "outputs=['first']" in error and not new.exists()
    status, lines, _ = run("convert", old, new, "--outputs", "first")
    assert status == 0 and "Left out, as the outputs do not need them: layers own, last." in lines
    assert load_model(new).layers[-1].name == "first"
