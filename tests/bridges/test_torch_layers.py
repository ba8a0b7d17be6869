"""`fastgru.torch.GRU` and `LSTM` beside torch.nn's: outputs and every gradient, in every form of the call."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch._subclasses.fake_tensor import FakeTensorMode

import fastgru.torch as ours
from fastgru.torch import modules

rnn = torch.nn.utils.rnn
B, T, F, H = 11, 9, 5, 24
BOTH = pytest.mark.parametrize("mode", ["GRU", "LSTM"])
OPTIONS: list[dict[str, Any]] = [
    {},
    {"batch_first": True},
    {"bias": False, "bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "batch_first": True},
    {"num_layers": 3, "dropout": 0.4},
]


def pair(mode: str, dtype: Any = torch.float32, **options: Any) -> tuple[Any, Any]:
    """torch.nn's layer and ours with the same parameters."""
    torch.manual_seed(7)
    theirs = getattr(torch.nn, mode)(F, H, dtype=dtype, **options)
    mine = getattr(ours, mode)(F, H, dtype=dtype, **options)
    mine.load_state_dict(theirs.state_dict())
    return theirs, mine


def states(layer: Any, dtype: Any = torch.float32, rows: tuple[int, ...] = (B,)) -> list[Any]:
    count = layer.num_layers * (2 if layer.bidirectional else 1)
    return [torch.randn(count, *rows, H, dtype=dtype) for _ in range(2 if layer.mode == "LSTM" else 1)]


def hx_of(layer: Any, tensors: Any) -> Any:
    return tuple(tensors) if layer.mode == "LSTM" else tensors[0]


def flat(output: Any) -> list[Any]:
    """The tensors of what a layer returns."""
    y, last = output
    return [y.data if isinstance(y, rnn.PackedSequence) else y, *(last if isinstance(last, tuple) else (last,))]


def loss_of(tensors: list[Any]) -> Any:
    """Of all outputs, each in its own way."""
    return sum((number * tensor).sin().mean() for number, tensor in enumerate(tensors, 1))


def close(some: Any, others: Any, tolerance: float = 1e-5) -> None:
    """To 1e-5 of the largest."""
    for one, other in zip(some, others, strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        assert (one - other).abs().max() <= tolerance * other.abs().max()


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("packed", [False, True], ids=["dense", "packed"])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options) or "plain")
def test_outputs_and_all_gradients_are_those_of_torch(
    mode: str, dtype: Any, packed: bool, options: dict[str, Any]
) -> None:
    results = []
    batch_first = options.get("batch_first", False)
    lengths = torch.tensor([3, 9, 1, 9, 4, 4, 7, 2, 9, 5, 1])
    data = torch.randn(*((B, T) if batch_first else (T, B)), F, dtype=dtype)
    layers = pair(mode, dtype, **options)
    initial = states(layers[0], dtype)
    for layer in layers:
        x, hx = data.clone().requires_grad_(), [state.clone().requires_grad_() for state in initial]
        sequences = rnn.pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False) if packed else x
        torch.manual_seed(3)  # dropout draws the same numbers from the same seed
        trained = flat(layer(sequences, hx_of(layer, hx)))
        loss_of(trained).backward()
        torch.manual_seed(3)
        with torch.no_grad():
            predicted = flat(layer(sequences, hx_of(layer, hx)))
        gradients = [tensor.grad for tensor in (x, *hx, *layer.parameters())]
        results.append([tensor.detach() for tensor in (*trained, *predicted, *gradients)])
    close(*reversed(results), tolerance=1e-12 if dtype == torch.float64 else 1e-5)


@BOTH
@pytest.mark.parametrize("packed", [False, True], ids=["dense", "packed"])
def test_a_dropout_of_all_leaves_zeros(mode: str, packed: bool) -> None:
    layers = pair(mode, num_layers=2, dropout=1.0)
    x = torch.randn(T, B, F)
    sequences = rnn.pack_padded_sequence(x, torch.arange(B, 0, -1).clamp(max=T)) if packed else x
    close(*(flat(layer(sequences)) for layer in reversed(layers)))


@BOTH
def test_numbers_that_pytorch_has_not_negated_yet(mode: str) -> None:
    x, h, d = (torch.randn(*shape, dtype=torch.complex64).conj().imag for shape in ((1, 1, F), (1, 1, H), (1, 1, H)))
    assert x.is_neg()
    results = []
    for layer in pair(mode):
        y, _ = layer(x, hx_of(layer, [h, h]))
        y.backward(d)
        results.append([y, *(parameter.grad for parameter in layer.parameters())])
    close(*reversed(results))


