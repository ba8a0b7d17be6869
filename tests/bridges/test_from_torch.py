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


class Classifier(nn.Module):  # type: ignore[misc]
    """With zeros as first states on the device of the data, and the last step."""

    def __init__(self, kind: Any = nn.GRU) -> None:
        super().__init__()
        self.hidden_size, self.num_layers = UNITS, 2
        self.rnn = kind(FEATURES, UNITS, 2, batch_first=True)
        self.fc = nn.Linear(UNITS, 3)

    def forward(self, x: Any) -> Any:
        h0 = torch.zeros(self.num_layers, x.size(0), self.hidden_size).requires_grad_().to(x.device)
        if isinstance(self.rnn, nn.LSTM):
            c0 = torch.zeros(self.num_layers, x.shape[0], self.hidden_size, device=x.device)
            out, (_h, _c) = self.rnn(x, (h0.detach(), c0.detach()))
        else:
            out, _h = self.rnn(x, h0.detach())
        return self.fc(out[:, -1, :])


class Sentiment(nn.Module):  # type: ignore[misc]
    """Words, time-major, both directions joined by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 4)
        self.rnn = nn.LSTM(4, UNITS, num_layers=2, bidirectional=True, dropout=0.5)
        self.fc = nn.Linear(2 * UNITS, 1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, text: Any) -> Any:
        embedded = self.dropout(self.embedding(text))
        _output, (hidden, _cell) = self.rnn(embedded)
        hidden = self.dropout(torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1))
        return self.fc(hidden.squeeze(0))


class Characters(nn.Module):  # type: ignore[misc]
    """Outputs of all steps in one axis before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Embedding(20, 4)
        self.gru = nn.GRU(4, UNITS, batch_first=True)
        self.decoder = nn.Linear(UNITS, 20)

    def forward(self, text: Any, hidden: Any = None) -> Any:
        output, hidden = self.gru(self.encoder(text), hidden)
        scores = self.decoder(output.contiguous().view(-1, UNITS))
        return functional.log_softmax(scores.view(text.size(0), -1, 20), dim=2), hidden


class Windows(nn.Module):  # type: ignore[misc]
    """Batch first outside, time first inside, the states of both directions put side by side by view."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, UNITS, num_layers=2, bidirectional=True)
        self.norm = nn.BatchNorm1d(2 * UNITS)
        self.fc = nn.Linear(2 * UNITS, 2)

    def forward(self, x: Any) -> Any:
        batch_size, _steps, _features = x.shape
        _, h_n = self.gru(x.permute(1, 0, 2))
        last = h_n.view(2, 2, batch_size, UNITS)[-1]
        return self.fc(self.norm(last.transpose(0, 1).reshape(batch_size, -1))).squeeze()


class Seq2Seq(nn.Module):  # type: ignore[misc]
    """A decoder that begins with the encoder's states, attention by bmm, and one layer for two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(FEATURES, 4)
        self.encoder = nn.LSTM(4, UNITS, batch_first=True, bidirectional=True)
        self.decoder = nn.LSTM(4, UNITS, batch_first=True, bidirectional=True)
        self.out = nn.Linear(4 * UNITS, FEATURES)

    def forward(self, x: Any) -> Any:
        encoded, state = self.encoder(torch.tanh(self.shared(x)))
        decoded, _ = self.decoder(torch.relu(self.shared(x * 0.5)), state)
        weights = functional.softmax(torch.bmm(decoded, encoded.permute(0, 2, 1)), dim=-1)
        context = torch.bmm(weights, encoded)
        pooled, _places = torch.max(torch.cat([decoded, context], dim=2), 1)
        return self.out(pooled)


WORDS = (Sentiment, Characters)


@pytest.mark.parametrize(
    ("make", "time_first"),
    [
        (Classifier, False),
        (lambda: Classifier(nn.LSTM), False),
        (Sentiment, True),
        (Characters, False),
        (Windows, False),
        (Seq2Seq, False),
    ],
)
def test_modules_as_people_write_them(make: Any, time_first: bool, rng: np.random.Generator) -> None:
    module = randomized(make())
    words = isinstance(module, WORDS)
    x = rng.integers(0, 20, (4, 7)) if words else rng.standard_normal((4, 7, FEATURES)).astype("f4")
    model = fastgru.from_torch(module, (None, FEATURES) if isinstance(module, Seq2Seq) else None)
    with torch.no_grad():
        y = module(torch.from_numpy(x.swapaxes(0, 1).copy() if time_first else x))
    y = (y[0] if isinstance(y, tuple) else y).numpy()
    assert not np.allclose(y[0], y[1])
    np.testing.assert_allclose(model.predict(x, verbose=0), y, atol=1e-5)
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])


def test_a_module_used_twice_is_one_layer() -> None:
    model = fastgru.from_torch(Seq2Seq(), (None, FEATURES))
    assert model.count_params() == sum(each.numel() for each in Seq2Seq().parameters()) - 2 * 2 * 4 * UNITS  # biases
    assert [type(layer).__name__ for layer in model.layers].count("Dense") == 2


