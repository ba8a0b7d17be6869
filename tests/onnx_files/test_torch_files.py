"""Files that torch's TorchScript exporter writes, opened without it: the numbers of ONNX Runtime, and plain layers."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_models import assert_same, by_model, by_runtime, opened

import fastgru

torch = pytest.importorskip("torch", reason="writes the files")
pytest.importorskip("onnx", reason="torch's exporter needs it")

pytestmark = pytest.mark.slow


class Recurrent(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(
        self, kind: str, layers: int = 1, both: bool = False, batch_first: bool = True, end: str = "all"
    ) -> None:
        super().__init__()
        self.end, self.batch_first = end, batch_first
        self.inner = getattr(torch.nn, kind)(3, 5, layers, batch_first=batch_first, bidirectional=both)
        self.head = torch.nn.Linear(10 if both else 5, 4)

    def forward(self, x: Any, *states: Any) -> Any:
        y, last = self.inner(x, *states)
        last = last[0] if isinstance(last, tuple) else last
        if self.end == "state":
            return self.head(torch.cat([last[-2], last[-1]], -1) if self.inner.bidirectional else last[-1])
        if self.end == "last":
            y = y[:, -1] if self.batch_first else y[-1]
        return torch.softmax(torch.relu(self.head(y)), -1)


class Mixed(torch.nn.Module):  # type: ignore[misc,name-defined]
    """What stands around a GRU: convolutions, norms, pooling, attention over the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv1d(3, 8, 3, padding=1)
        self.norm = torch.nn.BatchNorm1d(8)
        self.second = torch.nn.Conv1d(8, 8, 3, stride=2, groups=2)
        self.pool = torch.nn.MaxPool1d(2, padding=1)
        self.gru = torch.nn.GRU(8, 6, batch_first=True, bidirectional=True)
        self.layer_norm = torch.nn.LayerNorm(12)
        self.head = torch.nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        z = torch.relu(self.norm(self.first(x.transpose(1, 2))))
        z = self.pool(torch.nn.functional.gelu(self.second(z)))
        y = self.layer_norm(self.gru(z.transpose(1, 2))[0])
        weights = torch.softmax(y.mean(-1), 1).unsqueeze(-1)
        return self.head((weights * y).sum(1)), torch.nn.functional.log_softmax(self.head(y), -1)


class Words(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(20, 4)
        self.lstm = torch.nn.LSTM(4, 6, 2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Linear(12, 3)

    def forward(self, words: Any) -> Any:
        y, _ = self.lstm(self.table(words))
        rows = self.head(y).view(y.size(0) * y.size(1), 3)
        return (
            self.head(torch.nn.functional.adaptive_avg_pool1d(y.transpose(1, 2), 1).squeeze(-1)),
            y.max(1).values,
            rows,
        )


def written(net: Any, *inputs: Any, free: bool = True) -> bytes:
    file = io.BytesIO()
    names = ["x", "h", "c"][: len(inputs)]
    axes = {"x": {0: "b", 1: "t"}} if free else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), inputs, file, dynamo=False, input_names=names, output_names=["out"], dynamic_axes=axes
        )
    return file.getvalue()


@pytest.mark.parametrize("batch_first", [True, False], ids=["batch first", "time first"])
@pytest.mark.parametrize("end", ["all", "last", "state"])
@pytest.mark.parametrize("both", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_a_recurrent_net_has_the_numbers_of_the_runtime(
    kind: str, count: int, both: bool, end: str, batch_first: bool
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 7, 3)
    data = written(Recurrent(kind, count, both, batch_first, end), x)
    other = np.random.default_rng(0).normal(size=(3, 9, 3)).astype("float32")
    model = opened(data)
    assert_same(by_model(model, other), by_runtime(data, other))


@pytest.mark.parametrize("free", [True, False], ids=["free sizes", "fixed sizes"])
@pytest.mark.parametrize("net", [Mixed, Words])
def test_what_stands_around_them_too(net: Any, free: bool) -> None:
    torch.manual_seed(0)
    x = torch.randint(0, 20, (2, 11)) if net is Words else torch.randn(2, 11, 3)
    data = written(net(), x, free=free)
    assert_same(by_model(opened(data), x.numpy()), by_runtime(data, x.numpy()))


def test_transposes_and_reshapes_of_the_exporter_vanish() -> None:
    torch.manual_seed(0)
    model = opened(written(Recurrent("GRU", 2, both=True, end="last"), torch.randn(2, 7, 3)))
    kinds = [type(layer).__name__ for layer in model.operations]
    assert kinds == ["InputLayer", "Bidirectional", "Bidirectional", "GetItem", "Dense", "Softmax"]
    assert model.input_names == ["x"] and model.output_names == ["out"]


def test_states_of_a_stream_go_in_and_out_beside_a_time_first_sequence() -> None:
    class Stream(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.GRU(3, 5, 2)

        def forward(self, x: Any, h: Any) -> Any:
            return self.inner(x, h)

    torch.manual_seed(0)
    x, h = torch.randn(7, 2, 3), torch.randn(2, 2, 5)
    data = written(Stream(), x, h)
    model = opened(data)
    assert isinstance(model, fastgru.onnx.GraphModel)
    assert_same(by_model(model, x.numpy(), h.numpy()), by_runtime(data, x.numpy(), h.numpy()))


def test_an_opened_net_trains_and_is_saved_as_keras(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = opened(written(Recurrent("GRU", 2, both=True, end="last"), torch.randn(2, 7, 3)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 7, 3)).astype("float32"), rng.integers(0, 4, 32)
    model.compile(fastgru.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    losses = model.fit(x, y, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]
    model.save(tmp_path / "m.keras")
    again = fastgru.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
