"""The messages of an ONNX file, as far as they are read and written.

Numbers and names of the fields: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from fastgru.saving.formats.protobuf import BYTES, DOUBLE, FLOAT, INT, TEXT, UINT, Message, field, repeated

__all__ = ["ATTRIBUTE_KINDS", "DTYPES", "EXTERNAL", "HALF", "MODEL", "NUMBERS", "TENSOR"]

#: numpy's dtypes by ONNX's numbers of them
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
NUMBERS = {name: number for number, name in DTYPES.items()}
HALF = 10
EXTERNAL = 1  # the `data_location` of a tensor whose numbers stand in another file

#: in which field of an attribute its value stands, by the number of its type
ATTRIBUTE_KINDS = {
    1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors", 10: "graphs",
}  # fmt: skip

_ENTRY = Message("StringStringEntryProto", key=field(1, TEXT), value=field(2, TEXT))

TENSOR = Message(
    "TensorProto",
    dims=repeated(1, INT),
    data_type=field(2, INT),
    float_data=repeated(4, FLOAT),
    int32_data=repeated(5, INT),
    int64_data=repeated(7, INT),
    name=field(8, TEXT),
    raw_data=field(9, BYTES),
    double_data=repeated(10, DOUBLE),
    uint64_data=repeated(11, UINT),
    external_data=repeated(13, _ENTRY),
    data_location=field(14, INT),
)
_DIMENSION = Message("Dimension", dim_value=field(1, INT), dim_param=field(2, TEXT))
_SHAPE = Message("TensorShapeProto", dim=repeated(1, _DIMENSION))
_TENSOR_TYPE = Message("Tensor", elem_type=field(1, INT), shape=field(2, _SHAPE))
_VALUE = Message(
    "ValueInfoProto", name=field(1, TEXT), type=field(2, Message("TypeProto", tensor_type=field(1, _TENSOR_TYPE)))
)
_ATTRIBUTE = Message(
    "AttributeProto",
    name=field(1, TEXT),
    f=field(2, FLOAT),
    i=field(3, INT),
    s=field(4, BYTES),
    t=field(5, TENSOR),
    g=field(6, lambda: _GRAPH),
    floats=repeated(7, FLOAT),
    ints=repeated(8, INT),
    strings=repeated(9, BYTES),
    type=field(20, INT),
)
_NODE = Message(
    "NodeProto",
    input=repeated(1, TEXT),
    output=repeated(2, TEXT),
    name=field(3, TEXT),
    op_type=field(4, TEXT),
    attribute=repeated(5, _ATTRIBUTE),
    domain=field(7, TEXT),
)
_GRAPH: Message = Message(
    "GraphProto",
    node=repeated(1, _NODE),
    name=field(2, TEXT),
    initializer=repeated(5, TENSOR),
    input=repeated(11, _VALUE),
    output=repeated(12, _VALUE),
    sparse_initializer=repeated(15, Message("SparseTensorProto")),
)
_OPSET = Message("OperatorSetIdProto", domain=field(1, TEXT), version=field(2, INT))
MODEL = Message(
    "ModelProto",
    ir_version=field(1, INT),
    producer_name=field(2, TEXT),
    producer_version=field(3, TEXT),
    graph=field(7, _GRAPH),
    opset_import=repeated(8, _OPSET),
)