@pytest.mark.parametrize(
    ("then", "axes"),
    [
        (lambda y, h: h, (1, 0, 2)),
        (lambda y, h: h * 2 + h, (1, 0, 2)),
        (lambda y, h: torch.cat([h, h], -1), (1, 0, 2)),
        (lambda y, h: h.sum(-1), (1, 0)),
        (lambda y, h: h.permute(1, 0, 2).reshape(h.size(1), -1), None),
        (lambda y, h: h[-2:].mean(0), None),
        (lambda y, h: y.flatten(2), None),
        (lambda y, h: y.transpose(1, 2).mean(-1), None),
        (lambda y, h: y.transpose(0, 1)[-1], None),
        (lambda y, h: y.transpose(0, 1) - h[0], (1, 0, 2)),
        (lambda y, h: (y.unsqueeze(1) * h[0][:, None, None, :]).squeeze(1), None),
        (lambda y, h: torch.stack([y, y * y], dim=1)[..., -1, :], None),
        (lambda y, h: y[:, ::2, 1:3], None),
        (lambda y, h: y.reshape(y.size(0) * y.size(1), -1).softmax(-1).view(y.shape[0], y.shape[1], -1), None),
        (lambda y, h: y.min(1, keepdim=True)[0], None),
        (lambda y, h: y.reshape(y.size(0), y.size(1), 1, 5).squeeze(), None),
    ],
)
def test_axes_moved_and_undone(then: Any, axes: Any, rng: np.random.Generator) -> None:
    module = randomized(
        Own(
            lambda self, x: then(self.gru(x)[0], self.gru(x)[1]),
            gru=nn.GRU(FEATURES, UNITS, num_layers=2, batch_first=True),
        )
    )
    x = rng.standard_normal((4, 7, FEATURES)).astype("f4")
    with torch.no_grad():
        y = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(
        fastgru.from_torch(module).predict(x), y if axes is None else y.transpose(axes), atol=1e-5
    )


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_a_time_major_layer_alone_takes_the_samples_first(kind: Any, rng: np.random.Generator) -> None:
    module = randomized(kind(FEATURES, UNITS, bidirectional=True))
    x = rng.standard_normal((4, 7, FEATURES)).astype("f4")
    with torch.no_grad():
        y = module(torch.from_numpy(x.swapaxes(0, 1).copy()))[0].numpy()
    np.testing.assert_allclose(fastgru.from_torch(module).predict(x), y.swapaxes(0, 1), atol=1e-5)


def test_channels_before_the_steps(rng: np.random.Generator) -> None:
    module = randomized(
        Own(
            lambda self, x: self.norm(self.gru(x)[0].transpose(1, 2)).transpose(1, 2),
            gru=nn.GRU(FEATURES, UNITS, batch_first=True),
            norm=nn.BatchNorm1d(UNITS),
        )
    )
    assert_same(module, fastgru.from_torch(module), rng.standard_normal((4, 6, FEATURES)).astype("f4"))


def branches(self: Any, x: Any) -> Any:
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (of_gru(lambda self, y, h: self.gru(y.transpose(0, 1))), "reads the samples as steps"),
        (lambda: nn.LSTM(2, 3, batch_first=True, proj_size=1), "proj_size"),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.PReLU()), "_1: PReLU has no counterpart here"),
        (lambda: Own(lambda self, x: self.fc(x).cumsum(1), fc=nn.Linear(2, 3)), "cumsum has no counterpart here"),
        (lambda: Own(lambda self, x: self.fc(x)[0], fc=nn.Linear(2, 3)), "an item along the batch"),
        (of_gru(lambda self, y, h: y.reshape(2, -1)), r"reshape: the shape \(2, \?\) of \(batch, \?, 5\), which mixes"),
        (of_gru(lambda self, y, h: self.gru(y, torch.ones(1, 4, UNITS))), "_tensor_constant0 has no counterpart"),
        (
            of_gru(lambda self, y, h: self.gru(y[:, :, :3], y)),
            r"initial states of another shape than \(1, batch, 5",
        ),
        (of_gru(lambda self, y, h: y.device.type), ".type has no counterpart here"),
        (of_gru(lambda self, y, h: y.sum(1).sum(1).T), ".T has no counterpart here"),
        (of_gru(lambda self, y, h: y[y > 0]), "gt has no counterpart here"),
        (
            of_gru(lambda self, y, h: self.fc(y.permute(1, 2, 0)), fc=nn.Linear(4, 2)),
            "fc: reads the samples as features",
        ),
        (of_gru(lambda self, y, h: torch.cat([y, y])), "cat along the batch"),
        (of_gru(lambda self, y, h: y @ y), r"a product of the shapes \(batch, \?, 5\) and"),
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
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got list; the weights of a state dict"):
        fastgru.from_torch([])
