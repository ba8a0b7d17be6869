"""`fastgru.torch.accelerate` changes the layers of a module in place, and says what it left alone."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
nn = torch.nn

from fastgru.torch import GRU, LSTM, accelerate


class Own(nn.GRU):  # type: ignore[misc]
    """A class that is derived from torch's."""


class Model(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.GRU(5, 8, batch_first=True)
        self.again = self.first
        self.rest = nn.ModuleList(
            [nn.LSTM(8, 8), nn.LSTM(8, 8, proj_size=3), nn.RNN(8, 8), Own(8, 8), nn.GRUCell(8, 8)]
        )

    def forward(self, x: Any) -> Any:
        y, _ = self.first(x)
        y, last = self.again(y[..., :5])
        y, _ = self.rest[0](y)
        return y.sum() + last.sum()


def test_what_is_replaced_and_what_is_left_alone_is_said() -> None:
    done = accelerate(Model())
    assert done.replaced == ["first", "rest.0"]
    assert done.left == {
        "rest.1": "its proj_size is not 0",
        "rest.2": "of a kind not done here: RNN",
        "rest.3": "a class derived from torch.nn's: Own",
        "rest.4": "of a kind not done here: GRUCell",
    }
    assert str(done).splitlines()[:3] == [
        "first: fastgru.torch",
        "rest.0: fastgru.torch",
        "rest.1: left alone, its proj_size is not 0",
    ]
    assert accelerate(done.module).replaced == []


def test_layers_stay_the_objects_that_they_are() -> None:
    model = Model().eval()
    calls: list[str] = []
    model.first.register_forward_hook(lambda *_: calls.append("hook"))
    parameters = [*model.parameters()]
    x = torch.randn(3, 6, 5)
    expected = model(x)
    expected.backward()
    gradients = [parameter.grad for parameter in parameters]
    layer = model.first
    accelerate(model)
    assert model.first is layer is model.again
    assert type(layer) is GRU
    assert type(model.rest[0]) is LSTM
    assert not layer.training
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    model.zero_grad()
    calls.clear()
    answer = model(x)
    answer.backward()
    assert calls == ["hook", "hook"]
    assert answer.item() == pytest.approx(expected.item(), rel=1e-5)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()))


def test_a_layer_itself_is_replaced_too() -> None:
    layer = nn.GRU(3, 4)
    assert accelerate(layer).replaced == [""]
    assert type(layer) is GRU


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"accelerate: expected a torch\.nn\.Module, got list"):
        accelerate([nn.GRU(3, 4)])
