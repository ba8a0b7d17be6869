"""PyTorch's own examples of nn.GRU and nn.LSTM, those that its tests of all modules draw on, run on ours."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
common = pytest.importorskip("torch.testing._internal.common_modules", reason="a PyTorch without its test helpers")

import fastgru.torch as ours

pytestmark = pytest.mark.slow

CLASSES = torch.nn.GRU, torch.nn.LSTM
ENTRIES = {info.module_cls.__name__: info for info in common.module_db if info.module_cls in CLASSES}
CASES = [
    (mode, dtype, training)
    for mode in sorted(ENTRIES)
    for dtype in (torch.float32, torch.float64)
    for training in (False, True)
]


def tensors_of(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return [value.data]
    return [tensor for each in value for tensor in tensors_of(each)] if isinstance(value, (tuple, list)) else []


# of the largest; the inputs go up to 9, where gates saturate and PyTorch's own float32 gradients are 1e-5 off
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-10}


def close(some: list[Any], others: list[Any]) -> None:
    for one, other in zip(some, others, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= TOLERANCE[other.dtype] * other.abs().max()


def examples(mode: str, dtype: Any, training: bool) -> list[Any]:
    info = ENTRIES[mode]
    packed = {"with_packed_sequence": True} if mode == "GRU" else {}
    return info.module_inputs_func(info, "cpu", dtype, True, training, **packed)


def run_both(mode: str, example: Any, dtype: Any, training: bool) -> None:
    arguments, options = example.constructor_input.args, example.constructor_input.kwargs
    theirs = getattr(torch.nn, mode)(*arguments, **options).to(dtype).train(training)
    mine = getattr(ours, mode)(*arguments, **options).to(dtype).train(training)
    mine.load_state_dict(theirs.state_dict())
    results = []
    for layer in (theirs, mine):
        inputs = tensors_of(example.forward_input.args) + tensors_of([*example.forward_input.kwargs.values()])
        outputs = tensors_of(layer(*example.forward_input.args, **example.forward_input.kwargs))
        leaves = [tensor for tensor in (*inputs, *layer.parameters()) if tensor.requires_grad]
        gradients = torch.autograd.grad(sum(tensor.sin().sum() for tensor in outputs), leaves)
        results.append([*outputs, *gradients])
    close(*results)


def test_all_examples_give_torchs_outputs_and_gradients() -> None:
    torch.manual_seed(0)
    counts: Counter[str] = Counter()
    for mode, dtype, training in CASES:
        for example in examples(mode, dtype, training):
            if example.constructor_input.kwargs.get("proj_size"):
                with pytest.raises(ValueError, match="proj_size is not supported"):
                    getattr(ours, mode)(*example.constructor_input.args, **example.constructor_input.kwargs)
                counts[f"{mode} refused"] += 1
                continue
            run_both(mode, example, dtype, training)
            counts[mode] += 1
    assert counts == {"GRU": 128, "LSTM": 64, "LSTM refused": 64}  # with proj_size


@pytest.mark.parametrize("mode", sorted(ENTRIES))
def test_first_derivatives_pass_gradcheck(mode: str) -> None:
    count = 0
    for example in examples(mode, torch.float64, True):
        options = example.constructor_input.kwargs
        if options.get("proj_size") or not isinstance(example.forward_input.args[0], torch.Tensor):
            continue
        layer = getattr(ours, mode)(*example.constructor_input.args, **options).double()
        names, parameters = zip(*layer.named_parameters(), strict=True)
        x, *rest = example.forward_input.args

        def run(x: Any, *values: Any, layer: Any = layer, names: Any = names, rest: Any = rest) -> Any:
            parameters = dict(zip(names, values, strict=True))
            return tuple(tensors_of(torch.func.functional_call(layer, parameters, (x, *rest))))

        assert torch.autograd.gradcheck(run, (x, *parameters))
        count += 1
    assert count == 16


@pytest.mark.parametrize("mode", sorted(ENTRIES))
def test_wrong_inputs_raise_torchs_errors(mode: str) -> None:
    info, count = ENTRIES[mode], 0
    for example in info.module_error_inputs_func(info, "cpu", torch.float32, False, True):
        wrong = example.module_error_input
        layer = getattr(ours, mode)
        if example.error_on.name == "CONSTRUCTION_ERROR":
            with pytest.raises(example.error_type, match=example.error_regex):
                layer(*wrong.constructor_input.args, **wrong.constructor_input.kwargs)
        else:
            made = layer(*wrong.constructor_input.args, **wrong.constructor_input.kwargs)
            with pytest.raises(example.error_type, match=example.error_regex):
                made(*wrong.forward_input.args, **wrong.forward_input.kwargs)
        count += 1
    assert count == 14
