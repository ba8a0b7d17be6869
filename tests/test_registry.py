"""The registry: an object's JSON form is Keras's, and that of a user's class is never one of Keras's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastgru import constraints, layers, losses, models, object_registration, registry, saving

OPTIONS = {"GRU": {"units": 2}, "Sequential": {}, "Adam": {}, "MeanSquaredError": {}, "NonNeg": {}}
ROOMS = {
    "GRU": "layers",
    "Sequential": "models",
    "Adam": "optimizers",
    "MeanSquaredError": "losses",
    "NonNeg": "constraints",
}


@pytest.fixture(autouse=True)
def _no_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in [*registry._packages]:
        registry.known(kind)  # what is imported in a test would be lost with the copies
    for table in ("_classes", "_aliases"):
        copies = {kind: dict(classes) for kind, classes in getattr(registry, table).items()}
        monkeypatch.setattr(registry, table, copies)
    monkeypatch.setattr(object_registration, "_objects", {})
    monkeypatch.setattr(object_registration, "_names", {})


def origin(form: dict[str, Any]) -> tuple[Any, ...]:
    return form["module"], form["class_name"], form["registered_name"]


def form_of(name: str, cls: type) -> dict[str, Any]:
    instance = cls(**OPTIONS[name])
    form: dict[str, Any] = registry.serialize(instance)
    return form


@pytest.mark.parametrize("module", ["theirs.models", "__main__"])
@pytest.mark.parametrize("register", [None, "keeps>Mine", "Mine"])
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.keras
def test_a_class_of_a_user_that_is_called_like_one_of_keras_has_the_origin_that_keras_writes(
    keras: Any, name: str, register: str | None, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [getattr(__import__("fastgru." + ROOMS[name], fromlist=["x"]), name)]
    bases.append(getattr(keras if name == "Sequential" else getattr(keras, ROOMS[name]), name))
    ours, theirs = (type(name, (base,), {"__module__": module}) for base in bases)
    if register is not None:
        saving.register(register, ours)
        monkeypatch.setitem(keras.src.saving.object_registration.GLOBAL_CUSTOM_NAMES, theirs, register)
    expected = origin(keras.saving.serialize_keras_object(theirs(**OPTIONS[name])))
    assert origin(form_of(name, ours)) == expected
    assert not str(expected[0]).startswith("keras")


def test_a_class_that_joins_the_registry_from_outside_claims_no_module_of_keras() -> None:
    cls = type("GRU", (layers.GRU,), {"__module__": "theirs"})
    registry.registered("keras.layers")(cls)
    assert origin(registry.serialize(cls(2))) == ("theirs", "GRU", "GRU")
    assert origin(registry.serialize(layers.GRU(2))) == ("keras.layers", "GRU", None)


def test_a_functional_model_of_a_users_class_keeps_its_class() -> None:
    cls = type("Twice", (models.Functional,), {"__module__": "theirs"})
    x = layers.Input((3,))
    assert origin(cls(x, layers.Dense(2)(x)).serialized()) == ("theirs", "Twice", "Twice")
    assert origin(models.Functional(x, layers.Dense(2)(x)).serialized()) == (
        "keras.src.models.functional",
        "Functional",
        "Functional",
    )


class Halved(layers.Layer):
    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0] / 2


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("name", ["Half", "layers>Half", "layers>Halved"])
def test_a_file_of_a_registered_class_opens_under_any_name_it_was_registered_by(
    rng: np.random.Generator, tmp_path: Any, name: str, ending: str
) -> None:
    saving.register(name, Halved)
    model = models.Sequential([layers.Input((3,)), Halved(), layers.Dense(2)])
    model.save(tmp_path / f"m{ending}")
    x = rng.normal(size=(4, 3))
    again = models.load_model(tmp_path / f"m{ending}")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_last_name_that_a_class_was_registered_by_is_written() -> None:
    saving.register("a>Halved", Halved)
    saving.register("b>Halved", Halved)
    assert registry.serialize(Halved())["registered_name"] == "b>Halved"


@pytest.mark.parametrize(
    ("names", "custom_name"),
    [
        ({"class_name": "Mine"}, "Mine"),
        ({"class_name": "theirs>Mine"}, "Mine"),
        ({"class_name": "X", "registered_name": "theirs>Mine"}, "Mine"),
        ({"class_name": "X", "registered_name": "theirs>Mine"}, "theirs>Mine"),
    ],
)
def test_a_form_of_a_users_class_comes_back_by_each_of_its_names(names: dict[str, str], custom_name: str) -> None:
    cls = type("Mine", (constraints.NonNeg,), {})
    form = {"module": "theirs", "config": {}, **names}
    assert type(constraints.get(form, {custom_name: cls})) is cls
    saving.register(custom_name, cls)
    assert type(constraints.get(form)) is cls


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return y_pred - y_true


def test_what_compile_takes_comes_back_from_json() -> None:
    setup = {"loss": {"a": losses.MeanSquaredError(), "b": own_loss}, "metrics": [["mae"], None], "weights": (1.0, 2)}
    form = registry.serialize(setup)
    assert form["loss"]["b"] == {
        "module": "builtins",
        "class_name": "function",
        "config": "own_loss",
        "registered_name": "function",
    }
    assert form["metrics"] == [["mae"], None] and form["weights"] == (1.0, 2)
    again = registry.deserialize_nested(form, lambda entry: losses.get(entry, {"own_loss": own_loss}))
    assert isinstance(again["loss"]["a"], losses.MeanSquaredError)
    assert again["loss"]["b"].function is own_loss
    assert again["metrics"] == [["mae"], None]


def test_an_object_without_a_class_in_the_registry_is_named_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"keras.optimizers: 'Adan' is not known to fastgru; did you mean 'Adam'\?"):
        registry.deserialize({"class_name": "Adan", "config": {}}, "keras.optimizers")
    with pytest.raises(ValueError, match=r"expected a config of the form .*, got \{'config': 3\}"):
        registry.deserialize({"config": 3}, "keras.optimizers")
