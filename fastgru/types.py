"""Names of types that the whole package writes in its signatures."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]
Outputs = Array | list[Array] | dict[str, Array]  # of a model: of its only output, or of each
