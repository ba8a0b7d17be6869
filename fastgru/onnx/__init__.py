"""ONNX: files of other frameworks in, models of fastgru out, and back, without the packages onnx and protobuf."""

from fastgru.onnx.graph_model import GraphModel
from fastgru.onnx.reading import load_model

__all__ = ["GraphModel", "load_model"]
