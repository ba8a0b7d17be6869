"""Programs in C step a model by fastgru_stream.h, without Python, to the bits of `Sessions.step`."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from paths import ROOT

import fastgru
from fastgru import Sequential
from fastgru.layers import GRU, LSTM, Conv1D, Dense, Embedding, Input, LayerNormalization
from fastgru.streaming import Sessions, stepper

PAGE = ROOT / "docs/howto/c.md"
COMPILER = os.environ.get("CC", sysconfig.get_config_var("CC") or "cc").split()
needs_compiler = pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason=f"no compiler: {COMPILER[0]}")
SIZES = ("inputs", "outputs", "states", "scratch", "tokens")


@pytest.fixture
def route() -> None:
    """A stepper has one route."""


class Struct(ctypes.Structure):
    """`fastgru_stream`."""


STEP = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 5)
Struct._fields_ = [
    ("version", ctypes.c_uint), ("number_bytes", ctypes.c_uint), *((name, ctypes.c_size_t) for name in SIZES),
    ("step", STEP), ("plan", ctypes.c_void_p),
]  # fmt: skip
pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
pointer_in.restype, pointer_in.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]


def with_weights(model: Any, rng: Any) -> Any:
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.4)
    return model


def stepped(capsule: Any, xs: Any) -> tuple[Any, Any, list[int]]:
    """The answers to inputs, the state after them, and what each step returned."""
    stream = Struct.from_address(pointer_in(capsule, b"fastgru.stream"))
    dtype = {4: "float32", 8: "float64"}[stream.number_bytes]
    state, scratch = np.zeros(stream.states, dtype), np.full(stream.scratch, np.nan, dtype)
    answers, returned = np.zeros((len(xs), stream.outputs), dtype), []
    address = ctypes.addressof(stream)
    for x, y in zip(xs, answers, strict=True):
        memories = [one.ctypes.data for one in (state, np.ascontiguousarray(x), y, scratch)]
        returned.append(stream.step(address, *memories))
    return answers, state, returned


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_by_the_struct_is_that_of_a_session(dtype: str, rng: Any) -> None:
    layers = [
        Conv1D(6, 3, padding="causal", dtype=dtype), GRU(9, return_sequences=True, dtype=dtype), LSTM(5, dtype=dtype),
        Dense(3, activation="softmax", dtype=dtype),
    ]  # fmt: skip
    model = with_weights(Sequential([Input((None, 4), dtype=dtype), *layers]), rng)
    x = rng.normal(size=(20, 4)).astype(dtype)
    sessions = Sessions(model, 1)
    answers, state, returned = stepped(stepper(model), x)
    np.testing.assert_array_equal(answers, sessions.step([sessions.open()], x[None])[0])
    np.testing.assert_array_equal(state, sessions._slots.states[0])
    assert returned == [0] * 20


def test_a_word_that_there_is_not_changes_nothing(rng: Any) -> None:
    model = with_weights(Sequential([Input((None,)), Embedding(9, 4, mask_zero=True), GRU(5)]), rng)
    words = np.array([3, 9, -1, 0, 8], np.int64)
    sessions = Sessions(model, 1)
    answers, _state, returned = stepped(stepper(model), words[:, None])
    assert returned == [0, -1, -1, 0, 0]
    np.testing.assert_array_equal(answers[[0, 3, 4]], sessions.step([sessions.open()], words[None, [0, 3, 4]])[0])


def test_a_capsule_keeps_the_weights_that_it_was_made_with(rng: Any) -> None:
    model = with_weights(Sequential([Input((None, 4)), GRU(6)]), rng)
    x = rng.normal(size=(5, 4)).astype("float32")
    capsule = stepper(model)
    before = stepped(capsule, x)[0]
    with_weights(model, rng)
    after = stepped(stepper(model), x)[0]
    del model
    np.testing.assert_array_equal(stepped(capsule, x)[0], before)
    assert (after != before).any()


def test_a_layer_that_runs_in_python_is_refused_by_name() -> None:
    model = Sequential([Input((None, 4)), LayerNormalization(rms_scaling=True, name="spread")])
    with pytest.raises(ValueError, match=r"stepper: .*'spread' \(LayerNormalization\)"):
        stepper(model)


def compiled(source: Path, program: Path, *flags: str) -> None:
    command = [*COMPILER, str(source), "-o", str(program), f"-I{fastgru.get_include()}", *flags]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def python_flags() -> list[str]:
    """The header and library of this Python, for a program with Python inside."""
    folder, version = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDVERSION")
    libraries = (sysconfig.get_config_var("LIBS") or "").split()
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        pytest.skip("this Python has no shared library to put into a program")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("the headers of Python are not installed")
    include = f"-I{sysconfig.get_path('include')}"
    return [include, "-pthread", f"-L{folder}", f"-Wl,-rpath,{folder}", f"-lpython{version}", *libraries, "-lm"]


def block(language: str) -> str:
    match = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert match is not None
    return match.group(1)


@needs_compiler
def test_the_program_of_the_docs_agrees_to_the_bit(tmp_path: Path, rng: Any) -> None:
    model = with_weights(Sequential([Input((None, 3)), GRU(32), Dense(2, activation="softmax")]), rng)
    model.save(tmp_path / "model.keras")
    (tmp_path / "program.c").write_text(block("c"))
    compiled(tmp_path / "program.c", tmp_path / "program", "-Wall", "-Wextra", "-Werror", *python_flags())
    paths = os.pathsep.join(path for path in [*sys.path, str(Path(fastgru.__file__).parents[1])] if path)
    environment = {**os.environ, "PYTHONHOME": sys.base_prefix, "PYTHONPATH": paths}
    run = subprocess.run([tmp_path / "program", "model.keras"], cwd=tmp_path, env=environment, capture_output=True,
                         text=True, timeout=120)  # fmt: skip
    assert run.returncode == 0, run.stderr
    x = np.array([[(step * 7 + i * 3) % 11 / 8 for i in range(3)] for step in range(100)], "float32")
    sessions = Sessions(model, 1)
    expected = sessions.step([sessions.open()], x[None])[0]
    np.testing.assert_array_equal(np.array(run.stdout.split(), "float32").reshape(expected.shape), expected)


@needs_compiler
@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_compiles_by_itself(language: str, tmp_path: Path) -> None:
    if language == "c++" and shutil.which("c++") is None:
        pytest.skip("no compiler of C++")
    (tmp_path / "user.c").write_text(
        '#include "fastgru_stream.h"\nint version(fastgru_stream *s) { return s->version; }\n'
    )
    compiled(tmp_path / "user.c", tmp_path / "user.o", "-x", language, "-c", "-Wall", "-Wextra", "-Werror", "-pedantic")


@needs_compiler
def test_the_tool_that_measures_a_step_compares_it_with_the_same_gru_in_c(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(Path(fastgru.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(ROOT / "tools/c_step/measure.py"), "16", "48", "--rounds", "1"]
    environment = {**os.environ, "PYTHONPATH": paths}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^ +(\d+) units", run.stdout, re.MULTILINE) == ["16", "48"]


@needs_compiler
@pytest.mark.slow
def test_the_lines_for_cython_step_a_model(tmp_path: Path, rng: Any) -> None:
    pytest.importorskip("Cython", reason="it translates the lines")
    (tmp_path / "user.pyx").write_text("# cython: language_level=3\n" + block("cython"))
    subprocess.run([sys.executable, "-m", "cython", "-I", str(ROOT), "user.pyx"], cwd=tmp_path, check=True, timeout=120)
    module = tmp_path / f"user{sysconfig.get_config_var('EXT_SUFFIX')}"
    compiled(tmp_path / "user.c", module, "-O0", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}")
    spec = importlib.util.spec_from_file_location("user", module)
    assert spec is not None and spec.loader is not None
    user = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(user)
    model = with_weights(Sequential([Input((None, 3)), GRU(7)]), rng)
    capsule, x = stepper(model), rng.normal(size=(9, 3)).astype("float32")
    stream = Struct.from_address(pointer_in(capsule, b"fastgru.stream"))
    y = np.zeros((9, 7), "float32")
    user.run(capsule, np.zeros(stream.states, "float32"), x, y, np.zeros(stream.scratch, "float32"))
    sessions = Sessions(model, 1)
    np.testing.assert_array_equal(y, sessions.step([sessions.open()], x[None])[0])
