"""How fastgru's layers are written as nodes of ONNX, by families; each file adds its own to `WRITERS`."""
