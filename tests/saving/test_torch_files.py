"""PyTorch's state dicts, as .pt and .safetensors, go into a model of the same shape, which answers as the module."""

from __future__ import annotations

import collections
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved_models import assert_same, state

from fastgru import cli, layers
from fastgru.models import Functional, Model, Sequential, load_model
from fastgru.saving import ModelFileError, sniff
from fastgru.saving.formats import pickled, torch_file

torch = pytest.importorskip("torch", reason="needs PyTorch")
FEATURES = 3


class First(torch.nn.Module):
    """A recurrent module, of which the outputs are used, and a layer behind it."""

    def __init__(self, rnn: Any, out: int = 2) -> None:
        super().__init__()
        self.rnn = rnn
        width = rnn.hidden_size * (2 if rnn.bidirectional else 1)
        self.fc = torch.nn.Linear(width, out)

    def forward(self, x: Any) -> Any:
        return self.fc(self.rnn(x)[0])


class Convolved(torch.nn.Module):
    """Sequences through an embedding, a convolution, normalizations and a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(11, 4)
        self.conv = torch.nn.Conv1d(4, 6, 3)
        self.norm = torch.nn.BatchNorm1d(6)
        self.gru = torch.nn.GRU(6, 5, batch_first=True)
        self.scale = torch.nn.LayerNorm(5)

    def forward(self, x: Any) -> Any:
        steps = self.norm(self.conv(self.table(x).transpose(1, 2))).transpose(1, 2)
        return self.scale(self.gru(steps)[0])


def recurrent(kind: str, units: int, **options: Any) -> layers.Layer:
    layer: layers.Layer = {"gru": layers.GRU, "lstm": layers.LSTM, "rnn": layers.SimpleRNN}[kind](
        units, return_sequences=True, **options
    )
    return layer


def rnn_pair(kind: str, **options: Any) -> tuple[Any, Model]:
    """A module and a model of the same shape."""
    both = options.get("bidirectional", False)
    module = First({"gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "rnn": torch.nn.RNN}[kind](
        FEATURES, 4, batch_first=True, **options))  # fmt: skip
    stack = [recurrent(kind, 4, use_bias=options.get("bias", True)) for _ in range(options.get("num_layers", 1))]
    wrapped = [layers.Bidirectional(layer) if both else layer for layer in stack]
    return module, Sequential([layers.Input((5, FEATURES)), *wrapped, layers.Dense(2)])


def convolved_pair() -> tuple[Any, Model]:
    model = Sequential(
        [
            layers.Input((7,), dtype="int32"),
            layers.Embedding(11, 4),
            layers.Conv1D(6, 3),
            layers.BatchNormalization(epsilon=1e-5),
            layers.GRU(5, return_sequences=True),
            layers.LayerNormalization(epsilon=1e-5),
        ]
    )
    return Convolved(), model


PAIRS: dict[str, Callable[[], tuple[Any, Model]]] = {
    "gru": lambda: rnn_pair("gru"),
    "lstm": lambda: rnn_pair("lstm"),
    "rnn": lambda: rnn_pair("rnn"),
    "stack": lambda: rnn_pair("gru", num_layers=3),
    "bidirectional": lambda: rnn_pair("gru", num_layers=2, bidirectional=True),
    "bidirectional lstm": lambda: rnn_pair("lstm", bidirectional=True),
    "no bias": lambda: rnn_pair("gru", bias=False),
    "convolved": convolved_pair,
}


def randomized(module: Any) -> Any:
    """Different numbers everywhere, also in running statistics."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
    return module.eval()


def answers(module: Any, model: Model, tolerance: float = 1e-5) -> None:
    rng = np.random.default_rng(5)
    x = (
        rng.normal(size=(4, 5, FEATURES)).astype("float32")
        if isinstance(module, First)
        else rng.integers(0, 11, (4, 7))
    )
    with torch.inference_mode():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=0, atol=tolerance * np.abs(expected).max())


