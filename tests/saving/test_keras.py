"""Model files between fastgru and real Keras, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastgru
from fastgru import losses, metrics, models, optimizers

pytestmark = pytest.mark.keras

ENDINGS = [".keras", ".h5"]
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "adam": lambda kind: kind.Adam(0.01, beta_1=0.8, epsilon=1e-5),
    "amsgrad": lambda kind: kind.Adam(0.01, amsgrad=True, clipnorm=0.5),
    "rmsprop": lambda kind: kind.RMSprop(0.01, rho=0.8, momentum=0.5, centered=True),
    "plain rmsprop": lambda kind: kind.RMSprop(0.01, clipvalue=0.1),
    "momentum": lambda kind: kind.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "sgd": lambda kind: kind.SGD(0.1),
}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"reset_after": False, "return_sequences": True},
    {"go_backwards": True, "return_sequences": True, "use_bias": False},
    {"activation": "relu", "recurrent_activation": "hard_sigmoid", "dropout": 0.2, "recurrent_dropout": 0.1, "seed": 3},
    {"kernel_regularizer": "l2", "bias_constraint": "non_neg", "recurrent_initializer": "he_normal", "unroll": True},
]


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(12, 5, 3)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, 12)]


def build(library: Any, **options: Any) -> Any:
    """The same model in Keras or in fastgru, with the same random weights."""
    kind = library.layers
    model = library.models.Sequential(
        [
            kind.Input((5, 3)),
            kind.GRU(4, return_sequences=True, name="first"),
            kind.GRU(6, **options),
            kind.Dropout(0.0),
            kind.Dense(3, bias_initializer="ones"),
            kind.Activation("softmax"),
        ]
    )
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.weights])
    return model


def outputs(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x, verbose=0))


def assert_near(got: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(got), np.asarray(expected), rtol=0, atol=1e-5)


@pytest.fixture(params=["keras to fastgru", "fastgru to keras"])
def ways(request: pytest.FixtureRequest, keras: Any) -> tuple[Any, Any]:
    """Who writes and who reads."""
    return (keras, fastgru) if request.param == "keras to fastgru" else (fastgru, keras)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("options", OPTIONS)
def test_predictions_are_the_same(ways: Any, options: dict[str, Any], ending: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    model = build(writer, **options)
    model.save(tmp_path / f"model{ending}")
    loaded = reader.models.load_model(tmp_path / f"model{ending}")
    assert_near(outputs(loaded, data[0]), outputs(model, data[0]))
    assert loaded.name == model.name
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_inside_a_model_goes_over(ways: Any, ending: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    kind = writer.layers
    inner = writer.models.Sequential([kind.Input((5, 3)), kind.GRU(4, return_sequences=True)], name="inner")
    model = writer.models.Sequential([kind.Input((5, 3)), inner, kind.GRU(6), kind.Dense(3)])
    rng = np.random.default_rng(5)
    model.set_weights([rng.normal(scale=0.5, size=weight.shape) for weight in model.weights])
    model.compile("adam", "mse")
    model.fit(*data, verbose=0)
    model.save(tmp_path / f"m{ending}")
    loaded = reader.models.load_model(tmp_path / f"m{ending}")
    assert loaded.get_layer("inner").layers[0].units == 4
    assert_near(outputs(loaded, data[0]), outputs(model, data[0]))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_where_it_stopped(ways: Any, name: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    model = build(writer)
    model.compile(OPTIMIZERS[name](writer.optimizers), "categorical_crossentropy", metrics=["accuracy"])
    for _ in range(3):
        model.train_on_batch(*data)
    model.save(tmp_path / "model.keras")
    loaded = reader.models.load_model(tmp_path / "model.keras")
    for _ in range(3):
        assert_near(loaded.train_on_batch(*data), model.train_on_batch(*data))
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        assert_near(one, other)
    assert int(np.asarray(loaded.optimizer.iterations)) == 6


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_from_a_legacy_file_of_keras(keras: Any, name: str, data: Any, tmp_path: Path) -> None:
    # the other way round Keras reads the setup but builds its optimizer without weights, also from files of its own
    model = build(keras)
    model.compile(OPTIMIZERS[name](keras.optimizers), keras.losses.CategoricalCrossentropy(label_smoothing=0.1))
    for _ in range(3):
        model.train_on_batch(*data)
    model.save(tmp_path / "model.h5")
    loaded = models.load_model(tmp_path / "model.h5")
    for _ in range(3):
        assert_near(loaded.train_on_batch(*data), model.train_on_batch(*data))


@pytest.mark.parametrize("loss", ["mse", "mean_absolute_error", "categorical_crossentropy", "object"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_keras_reads_the_setup_for_training(keras: Any, loss: str, ending: str, data: Any, tmp_path: Path) -> None:
    model = build(fastgru)
    chosen = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2) if loss == "object" else loss
    model.compile("adam", chosen, metrics=["accuracy", metrics.MeanSquaredError(name="squares"), "mae"])
    expected = model.evaluate(*data, verbose=0)
    model.save(tmp_path / f"model{ending}")
    assert_near(keras.models.load_model(tmp_path / f"model{ending}").evaluate(*data, verbose=0), expected)


@pytest.mark.parametrize("ending", ENDINGS)
def test_fastgru_reads_the_setup_for_training(keras: Any, ending: str, data: Any, tmp_path: Path) -> None:
    model = build(keras)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    model.compile("rmsprop", loss, metrics=["accuracy", keras.metrics.MeanSquaredError(name="squares"), "mae"])
    expected = model.evaluate(*data, verbose=0)
    model.save(tmp_path / f"model{ending}")
    assert_near(models.load_model(tmp_path / f"model{ending}").evaluate(*data, verbose=0), expected)


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_weights_alone_go_over(ways: Any, ending: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    path = tmp_path / f"model{ending}"
    model, other = build(writer), build(reader)
    model.set_weights([2 * weight for weight in model.get_weights()])
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    other.load_weights(path)
    assert_near(outputs(other, data[0]), outputs(model, data[0]))


def test_the_optimizer_goes_over_with_the_weights(ways: Any, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    model, other = build(writer), build(reader)
    for each, library in ((model, writer), (other, reader)):
        each.compile(OPTIMIZERS["adam"](library.optimizers), "mse")
        each.train_on_batch(*data)
    model.train_on_batch(*data)
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert int(np.asarray(other.optimizer.iterations)) == 2
    assert_near(other.train_on_batch(*data), model.train_on_batch(*data))


@pytest.mark.parametrize("ending", ENDINGS)
def test_fixed_batches_and_free_lengths_go_over(ways: Any, ending: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    kind = writer.layers
    rows = [kind.Input(batch_shape=(4, None, 3)), kind.GRU(2, stateful=True, return_sequences=True), kind.Dense(1)]
    model = writer.models.Sequential(rows)
    model.save(tmp_path / f"model{ending}")
    loaded = reader.models.load_model(tmp_path / f"model{ending}")
    for x in (data[0][:4], data[0][4:8, :2]):
        assert_near(loaded(x), model(x))  # not predict, which on JAX forgets the states


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_built_on_its_first_data_goes_over(ways: Any, ending: str, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    model = writer.models.Sequential([writer.layers.GRU(3), writer.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data[0], data[1][:, :1], batch_size=6, verbose=0)
    expected = outputs(model, data[0])
    model.save(tmp_path / f"model{ending}")
    assert_near(outputs(reader.models.load_model(tmp_path / f"model{ending}"), data[0]), expected)


def test_a_model_that_was_compiled_but_never_trained_opens_without_a_warning(
    keras: Any, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    model = build(keras)
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    recwarn.clear()
    assert models.load_model(tmp_path / "model.keras").optimizer.iterations == 0
    assert not recwarn.list


def test_float64_models_go_over(ways: Any, data: Any, tmp_path: Path) -> None:
    writer, reader = ways
    kind = writer.layers
    model = writer.models.Sequential([kind.Input((5, 3)), kind.GRU(2, dtype="float64"), kind.Dense(1, dtype="float64")])
    model.save(tmp_path / "model.keras")
    loaded = reader.models.load_model(tmp_path / "model.keras")
    assert_near(outputs(loaded, data[0]), outputs(model, data[0]))


def test_a_config_written_by_fastgru_is_that_of_keras(keras: Any) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            ignored = ("shared_object_id", "quantization_config")
            return {key: plain(entry) for key, entry in value.items() if key not in ignored}
        return [plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value

    keras.utils.clear_session()
    assert plain(build(fastgru).get_config()) == plain(build(keras).get_config())
    for ours, theirs in ((optimizers, keras.optimizers), (losses, keras.losses)):
        names = ("Adam", "RMSprop", "SGD") if ours is optimizers else ("MeanSquaredError", "CategoricalCrossentropy")
        for name in names:
            assert (
                getattr(ours, name)(name="x").get_config().keys() == getattr(theirs, name)(name="x").get_config().keys()
            )


def interleaved(layer: type) -> type:
    """A layer whose trained weights stand between those that are not."""

    class Interleaved(layer):  # type: ignore[misc]
        def build(self, input_shape: Any) -> None:
            for index, name in enumerate("abcd"):
                self.add_weight(name=name, shape=(3,), trainable=index % 2 == 1)
            self.built = True

        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    return Interleaved


@pytest.mark.parametrize("ending", [".weights.h5", ".keras", ".h5"])
def test_interleaved_weights_are_read_by_their_names(keras: Any, ending: str, tmp_path: Path) -> None:
    theirs, ours, again = (
        library.Sequential([library.layers.Input((3,)), interleaved(library.layers.Layer)()])
        for library in (keras, fastgru, keras)
    )
    theirs.set_weights([np.full(3, number) for number in range(4)])
    for source, name, target in ((theirs, "keras", ours), (ours, "fastgru", again)):
        path = tmp_path / f"{name}{ending}"
        (source.save_weights if ending == ".weights.h5" else source.save)(path)
        target.load_weights(path)
        numbers = {weight.name: float(weight.numpy()[0]) for weight in target.weights}
        assert numbers == {weight.name: float(weight.numpy()[0]) for weight in theirs.weights}
