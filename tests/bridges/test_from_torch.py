"""Modules of PyTorch's become fastgru models with the same predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastgru

torch = pytest.importorskip("torch", reason="PyTorch, whose modules are read, is not installed")

from torch import nn
from torch.nn import functional

FEATURES, UNITS = 3, 5


class Own(nn.Module):  # type: ignore[misc]
    """A module with this forward, which is handed the module and x."""

    def __init__(self, then: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        self.then = then
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.then(self, x)


def last_step(self: Any, x: Any) -> Any:
    out, _ = self.gru(x)
    return self.fc(out[:, -1])


def last_state(self: Any, x: Any) -> Any:
    _, h = self.gru(x)
    return torch.sigmoid(self.fc(h[-1])).squeeze(-1)


def both_last_states(self: Any, x: Any) -> Any:
    _, (h, c) = self.gru(x)
    return self.fc(torch.cat((h[-2], c[-1]), dim=1))


def pooled(self: Any, x: Any) -> Any:
    y = self.norm(functional.relu(self.gru(x)[0]) * 0.5 + 1)
    return functional.log_softmax(self.fc(functional.dropout(y.mean(dim=1), 0.3, self.training)), dim=-1)


def attended(self: Any, x: Any) -> Any:
    y = self.gru(x)[0]
    weights = torch.softmax(self.score(torch.tanh(y)), dim=1)
    return self.fc((weights * y).sum(dim=1))


def modules() -> dict[str, Any]:
    gru = {"batch_first": True}
    return {
        "out[:, -1]": Own(last_step, gru=nn.GRU(FEATURES, UNITS, **gru), fc=nn.Linear(UNITS, 2)),
        "two layers without bias": Own(
            last_step, gru=nn.GRU(FEATURES, UNITS, 2, bias=False, dropout=0.2, **gru), fc=nn.Linear(UNITS, 2)
        ),
        "h[-1]": Own(last_state, gru=nn.GRU(FEATURES, UNITS, bidirectional=True, **gru), fc=nn.Linear(UNITS, 1)),
        "states of an LSTM": Own(
            both_last_states, gru=nn.LSTM(FEATURES, UNITS, 2, bidirectional=True, **gru), fc=nn.Linear(2 * UNITS, 2)
        ),
        "pooled": Own(
            pooled, gru=nn.RNN(FEATURES, UNITS, **gru), norm=nn.LayerNorm(UNITS), fc=nn.Linear(UNITS, 4, bias=False)
        ),
        "attention": Own(
            attended, gru=nn.RNN(FEATURES, UNITS, nonlinearity="relu", **gru),
            score=nn.Linear(UNITS, 1), fc=nn.Linear(UNITS, 2),
        ),
        "softmax over the steps": Own(
            lambda self, x: self.last(self.softmax(self.gru(x)[0])),
            gru=nn.GRU(FEATURES, UNITS, **gru), softmax=nn.Softmax(dim=1), last=nn.LogSoftmax(dim=1),
        ),
        "the mean of last states": Own(
            lambda self, x: self.gru(x)[1].mean(0), gru=nn.GRU(FEATURES, UNITS, bidirectional=True, **gru)
        ),
        "a layer alone": nn.GRU(FEATURES, UNITS, **gru),
        "fastgru.torch": Own(last_step, gru=fastgru.torch.GRU(FEATURES, UNITS, **gru), fc=nn.Linear(UNITS, 2)),
    }  # fmt: skip


def randomized(module: Any) -> Any:
    torch.manual_seed(3)
    for tensor in [*module.parameters(), *(each for each in module.buffers() if each.is_floating_point())]:
        with torch.no_grad():
            tensor.uniform_(0.1, 0.9) if tensor.dim() == 1 else tensor.normal_(0, 0.5)
    return module.eval()


def assert_same(module: Any, model: Any, x: Any) -> None:
    with torch.no_grad():
        expected = module(torch.from_numpy(x))
    expected = expected[0] if isinstance(expected, tuple) else expected
    assert not np.allclose(expected[0], expected[1])
    np.testing.assert_allclose(model.predict(x), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", modules())
def test_a_recurrent_module_gives_the_same_predictions(rng: np.random.Generator, name: str) -> None:
    module = randomized(modules()[name])
    assert_same(module, fastgru.from_torch(module), rng.standard_normal((4, 6, FEATURES)).astype("f4"))


def test_words_and_a_sequential_of_all_that_is_there(rng: np.random.Generator) -> None:
    first = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.LeakyReLU(0.1), nn.Dropout(0.5), nn.Linear(6, 6))
    activations = [nn.ELU(0.7), nn.Tanh(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Identity(), nn.Sigmoid()]
    rows = randomized(nn.Sequential(first, *activations, nn.LayerNorm(6), nn.Softmax(dim=-1)))
    assert_same(rows, fastgru.from_torch(rows), rng.standard_normal((5, 8)).astype("f4"))
    words = randomized(
        Own(
            lambda self, x: last_step(self, self.embedding(x)),
            embedding=nn.Embedding(11, 4),
            gru=nn.GRU(4, UNITS, batch_first=True),
            fc=nn.Linear(UNITS, 2),
        )
    )
    assert_same(words, fastgru.from_torch(words), rng.integers(0, 11, (5, 7)))


def test_the_model_trains_and_leaves_the_module_alone(rng: np.random.Generator) -> None:
    module = randomized(modules()["out[:, -1]"])
    before = [parameter.clone() for parameter in module.parameters()]
    model = fastgru.from_torch(module)
    model.compile("adam", "mse")
    x, y = rng.standard_normal((32, 6, FEATURES)), rng.standard_normal((32, 2))
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all(torch.equal(one, other) for one, other in zip(before, module.parameters(), strict=True))


def test_an_input_whose_shape_follows_from_no_layer_needs_one(rng: np.random.Generator) -> None:
    module = randomized(Own(lambda self, x: self.fc(x * 2), fc=nn.Linear(FEATURES, 2)))
    with pytest.raises(ValueError, match="give input_shape"):
        fastgru.from_torch(module)
    x = rng.standard_normal((4, 6, FEATURES)).astype("f4")
    assert_same(module, fastgru.from_torch(module, (None, FEATURES)), x)


def of_gru(then: Callable[..., Any], **layers: Any) -> Callable[[], Any]:
    """What makes a module that does something with the outputs and last states of a GRU."""
    return lambda: Own(
        lambda self, x: then(self, self.gru(x)[0], self.gru(x)[1]),
        gru=nn.GRU(FEATURES, UNITS, batch_first=True),
        **layers,
    )


def branches(self: Any, x: Any) -> Any:
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (lambda: nn.GRU(2, 3), "batch_first=True"),
        (lambda: nn.LSTM(2, 3, batch_first=True, proj_size=1), "proj_size"),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.PReLU()), "_1: PReLU has no counterpart here"),
        (lambda: Own(lambda self, x: self.fc(x).cumsum(1), fc=nn.Linear(2, 3)), "cumsum has no counterpart here"),
        (lambda: Own(lambda self, x: self.fc(x)[0], fc=nn.Linear(2, 3)), "an item along the batch"),
        (of_gru(lambda self, y, h: self.fc(h), fc=nn.Linear(UNITS, 2)), "fc: last states are taken one by one"),
        (of_gru(lambda self, y, h: h), "output: last states are taken one by one"),
        (of_gru(lambda self, y, h: h * 2), "last states are taken one by one"),
        (of_gru(lambda self, y, h: h + h), "last states are taken one by one"),
        (of_gru(lambda self, y, h: torch.cat([h, h], -1)), "last states are taken one by one"),
        (of_gru(lambda self, y, h: h.mean(-1)), "last states are taken one by one"),
        (of_gru(lambda self, y, h: self.flat(y), flat=nn.Flatten(2)), "flatten of other axes than all behind"),
        (of_gru(lambda self, y, h: y.sum(-3)), "a dim that is the batch's"),
        (of_gru(lambda self, y, h: y.mean()), "no dim, which would be that of the batch, too"),
        (of_gru(lambda self, y, h: self.soft(y), soft=nn.Softmax(None)), "soft: no dim"),
        (of_gru(lambda self, y, h: self.soft(y), soft=nn.Softplus(beta=2.0)), "soft: Softplus of another beta"),
        (of_gru(lambda self, y, h: torch.add(y, y, alpha=2)), "add: such a call has no counterpart here"),
        (lambda: Own(branches), "the forward of Own cannot be followed by torch.fx"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(module: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fastgru.from_torch(module())


def test_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got list"):
        fastgru.from_torch([])