def save_zip(value: Any, path: Path) -> None:
    torch.save(value, path)


def save_legacy(value: Any, path: Path) -> None:
    torch.save(value, path, _use_new_zipfile_serialization=False)


def save_safetensors(value: Any, path: Path) -> None:
    file = pytest.importorskip("safetensors.torch", reason="needs safetensors")
    file.save_file(value, path)


WRITERS = [save_zip, save_legacy, save_safetensors]


@pytest.mark.parametrize("save", WRITERS)
@pytest.mark.parametrize("name", PAIRS)
def test_the_model_answers_as_the_module(name: str, save: Callable[[Any, Path], None], tmp_path: Path) -> None:
    module, model = PAIRS[name]()
    randomized(module)
    save(module.state_dict(), tmp_path / "m.bin")
    model.load_weights(tmp_path / "m.bin")
    answers(module, model)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("save", WRITERS)
def test_other_precisions(save: Callable[[Any, Path], None], dtype: Any, tmp_path: Path) -> None:
    module, model = rnn_pair("gru")
    randomized(module).to(dtype)
    save(module.state_dict(), tmp_path / "m.pt")
    model.load_weights(tmp_path / "m.pt")
    answers(module.float(), model)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_views_of_a_shared_storage_and_parameters(save: Callable[[Any, Path], None], tmp_path: Path) -> None:
    module, model = rnn_pair("gru")
    randomized(module)
    tensors = {}
    flat = torch.cat([value.flatten() for value in module.state_dict().values()])
    at = 0
    for name, value in module.state_dict().items():
        tensors[name] = flat[at : at + value.numel()].view(value.shape)
        at += value.numel()
    weight = tensors["rnn.weight_hh_l0"].T.contiguous()
    tensors["rnn.weight_hh_l0"] = torch.nn.Parameter(weight.T)  # its strides are those of the other order
    save(tensors, tmp_path / "m.pt")
    model.load_weights(tmp_path / "m.pt")
    answers(module, model)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_the_only_state_dict_of_a_training_checkpoint_is_read(
    save: Callable[[Any, Path], None], tmp_path: Path
) -> None:
    module, model = rnn_pair("gru")
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    module(torch.ones(2, 5, FEATURES)).sum().backward()
    optimizer.step()
    randomized(module)
    checkpoint = {"epoch": 3, "model_state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), "loss": 0.5}
    save(checkpoint, tmp_path / "m.pt")
    model.load_weights(tmp_path / "m.pt")
    answers(module, model)
    save({**checkpoint, "ema": module.state_dict()}, tmp_path / "m.pt")
    with pytest.raises(
        ModelFileError, match=r"holds 2 state dicts where one is expected \('model_state_dict', 'ema'\)"
    ):
        model.load_weights(tmp_path / "m.pt")


def test_names_decide_where_all_layers_have_namesakes(tmp_path: Path) -> None:
    module = randomized(torch.nn.ModuleDict({"hidden": torch.nn.Linear(3, 3), "begin": torch.nn.Linear(3, 3)}))
    save_safetensors(module.state_dict(), tmp_path / "m.safetensors")

    def chain(*names: str) -> Sequential:
        return Sequential([layers.Input((3,)), *(layers.Dense(3, name=name) for name in names)])

    named = chain("hidden", "begin")
    named.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(named.get_layer("begin").kernel.value, module["begin"].weight.detach().numpy().T)
    strange = chain("one", "two")
    before = state(strange)
    with pytest.raises(ModelFileError, match=r"begin, hidden all fit the layer 'one', and the file has no order"):
        strange.load_weights(tmp_path / "m.safetensors")
    assert_same(state(strange), before)
    half = chain("hidden", "two")
    half.load_weights(tmp_path / "m.safetensors", by_name=True)
    np.testing.assert_array_equal(half.get_layer("hidden").bias.value, module["hidden"].bias.detach().numpy())


def test_all_that_does_not_fit_is_told_and_nothing_changes(tmp_path: Path) -> None:
    module, _ = rnn_pair("gru")
    save_zip(module.state_dict(), tmp_path / "m.pt")
    model = Sequential([layers.Input((5, FEATURES)), layers.GRU(5, name="a"), layers.Dense(7, name="b")])
    before = state(model)
    with pytest.raises(ModelFileError) as caught:
        model.load_weights(tmp_path / "m.pt")
    assert str(caught.value).endswith(
        "layer 'a' expects (3, 15) (5, 15) (2, 15), 'rnn' in the file has (3, 12) (4, 12) (2, 12); layer 'b' expects "
        "(5, 7) (7,), 'fc' in the file has (4, 2) (2,)."
    )
    assert_same(state(model), before)
    fewer = Sequential([layers.Input((5, FEATURES)), layers.GRU(4)])
    with pytest.raises(ModelFileError, match="the model has no place for 'fc'"):
        fewer.load_weights(tmp_path / "m.pt")
    with pytest.warns(UserWarning, match="no place for 'fc'; it is skipped"):
        fewer.load_weights(tmp_path / "m.pt", skip_mismatch=True)
    np.testing.assert_array_equal(
        fewer.layers[0].get_weights()[1][:, 4:8], module.rnn.weight_hh_l0.detach().numpy()[:4].T
    )


def test_a_gru_that_resets_before_the_product_is_refused(tmp_path: Path) -> None:
    save_zip(rnn_pair("gru")[0].state_dict(), tmp_path / "m.pt")
    model = Sequential([layers.Input((5, FEATURES)), layers.GRU(4, reset_after=False, name="old"), layers.Dense(2)])
    with pytest.raises(ModelFileError, match="layer 'old' has reset_after=False, and PyTorch's GRU resets after"):
        model.load_weights(tmp_path / "m.pt")


def test_a_projection_is_refused(tmp_path: Path) -> None:
    save_zip(torch.nn.LSTM(FEATURES, 4, proj_size=2).state_dict(), tmp_path / "m.pt")
    model = Sequential([layers.Input((5, FEATURES)), layers.LSTM(4)])
    with pytest.raises(ModelFileError, match=r"expects \(3, 16\)"):
        model.load_weights(tmp_path / "m.pt")


def test_whole_modules_and_torchscript_are_refused(tmp_path: Path) -> None:
    module, model = rnn_pair("gru")
    for save in (save_zip, save_legacy):
        save(module, tmp_path / "m.pt")
        with pytest.raises(ModelFileError, match=r"names .*First.* which is code.*save the tensors alone: torch\.save"):
            model.load_weights(tmp_path / "m.pt")
    torch.jit.script(torch.nn.Linear(3, 2)).save(tmp_path / "m.pt")
    with pytest.raises(ModelFileError, match="is a TorchScript program of PyTorch"):
        model.load_weights(tmp_path / "m.pt")
    save_zip([torch.ones(3)], tmp_path / "m.pt")
    with pytest.raises(ModelFileError, match="holds a list and no state dict"):
        model.load_weights(tmp_path / "m.pt")


def test_inspect_and_load_model_know_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, _ = rnn_pair("gru", num_layers=2, bidirectional=True)
    for save in WRITERS:
        save(module.state_dict(), tmp_path / "m")
        assert cli.main(["inspect", str(tmp_path / "m"), "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        owners = {layer["name"]: layer["weights"] for layer in facts["layers"]}
        assert owners.keys() == {"rnn", "rnn_reverse", "rnn.l1", "rnn.l1_reverse", "fc"}
        assert sorted(owners["rnn"]) == [[12], [12], [12, 3], [12, 4]]
        with pytest.raises(ModelFileError, match="holds weights without a model; build the model and give its"):
            load_model(tmp_path / "m")


# --- safetensors of fastgru's own -------------------------------------------------------------------------------------


def written_model() -> Model:
    x = layers.Input((5, 3))
    h = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    h = layers.BatchNormalization()(layers.LSTM(4, return_sequences=True)(h))
    model = Functional(x, layers.Dense(2)(layers.Dense(4)(h)))
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(size=weight.shape) for weight in model.weights])
    return model


def test_saved_weights_come_back(tmp_path: Path) -> None:
    trained, other = written_model(), written_model()
    trained.save_weights(tmp_path / "m.safetensors")
    other.set_weights([weight * 0 for weight in other.get_weights()])
    other.load_weights(tmp_path / "m.safetensors")
    assert_same(state(other), state(trained))
    with pytest.raises(ValueError, match="the file exists and overwrite is False"):
        trained.save_weights(tmp_path / "m.safetensors", overwrite=False)


def test_the_real_reader_opens_what_is_saved_and_its_writer_what_is_read(tmp_path: Path) -> None:
    numpy_file = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    trained, other = written_model(), written_model()
    trained.save_weights(tmp_path / "m.safetensors")
    arrays = numpy_file.load_file(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(arrays["layers/dense/kernel"], trained.layers[4].kernel.value)
    assert "layers/bidirectional/forward_layer/cell/recurrent_kernel" in arrays
    assert "layers/batch_normalization/moving_variance" in arrays
    numpy_file.save_file(arrays, tmp_path / "again.safetensors", {"fastgru_version": "1"})  # which sorts them by name
    other.load_weights(tmp_path / "again.safetensors")
    assert_same(state(other), state(trained))


# --- hostile ----------------------------------------------------------------------------------------------------------


def with_header(header: Any, numbers: bytes = bytes(24), size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + numbers


def entry(**changes: Any) -> dict[str, Any]:
    return {"a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changes}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (with_header(entry(), size=1 << 60), "larger than the file"),
        (with_header(b"{" * 20), "header"),
        (with_header(b"{" + b'"a":{' * 200 + b"}" * 201), "nested deeper"),
        (with_header(entry(dtype="F9")), "has the dtype 'F9'"),
        (with_header(entry(shape=[1 << 40, 1 << 40])), "do not fit"),
        (with_header(entry(shape=[-2, -3])), "a shape that no array has"),
        (with_header(entry(shape=[2.0, 3])), "a shape that no array has"),
        (with_header(entry(data_offsets=[0, 1 << 62])), "stands at bytes 0 to"),
        (with_header(entry(data_offsets=[-24, 0])), "stands at bytes -24 to 0"),
        (with_header(entry(data_offsets=[8, 32])), "where byte 0 comes next"),
        (with_header(entry(data_offsets="all")), "has no place"),
        (with_header({**entry(), "b.weight": entry()["a.weight"]}), "where byte 24 comes next"),
        (with_header({"a.weight": 3}), "has no place"),
    ],
)
@pytest.mark.usefixtures("cheap")
def test_a_safetensors_file_that_lies_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    before = state(model)
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=reason):
        model.load_weights(tmp_path / "m.safetensors")
    assert_same(state(model), before)


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def archive(path: Path, content: bytes, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {"data.pkl": content, "byteorder": b"little", "data/0": bytes(24), **members}.items():
            file.writestr(f"m/{name}", data)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "touch ran"),
        Evil(eval, "open('ran', 'w')"),
        Evil(open, "ran", "w"),
        Evil(torch.load, "ran"),
        {"a.weight": Evil(os.system, "touch ran")},
        collections.OrderedDict(a=Evil(os.mkdir, "ran")),
    ],
)
def test_no_pickle_runs_anything(evil: Any, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = Sequential([layers.Input((3,)), layers.Dense(2)])
    content = pickle.dumps(evil, protocol)
    path = archive(tmp_path / "m.pt", content)
    with pytest.raises(ModelFileError, match=r"which is code and never run|the instruction"):
        model.load_weights(path)
    head = b"".join(pickle.dumps(value, 2) for value in (torch_file.MAGIC, torch_file.PROTOCOL, {}))
    assert head.startswith(sniff.LEGACY_TORCH_START)
    for old in (head + content, head[: len(sniff.LEGACY_TORCH_START)] + content):
        path.write_bytes(old)
        with pytest.raises(ModelFileError, match=r"which is code and never run|the instruction"):
            model.load_weights(path)
    assert not (tmp_path / "ran").exists()


STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK\6tQ"  # six numbers, in data/0


def tensor(offset: int = 0, shape: tuple[int, ...] = (2, 3), strides: tuple[int, ...] = (3, 1)) -> bytes:
    """The instructions for a dict with one tensor."""

    def axes(numbers: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(pickle.dumps(number, 2)[2:-1] for number in numbers) + b"t"

    place = pickle.dumps(offset, 2)[2:-1]
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + place + axes(shape) + axes(strides)
    return b"\x80\x02}X\x08\0\0\0a.weight" + call + b"\x89}tRs."


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tensor(offset=1), "6 numbers that go beyond the 6 of its storage"),
        (tensor(offset=-1), "shape and strides do not fit"),
        (tensor(strides=(1 << 60, 1)), "go beyond the 6"),
        (tensor(strides=(-3, 1)), "shape and strides do not fit"),
        (tensor(strides=(3,)), "shape and strides do not fit"),
        (tensor(shape=(1 << 40, 1 << 40), strides=(0, 0)), "go beyond the 6"),
        (tensor(shape=(1,) * 40, strides=(0,) * 40), "shape and strides do not fit"),
        (tensor().replace(b"K\6tQ", b"K\7tQ"), "24 bytes where 7 numbers of f4 should be"),
        (tensor().replace(b"FloatStorage", b"WoolStorage2"), "names torch.WoolStorage2"),
        (tensor().replace(b"FloatStorage", b"bfloat16\n]0"), "damaged|of the kind|instruction|refers"),
        (tensor().replace(b"storage", b"strange"), "what is no storage of tensors"),
        (tensor()[:-1], "pickle|STOP|exhausted"),
        (b"\x80\x02" + b"}" * (pickled.MAX_INSTRUCTIONS + 1) + b".", "more than 1000000 instructions"),
        (b"\x80\x02" + b"(" * 5000 + b".", "."),
        (b"\x80\x02}q\0X\1\0\0\0xh\0s.", "holds 0 state dicts"),  # a dict that holds itself
        (b"\x80\x02K\1q\0" + b"".join(b"h\0h\0\x86q\0" for _ in range(200)) + b".", "is damaged|holds a tuple|unpack"),
        (b"\x80\x02}\x8a\xff" + bytes(3) + b".", "pickle|bytes|expected"),
        (b".", "."),
        (b"", "."),
    ],
)
def test_a_pickle_that_lies_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2, use_bias=False)])
    model.load_weights(archive(tmp_path / "sound.pt", tensor()))
    before = state(model)
    with pytest.raises(ModelFileError, match=reason):
        model.load_weights(archive(tmp_path / "m.pt", content))
    assert_same(state(model), before)


def test_a_storage_that_lies_is_refused(tmp_path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2, use_bias=False)])
    for members, reason in (
        ({"data/0": bytes(8)}, "8 bytes where 6 numbers"),
        ({"byteorder": b"big"}, "the other order of bytes"),
        ({"constants.pkl": b"."}, "TorchScript"),
    ):
        with pytest.raises(ModelFileError, match=reason):
            model.load_weights(archive(tmp_path / "m.pt", tensor(), **members))


def test_the_format_is_told_by_the_content(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as file:
        file.writestr("classifier/saved_model.pb", b"")
    with pytest.raises(
        ModelFileError, match="is an archive of a SavedModel of TensorFlow; unpack it and give the folder"
    ):
        load_model(tmp_path / "m.zip")
