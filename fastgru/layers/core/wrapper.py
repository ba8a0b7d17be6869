"""What the layers that run other layers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy.typing as npt

from fastgru.layers.gated import Gated
from fastgru.layers.layer import Layer
from fastgru.layers.options import LayerOptions, declared
from fastgru.layers.symbolic import flattened
from fastgru.moved import attributes
from fastgru.registry import deserialize_layer
from fastgru.types import Shape

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["SequenceWrapper", "Wrapper"]


class Wrapper(Layer):
    """Base of the layers that run other layers, which are its attributes.

    A subclass says in `inner` under which attributes it keeps them; Keras's configs and weight files use these names.
    """

    inner: ClassVar[tuple[str, ...]]

    def __init__(self, **kwargs: Unpack[LayerOptions]) -> None:
        super().__init__(**kwargs)
        self._shapes: dict[int, Shape] = {}  # by the layer's id

    @property
    def sublayers(self) -> list[Layer]:
        return [layer for _, item in self.inner_items() for layer in (item if isinstance(item, list) else [item])]

    def inner_items(self) -> list[tuple[str, Any]]:
        """The layers inside, or lists of them, each under its attribute."""
        return [(attribute, getattr(self, attribute)) for attribute in self.inner]

    def file_items(self) -> Any:
        return self.inner_items()

    def _settle_dtype(self, dtype: Any) -> None:
        """Compute in the dtype of the layers inside, which must be `dtype` where that is not None."""
        inside = sorted({layer.dtype for layer in self.sublayers})
        if dtype is None and len(inside) == 1:
            self.dtype = inside[0]
        elif inside != [self.dtype]:
            raise ValueError(
                f"{self._where} has the dtype {self.dtype} and layers of dtype "
                f"{' and '.join(inside)} inside; give all of them the same."
            )

    def _build_inner(self, layer: Layer, shape: Shape) -> None:
        self._shapes[id(layer)] = shape
        if not layer.built:
            layer.build(shape)
            for weight in layer.weights:
                weight.path = f"{self.name}/{weight.path}"

    def reset_states(self) -> None:
        """Set the stored states of the stateful layers inside to zero."""
        for layer in self.sublayers:
            if hasattr(layer, "reset_states"):
                layer.reset_states()

    def reset_state(self) -> None:
        """The same under Keras 3's name."""
        self.reset_states()

    def get_config(self) -> dict[str, Any]:
        def form(layer: Layer) -> dict[str, Any]:
            return layer.serialized(self._shapes.get(id(layer)))

        forms = {
            attribute: [*map(form, item)] if isinstance(item, list) else form(item)
            for attribute, item in self.inner_items()
        }
        config = super().get_config()
        options = {name: config.pop(name) for name in declared(type(self)) if name in config}
        return {**config, **forms, **options}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The layer that `get_config` described; the inner layers may be layers already."""
        config = dict(config)
        for attribute in {*cls.inner, "layer"} & config.keys():
            item = config[attribute]
            config[attribute] = (
                [deserialize_layer(entry, custom_objects) for entry in item]
                if isinstance(item, (list, tuple))
                else deserialize_layer(item, custom_objects)
            )
        return cls(**config)


class SequenceWrapper(Wrapper, Gated):
    """Base of the wrappers that stand where a recurrent layer stands: they take initial states."""

    def __call__(  # type: ignore[override]  # the order of arguments is Keras's
        self,
        sequences: npt.ArrayLike,
        initial_state: Any = None,
        mask: npt.ArrayLike | None = None,
        training: bool | None = None,
    ) -> Any:
        """Apply the layer to numpy arrays, building it on first use.

        Parameters
        ----------
        sequences : (B, T, F) array_like
        initial_state : (B, H) array_like, or a list of them, optional
            One for each state, in the order in which `return_state` returns them; may be nested by cell.
        mask : (B, T) bool array_like, optional
            True where a step counts.
        training : bool
            Whether dropout drops.

        Returns
        -------
        ndarray, or a list of it and of the last states with `return_state`.
        """
        return super().__call__(sequences, *self._as_states(initial_state), mask=mask, training=training)

    @staticmethod
    def _as_states(initial_state: Any) -> list[Any]:
        return [] if initial_state is None else [one for one in flattened(initial_state) if one is not None]


__getattr__ = attributes(__name__)
