"""Keras's own tests, as many as have ever passed on fastgru, still pass."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest
from keras_suite.__main__ import PINNED_KERAS
from paths import ROOT

PASSING = 1_569  # of the 1,911 in tests/keras_suite/pinned.txt


@pytest.mark.slow
@pytest.mark.keras
def test_keras_s_own_tests_pass_as_they_did() -> None:
    try:
        installed = version("keras")
    except PackageNotFoundError:
        pytest.skip("Keras, whose package ships the tests, is not installed")
    if installed != PINNED_KERAS:
        pytest.skip(f"Keras {installed} is installed, and the tests that are pinned are those of {PINNED_KERAS}")
    pytest.importorskip("absl.testing", reason="Keras's tests are written with absl-py")
    command = [sys.executable, "-m", "tests.keras_suite", "--at-least", str(PASSING)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
