"""Models and weights in the formats of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastgru
from fastgru import atomic
from fastgru.saving.stored import FilePath

__all__ = ["export_model"]

FORMATS = ("onnx", "safetensors")
# those of Keras that are not here, and the way round
_REFUSED = {
    "tf_saved_model": "save as .keras, and let Keras with TensorFlow export that",
    "openvino": "export .onnx, which openvino.convert_model reads",
    "litert": "export .onnx, which onnx2tf makes a LiteRT file of",
}


def export_model(
    model: Any,
    filepath: FilePath,
    format: str | None = None,
    verbose: bool | None = None,
    input_signature: Any = None,
    **options: Any,
) -> None:
    """Write a model as ONNX, or its weights as safetensors; see `fastgru.Model.export`."""
    path = Path(filepath)
    kind = path.suffix.removeprefix(".").lower() if format is None else str(format)
    if kind in _REFUSED:
        raise ValueError(f"export: format {kind!r} is not written by fastgru; {_REFUSED[kind]}.")
    if kind not in FORMATS:
        raise ValueError(
            f"export: expected format to be {' or '.join(map(repr, FORMATS))}, or the name to end so, got "
            f"{path.name if format is None else format!r}; save writes .keras and .h5."
        )
    if input_signature is not None:
        raise ValueError("export: input_signature is not supported; the inputs of the file are those of the model.")
    opset = options.pop("opset_version", None) if kind == "onnx" else None
    if options:
        raise ValueError(f"export: unrecognized keyword arguments {sorted(options)}.")
    if opset not in (None, fastgru.onnx.OPSET):
        raise ValueError(f"export: opset_version={opset!r} is not supported, fastgru writes {fastgru.onnx.OPSET}.")
    if not model.built:
        raise ValueError(f"export: model {model.name!r} is not built yet; call it on data or build it.")
    if kind == "onnx":
        atomic.write(path, fastgru.onnx.image(model))  # by the package's door: the room stands above this one
    else:
        from fastgru.saving.formats import safetensors

        safetensors.write_model(path, model)
    if verbose:
        print(f"Saved: {path}")
