"""The options of layers, each declared once: how it is checked and converted, and how the config keeps it.

A layer declares them as attributes, in the order of Keras's config; its constructor is an ordinary one, in the order of
Keras's arguments, so that ``help()``, editors and type checkers read it::

    class Scaled(Layer):
        units: int = options.size()
        use_bias: bool = options.flag()

        def __init__(self, units: int, use_bias: bool = True, **kwargs: Unpack[LayerOptions]) -> None:
            super().__init__(**kwargs)
            self._set_options(locals())
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

import numpy.typing as npt

from fastgru import activations, checks, config, constraints, initializers, registry, regularizers

__all__ = [
    "ActivationLike",
    "ConstraintLike",
    "DTypeLike",
    "InitializerLike",
    "LayerOptions",
    "Option",
    "Optioned",
    "PlainOptions",
    "RegularizerLike",
    "SharedOptions",
    "Sizes",
    "activation",
    "axes",
    "constraint",
    "data_format",
    "declared",
    "flag",
    "initializer",
    "number",
    "option",
    "regularizer",
    "seed",
    "size",
]

# what stands for an object of the package: its name, its config, its class, itself, or a function that does the same
ActivationLike = str | Mapping[str, Any] | Callable[..., Any] | None
InitializerLike = str | Mapping[str, Any] | Callable[..., Any] | None
RegularizerLike = str | Mapping[str, Any] | Callable[..., Any] | None
ConstraintLike = str | Mapping[str, Any] | Callable[..., Any] | None
DTypeLike = npt.DTypeLike | Mapping[str, Any] | None  # a name, a numpy dtype, or a serialized DTypePolicy
Sizes = int | Sequence[int]  # one for each spatial axis, or one for all


class SharedOptions(TypedDict, total=False):
    """Those of every layer that no layer has for itself."""

    dtype: DTypeLike
    trainable: bool
    input_shape: Sequence[int | None] | None
    batch_shape: Sequence[int | None] | None


class PlainOptions(SharedOptions, total=False):
    """The keyword arguments of a layer that names its `activity_regularizer` itself."""

    name: str | None
    input_dim: int | None


class LayerOptions(PlainOptions, total=False):
    """The keyword arguments of every layer; `Layer` explains them."""

    activity_regularizer: RegularizerLike


def _as_it_is(value: Any, where: str, name: str) -> Any:
    return value


def _data_format(value: Any, where: str, name: str) -> str:
    """Where the channels are; None is what the process chose."""
    value = config.image_data_format() if value is None else value
    return checks.either(value, "channels_last", "channels_first", where, name)


class Option:
    """An option of a layer.

    Parameters
    ----------
    convert : callable
        ``(value, where, name)`` to what the layer keeps; see `checks`.
    serialize : callable, optional
        What the layer keeps to what stands in the config.
    in_config : bool
        Whether the config has it.
    before : callable, optional
        Takes it from a layer that was pickled before the option was an attribute of its own.
    """

    __slots__ = ("before", "convert", "in_config", "serialize")

    def __init__(
        self,
        convert: Callable[[Any, str, str], Any] = _as_it_is,
        serialize: Callable[[Any], Any] | None = None,
        in_config: bool = True,
        before: Callable[[Any], Any] | None = None,
    ) -> None:
        self.convert = convert
        self.serialize = serialize
        self.in_config = in_config
        self.before = before

    def of(self, layer: Any, name: str, value: Any) -> Any:
        """What a layer keeps of an argument."""
        return self.convert(value, layer._where, name)

    def __repr__(self) -> str:  # in help() of the layer
        return f"<{'option' if self.in_config else 'option that the config leaves out'}>"

    def to_config(self, value: Any) -> Any:
        return value if self.serialize is None else self.serialize(value)


class Optioned:
    """Base of `Layer`: who declares options."""

    name: str

    @property
    def _where(self) -> str:
        """How an error begins."""
        return f"{type(self).__name__} {self.name!r}"

    def _set_options(self, arguments: Mapping[str, Any]) -> None:
        """Take the declared options out of a constructor's ``locals()``, each checked and converted."""
        for name, option in declared(type(self)).items():
            if name in arguments:
                setattr(self, name, option.of(self, name, arguments[name]))

    def _config_of_options(self) -> dict[str, Any]:
        options = {name: option for name, option in declared(type(self)).items() if option.in_config}
        return {name: option.to_config(getattr(self, name)) for name, option in options.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name, option in declared(type(self)).items():
            if name not in state and option.before is not None:
                setattr(self, name, option.before(self))


def declared(cls: type) -> dict[str, Option]:
    """The options that a class and its bases declare, those of the bases first."""
    return {
        name: option
        for base in reversed(cls.__mro__)
        for name, option in vars(base).items()
        if isinstance(option, Option)
    }


def _object(get: Callable[[Any], Any], serialize: Callable[[Any], Any]) -> Any:
    return Option(lambda value, where, name: get(value), serialize)


# typed as what the attribute holds in a layer, as `dataclasses.field` is
def option(convert: Callable[[Any, str, str], Any] = _as_it_is, **how: Any) -> Any:
    """An option with a check and a form in the config."""
    return Option(convert, **how)


size = partial(option, checks.positive_integer)
flag = partial(option, checks.flag)
number = partial(option, checks.number)
seed = partial(option, checks.seed)
axes = partial(option, checks.axes)
data_format = partial(option, _data_format)
activation = partial(_object, activations.get, activations.serialize)
initializer = partial(_object, initializers.get, registry.serialize)
regularizer = partial(_object, regularizers.get, registry.serialize)
constraint = partial(_object, constraints.get, registry.serialize)
