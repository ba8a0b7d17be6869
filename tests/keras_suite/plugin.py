"""For pytest: `kx` in the place of Keras, and a line of JSON for each test that has run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from . import library  # noqa: F401  # puts kx in its place


def pytest_configure(config: Any) -> None:
    for marker in ("requires_trainable_backend", "multi_device", "skip_if_backend"):
        config.addinivalue_line("markers", f"{marker}: Keras's")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Any:
    outcome = yield
    report = outcome.get_result()
    if call.when != "call" and report.passed:
        return
    path, _, name = item.nodeid.partition("::")
    reason = "" if report.passed else str(report.longrepr)[-400:] if call.excinfo is None else repr(call.excinfo.value)
    row = {"id": f"{path.removesuffix('.py').replace('__', '/')}::{name}", "outcome": report.outcome, "reason": reason}
    with Path(os.environ["KERAS_SUITE_ROWS"]).open("a", encoding="utf-8") as rows:
        rows.write(json.dumps(row) + "\n")