@BOTH
def test_a_sequence_without_a_batch_and_zeros_as_initial_states(mode: str) -> None:
    theirs, mine = pair(mode, num_layers=2, bidirectional=True)
    for x in (torch.randn(T, F), torch.randn(T, 1, F)):
        close(flat(mine(x)), flat(theirs(x)))
    initial = [state.squeeze(1) for state in states(theirs, rows=(1,))]
    x = torch.randn(T, F)
    close(flat(mine(x, hx_of(mine, initial))), flat(theirs(x, hx_of(theirs, initial))))


@BOTH
def test_a_packed_sequence_comes_back_in_its_own_order(mode: str) -> None:
    theirs, mine = pair(mode)
    parts = [torch.randn(length, F) for length in (2, 7, 5)]
    packed = rnn.pack_sequence(parts, enforce_sorted=False)
    for one, other in zip(rnn.unpack_sequence(mine(packed)[0]), rnn.unpack_sequence(theirs(packed)[0]), strict=True):
        close([one], [other])
    assert mine(packed)[0].unsorted_indices is packed.unsorted_indices


@BOTH
def test_the_output_has_the_memory_layout_that_programs_view(mode: str) -> None:
    _, mine = pair(mode, bidirectional=True)
    assert mine(torch.randn(T, B, F))[0].view(T, B, 2, H).shape == (T, B, 2, H)


@BOTH
@pytest.mark.parametrize("frozen", ["weight_ih_l0", "weight_hh_l0_reverse", "bias_hh_l0", "x"])
def test_gradients_where_something_needs_none(mode: str, frozen: str) -> None:
    results = []
    data = torch.randn(T, B, F)
    for layer in pair(mode, bidirectional=True):
        x = data.clone().requires_grad_(frozen != "x")
        for name, parameter in layer.named_parameters():
            parameter.requires_grad_(name != frozen)
        loss_of(flat(layer(x))).backward()
        tensors = [("x", x), *layer.named_parameters()]
        assert [name for name, tensor in tensors if tensor.grad is None] == [frozen]
        results.append([tensor.grad for name, tensor in tensors if name != frozen])
    close(*reversed(results))


@BOTH
def test_a_graph_that_is_kept_gives_the_same_gradients_again(mode: str) -> None:
    _, mine = pair(mode)
    loss = loss_of(flat(mine(torch.randn(T, B, F))))
    first = torch.autograd.grad(loss, list(mine.parameters()), retain_graph=True)
    second = torch.autograd.grad(loss, list(mine.parameters()))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@BOTH
def test_several_calls_of_one_layer_in_one_graph_keep_apart(mode: str) -> None:
    results = []
    parts = [torch.randn(T, B, F) for _ in range(3)]
    for layer in pair(mode):
        losses = [loss_of(flat(layer(part))) for part in parts]
        (losses[0] * losses[1] + losses[2]).backward()
        results.append([parameter.grad for parameter in layer.parameters()])
    close(*reversed(results))


@BOTH
def test_the_gradient_of_a_gradient_is_refused(mode: str) -> None:
    _, mine = pair(mode)
    x = torch.randn(T, B, F, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_of(flat(mine(x))), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"the gradient of a gradient is not computed; use torch\.nn's own layer"):
        gradient.square().sum().backward()


@BOTH
def test_a_weight_that_changes_before_the_backward_pass_is_an_error(mode: str) -> None:
    _, mine = pair(mode)
    loss = loss_of(flat(mine(torch.randn(T, B, F))))
    with torch.no_grad():
        mine.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def doubled(weight: Any) -> None:
    with torch.no_grad():
        weight.mul_(2)


def doubled_data(weight: Any) -> None:
    weight.data.mul_(2)


def doubled_array(weight: Any) -> None:
    weight.detach().numpy()[...] *= 2


@BOTH
@pytest.mark.parametrize("change", [doubled, doubled_data, doubled_array])
def test_a_prediction_sees_every_change_of_a_weight(mode: str, change: Any) -> None:
    theirs, mine = pair(mode)
    x = torch.randn(T, B, F)
    with torch.inference_mode():
        mine(x)
    for layer in (theirs, mine):
        change(layer.weight_hh_l0)
    with torch.inference_mode():
        close(flat(mine(x)), flat(theirs(x)))


