"""What a refusal of a file must be, and golden files with other content."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from paths import FILES

from fastgru.models import load_model
from fastgru.saving import ModelFileError

MEGABYTE = 1 << 20


def assert_refused(path: Path, reason: str, **options: Any) -> None:
    with pytest.raises(ModelFileError, match=reason) as caught:
        load_model(path, **options)
    assert str(caught.value).startswith(str(path)) or str(caught.value).startswith("layer")
    assert "\n" not in str(caught.value)


def archive(path: Path, **members: bytes) -> Path:
    """A copy of a golden archive with other members."""
    names = {"config": "config.json", "metadata": "metadata.json", "weights": "model.weights.h5"}
    with zipfile.ZipFile(FILES / "reset_after.keras") as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for key, name in names.items():
            new.writestr(name, members.pop(key, None) or old.read(name))
        for name, data in members.items():
            new.writestr(name, data)
    return path
