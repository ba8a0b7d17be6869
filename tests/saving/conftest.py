"""What the tests of files share."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hostile_files import MEGABYTE
from paths import FILES

from fastgru.models import load_model


@pytest.fixture
def cheap() -> Iterator[None]:
    """The test takes neither long nor much memory through numpy and Python."""
    load_model(FILES / "reset_after.keras")  # what is imported late does not count
    tracemalloc.start()
    began = time.process_time()  # work, not waiting: how busy the machine is else does not count
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - began < 5
    assert peak < 100 * MEGABYTE
