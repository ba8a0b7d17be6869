"""ONNX: files of other frameworks in, models of fastgru out, and back, without the packages onnx and protobuf."""

from fastgru.onnx.exporting import IR_VERSION, OPSET, image
from fastgru.onnx.graph_model import GraphModel
from fastgru.onnx.reading import load_model

__all__ = ["IR_VERSION", "OPSET", "GraphModel", "image", "load_model"]


def __dir__() -> list[str]:
    return __all__