@BOTH
def test_state_dicts_go_both_ways_and_first_values_are_those_of_torch(mode: str) -> None:
    theirs, mine = pair(mode, num_layers=2, bidirectional=True)
    theirs.load_state_dict(mine.state_dict())
    assert list(theirs.state_dict()) == list(mine.state_dict())
    drawn = []
    for module in (torch.nn, ours):
        torch.manual_seed(11)
        drawn.append(getattr(module, mode)(F, H, 2).state_dict())
    for one, other in zip(*(each.values() for each in drawn), strict=True):
        assert torch.equal(one, other)


@BOTH
def test_copies_and_files_compute_the_same(mode: str) -> None:
    _, mine = pair(mode)
    x = torch.randn(T, B, F)
    with torch.no_grad():
        expected = flat(mine(x))
    file = io.BytesIO()
    torch.save(mine, file)
    file.seek(0)
    for twin in (copy.deepcopy(mine), torch.load(file, weights_only=False)):
        with torch.no_grad():
            mine.weight_hh_l0.add_(0)
            assert all(map(torch.equal, flat(twin(x)), expected))
        assert twin.weight_ih_l0 is not mine.weight_ih_l0


@BOTH
def test_parametrizations_and_functional_calls(mode: str) -> None:
    results = []
    x = torch.randn(T, B, F)
    for layer in pair(mode):
        torch.nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
        loss_of(flat(layer(x))).backward()
        results.append([parameter.grad for parameter in layer.parameters()])
    close(*reversed(results))
    theirs, mine = pair(mode)
    other = {name: 2 * value.detach() for name, value in theirs.named_parameters()}
    theirs.load_state_dict(other)
    close(flat(torch.func.functional_call(mine, other, (x,))), flat(theirs(x)))


# --- what is torch's to do ------------------------------------------------------------------------


@pytest.fixture
def fresh_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules._Recurrent, "_warned", set())


def under_autocast(layer: Any, x: Any) -> list[Any]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return flat(layer(x))


def in_bfloat16(layer: Any, x: Any) -> list[Any]:
    return flat(layer.to(torch.bfloat16)(x.to(torch.bfloat16)))


def on_meta(layer: Any, x: Any) -> list[Any]:
    return [torch.zeros(each.shape) for each in flat(layer.to("meta")(x.to("meta")))]


@BOTH
@pytest.mark.parametrize("run", [under_autocast, in_bfloat16, on_meta])
@pytest.mark.usefixtures("fresh_warnings")
def test_what_is_not_done_here_falls_back_to_torch_with_one_warning(mode: str, run: Any) -> None:
    theirs, mine = pair(mode)
    x = torch.randn(T, B, F)
    with pytest.warns(RuntimeWarning, match=rf"fastgru\.torch\.{mode}: .* torch\.nn\.{mode}'s own kernels run"):
        some = run(mine, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        some = run(mine, x)
    for one, other in zip(some, run(theirs, x), strict=True):
        assert torch.equal(one, other)


@BOTH
def test_tensors_without_numbers_are_torch_s_to_do(mode: str) -> None:
    theirs, mine = pair(mode)
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.randn(T, B, F)
        assert [each.shape for each in flat(mine(x))] == [each.shape for each in flat(theirs(x))]


@BOTH
def test_scripting_is_refused_in_a_sentence(mode: str) -> None:
    _, mine = pair(mode)
    for module in (mine, torch.nn.Sequential(mine)):
        with pytest.raises(RuntimeError, match=rf"fastgru\.torch\.{mode}: torch\.jit\.script .* before accelerate"):
            torch.jit.script(module)
    assert torch.isfinite(mine(torch.randn(T, B, F))[0]).all()


@BOTH
@pytest.mark.parametrize("shape", [(T, B, F + 1), (F,), (0, B, F)], ids=str)
def test_errors_are_those_of_torch(mode: str, shape: tuple[int, ...]) -> None:
    messages = []
    for layer in pair(mode):
        with pytest.raises((RuntimeError, ValueError)) as caught:
            layer(torch.randn(shape))
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_projections_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"fastgru\.torch\.LSTM: proj_size is not supported"):
        ours.LSTM(F, H, proj_size=4)
    with pytest.raises(ValueError, match=r"fastgru\.torch\.GRU: proj_size"):
        ours.GRU(F, H, proj_size=0)
