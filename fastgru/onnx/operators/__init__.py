"""How ONNX's operators are drawn, by families; each file adds its own to `fastgru.onnx.drawing.OPERATORS`."""
