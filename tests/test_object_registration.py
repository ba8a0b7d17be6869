"""Classes and functions of users are known by name: to all loading, in a scope, or in one call."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from fastgru import activations, layers, object_registration, regularizers, saving, utils
from fastgru.models import Sequential, load_model


@pytest.fixture(autouse=True)
def _no_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_registration, "_objects", {})
    monkeypatch.setattr(object_registration, "_names", {})


def squared(x: Any) -> Any:
    return x**2


class Doubled(layers.Layer):
    def forward(self, call: Any, *inputs: Any) -> Any:
        return inputs[0] * 2


@pytest.mark.parametrize(("package", "name"), [("Custom", None), ("theirs", None), ("theirs", "Other")])
@pytest.mark.parametrize("custom", [squared, Doubled])
def test_what_is_registered_has_keras_s_name_and_is_known_by_it(custom: Any, package: str, name: str | None) -> None:
    assert saving.register_keras_serializable(package, name)(custom) is custom
    written = f"{package}>{name or custom.__name__}"
    assert saving.get_registered_name(custom) == written
    assert saving.get_registered_object(written) is custom
    assert saving.get_custom_objects() == {written: custom}
    form = saving.serialize_keras_object(custom() if custom is Doubled else custom)
    again = saving.deserialize_keras_object(form)
    assert type(again) is Doubled if custom is Doubled else again is squared


def test_a_class_without_a_config_is_not_registered() -> None:
    with pytest.raises(ValueError, match=r"Cannot register a class that does not have a get_config\(\) method: object"):
        saving.register_keras_serializable()(object)
    assert not saving.get_custom_objects()


def test_what_is_not_registered_has_its_own_name() -> None:
    assert saving.get_registered_name(squared) == "squared"
    assert saving.get_registered_object("squared") is None
    assert saving.get_registered_object("squared", {"squared": squared}) is squared
    assert saving.get_registered_object("squared", None, {"squared": squared}) is squared


def test_names_put_into_the_dict_of_custom_objects_are_known_to_all_loading() -> None:
    saving.get_custom_objects()["squared"] = squared
    assert activations.get("squared").function is squared


def test_a_scope_is_known_to_every_get_inside_it_and_to_no_other_thread() -> None:
    def names_of(threads: list[Any]) -> None:
        threads.append(saving.get_registered_object("squared"))

    with saving.custom_object_scope({"squared": squared}), saving.CustomObjectScope({"Doubled": Doubled}):
        assert activations.get("squared").function is squared
        assert regularizers.get("squared").function is squared
        assert isinstance(layers.deserialize({"class_name": "Doubled", "config": {}}), Doubled)
        seen: list[Any] = []
        thread = threading.Thread(target=names_of, args=(seen,))
        thread.start()
        thread.join()
        assert seen == [None]
    with pytest.raises(ValueError, match="'squared' is not known"):
        activations.get("squared")


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_file_opens_inside_a_scope(rng: np.random.Generator, tmp_path: Any, ending: str) -> None:
    model = Sequential([layers.Input((3,)), Doubled(), layers.Dense(2, activation=squared)])
    model.save(tmp_path / f"m{ending}")
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="Doubled"):
        load_model(tmp_path / f"m{ending}")
    with saving.custom_object_scope({"squared": squared, "Doubled": Doubled}):
        again = load_model(tmp_path / f"m{ending}")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    # a class that opens what is inside it by its own from_config finds the names of load_model's argument
    again = load_model(tmp_path / f"m{ending}", {"squared": squared, "Doubled": Doubled})
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_arguments_of_a_call_come_before_the_scope() -> None:
    with saving.custom_object_scope({"f": np.abs}):
        assert activations.get("f", {"f": squared}).function is squared


@pytest.mark.keras
def test_the_names_stand_in_both_places_where_keras_has_them(keras: Any) -> None:
    names = {"CustomObjectScope", "custom_object_scope", "get_custom_objects", "get_registered_name"}
    names |= {"get_registered_object", "register_keras_serializable", "serialize_keras_object"}
    for name in {*names, "deserialize_keras_object"}:
        assert getattr(utils, name) is getattr(saving, name) and name in utils.__all__ and name in saving.__all__
        assert hasattr(keras.utils, name) and hasattr(keras.saving, name)
