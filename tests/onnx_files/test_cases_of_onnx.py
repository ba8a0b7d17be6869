"""The cases that the onnx package has for its operators: the recurrent ones pass, of others none is silently wrong."""

from __future__ import annotations

import fnmatch
from collections import Counter
from typing import Any

import numpy as np
import pytest
from onnx_models import by_model, opened

from fastgru.saving import ModelFileError

onnx = pytest.importorskip("onnx", reason="has the cases")

pytestmark = pytest.mark.slow

RECURRENT = {"GRU": 6, "LSTM": 6, "RNN": 6}  # how many of each there are
PASSED = 350  # of one node at least, whose inputs can be data here
# inputs that are data; the others are weights and settings, which a file has as constants
DATA = {
    "GRU": (0, 4, 5), "LSTM": (0, 4, 5, 6), "RNN": (0, 4, 5), "BatchNormalization": (0,), "Gemm": (0,), "Conv": (0,),
    "LayerNormalization": (0,), "InstanceNormalization": (0,), "Reshape": (0,), "Slice": (0,), "Pad": (0,),
    "Expand": (0,), "Tile": (0,), "Squeeze": (0,), "Unsqueeze": (0,), "ReduceSum": (0,), "ReduceMean": (0,),
    "ReduceMax": (0,), "ReduceMin": (0,), "ReduceProd": (0,), "ReduceL1": (0,), "ReduceL2": (0,),
    "ReduceLogSumExp": (0,), "ReduceSumSquare": (0,), "Clip": (0,), "TopK": (0,), "CumSum": (0,), "OneHot": (0,),
    "Split": (0,), "PRelu": (0,),
}  # fmt: skip
# float16, which is computed as float32; the rest of a division by zero or of infinity; numbers without axes
DIFFER = ("*float16*", "*_fp16*", "test_mod_float_edge_cases*", "test_size*")


@pytest.fixture(scope="module")
def cases() -> list[Any]:
    from onnx.backend.test.case.node import collect_testcases

    return [case for case in collect_testcases(None) if len(case.model.graph.node) == 1]


def kind(case: Any) -> str:
    return str(case.model.graph.node[0].op_type)


def assert_case(case: Any, tolerance: float) -> None:
    node = case.model.graph.node[0]
    data = {node.input[place] for place in DATA.get(kind(case), range(9)) if place < len(node.input)}
    for inputs, outputs in case.data_sets:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        feeds = []
        for described, array in zip(case.model.graph.input, inputs, strict=True):
            if described.name in data:
                feeds.append(array)
            else:
                model.graph.initializer.append(onnx.numpy_helper.from_array(array, described.name))
        ours = by_model(opened(model.SerializeToString()), *feeds)
        for one, other in zip(ours, outputs, strict=True):
            assert one.shape == other.shape
            wide = other.astype("float64")
            np.testing.assert_allclose(one.astype("float64"), wide, rtol=tolerance, atol=tolerance)


def test_all_recurrent_cases_pass(cases: list[Any]) -> None:
    chosen = [case for case in cases if kind(case) in RECURRENT]
    assert Counter(map(kind, chosen)) == RECURRENT
    for case in chosen:
        assert_case(case, 1e-5)


def is_plain(case: Any) -> bool:
    """Whether it holds arrays of numbers that are not empty."""
    arrays = [array for inputs, outputs in case.data_sets or () for array in (*inputs, *outputs)]
    return bool(arrays) and all(isinstance(one, np.ndarray) and one.size and one.dtype.kind in "fiub" for one in arrays)


def test_what_opens_has_the_right_numbers(cases: list[Any]) -> None:
    passed, wrong = 0, []
    for case in filter(is_plain, cases):
        try:
            assert_case(case, 1e-4)
            passed += 1
        except ModelFileError:
            continue  # refused by name
        except (AssertionError, ValueError, TypeError) as error:
            if not any(fnmatch.fnmatch(case.name, pattern) for pattern in DIFFER):
                wrong.append(f"{case.name}: {error}")
    assert not wrong, "\n".join(wrong)
    assert passed >= PASSED
