"""A graph whose inputs do not all have the samples on their first axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastgru.layers.symbolic import is_symbolic
from fastgru.models.functional import Functional
from fastgru.object_registration import register_keras_serializable

__all__ = ["GraphModel"]


@register_keras_serializable("fastgru")
class GraphModel(Functional):
    """What an ONNX file is whose inputs differ on their first axis: a time-major sequence beside its states, a number.

    It is called on whole inputs, ``model(x, state)`` or ``model([x, state])``; `predict` and `fit`, which cut inputs
    into batches, refuse inputs of unequal lengths.
    """

    def __call__(self, *inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Outputs for inputs, one by one, in a list or in a dict by name, as they are."""
        if is_symbolic(inputs) or mask is not None:
            return super().__call__(*inputs, mask=mask, training=training)
        sources = self.in_order(inputs[0] if len(inputs) == 1 else inputs)
        if len(sources) != len(self.inputs):
            raise ValueError(f"Model {self.name!r}: expected {len(self.inputs)} inputs, got {len(sources)}.")
        arrays = [np.asarray(x, dtype, order="C") for x, dtype in zip(sources, self.input_dtypes, strict=True)]
        self.check_inputs(*arrays)
        outputs = self._new_tensors(sources, arrays, training, ())
        return self.as_structure(outputs if isinstance(outputs, list) else [outputs])
