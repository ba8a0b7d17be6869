"""What Keras's conventions add to a layer: losses, masks by `compute_mask`, a config of the constructor's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import wraps
from typing import Any, ClassVar, NoReturn

import numpy as np

from fastgru import registry, tree
from fastgru.autodiff.tensor import plain
from fastgru.dtype_policies import DTypePolicy
from fastgru.layers.penalties import regularization
from fastgru.layers.symbolic import is_symbolic, stand_ins
from fastgru.layers.tracking import file_order, only, tracked, tracked_by_name
from fastgru.layers.weight import Weight
from fastgru.layers.workspace import Call
from fastgru.types import Array

__all__ = ["OwnLayer"]


class OwnLayer:
    """Base of `Layer`: what a class of a user's may define or ask for.

    Attributes
    ----------
    is_own : bool
        Whether the class is none of this package.
    runs_call, says_build, says_shapes, makes_masks : bool
        Whether it defines `call`, `build`, `compute_output_shape` and `compute_mask`.
    extends_package : bool
        Whether its `call` stands on a layer of the package, not on `Layer` itself.
    """

    is_own: ClassVar[bool] = False
    runs_call: ClassVar[bool] = False
    says_build: ClassVar[bool] = False
    says_shapes = False
    makes_masks = False
    extends_package: ClassVar[bool] = False

    name: str
    dtype: str
    _losses: Sequence[Any] = ()
    _weights: list[Weight]
    _init_arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    _supports_masking: bool | None = None  # of a class or a layer; None: as its methods say
    _first_shape: Any = None  # of the first eager call of a class with a `call`, the batch axis free

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.is_own = not str(cls.__module__).startswith("fastgru.")
        if cls.is_own and "__init__" in vars(cls):
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]

    def of_package(self) -> Any:
        """This layer, with its weights and options, as the class of the package from which its class is derived."""
        base = next(cls for cls in type(self).__mro__ if not getattr(cls, "runs_call", False))
        if not self.extends_package:
            raise NotImplementedError(f"Layer {self.name!r} defines no call that computes something.")
        layer: Any = object.__new__(base)
        layer.__dict__ = self.__dict__
        return layer

    # --- losses -------------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Add a number, or several, to the loss that `fit` makes small; in `call`, for the inputs at hand."""
        self._losses = [*self._losses, *(entry for entry in tree.flatten(loss) if entry is not None)]

    def add_metric(self, *arguments: Any, **named: Any) -> NoReturn:
        """Refused, as in Keras 3."""
        raise NotImplementedError(
            f"Layer {type(self).__name__!r}: Keras 3 has no add_metric; give metrics to compile(metrics=[...]), or "
            "keep a metric as an attribute and call its update_state."
        )

    @property
    def losses_of_call(self) -> list[Any]:
        """What the last eager call added to the loss, here and in the layers inside."""
        inner = [loss for layer in self._inside() for loss in layer.losses_of_call] if type(self).runs_call else []
        return [*self._losses, *inner]

    @property
    def losses(self) -> list[Any]:
        """What the last call added to the loss, and what the regularizers of the trained weights add."""
        weights: Sequence[Weight] = self.trainable_weights  # type: ignore[attr-defined]
        regularized = [(weight.regularizer, weight) for weight in weights if weight.regularizer is not None]
        return [*self.losses_of_call, *(regularization(regularizer, weight) for regularizer, weight in regularized)]

    def clear_losses(self) -> None:
        """Forget what the last call added to the loss."""
        self._losses = []
        for layer in self._inside():
            layer.clear_losses()

    def _inside(self) -> Sequence[Any]:
        return self.sublayers  # type: ignore[attr-defined]

    # --- masks --------------------------------------------------------------------------------------

    @property
    def supports_masking(self) -> bool:
        """Whether the layer passes masks on."""
        if self._supports_masking is None:
            return not type(self).runs_call or self.makes_masks or self.extends_package
        return self._supports_masking

    @supports_masking.setter
    def supports_masking(self, value: bool) -> None:
        self._supports_masking = bool(value)

    def compute_mask(self, inputs: Any, mask: Any = None, previous_mask: Any = None) -> Any:
        """The mask of the outputs for inputs and their mask, which has either name in Keras's layers."""
        previous_mask = mask if previous_mask is None else previous_mask
        if type(self).runs_call:
            layer = self.of_package() if self.extends_package else None
            return previous_mask if layer is None else layer.compute_mask(inputs, previous_mask)
        call = Call()
        if self.takes_list and previous_mask is not None:  # type: ignore[attr-defined]
            self._check_lists(inputs, previous_mask)
        leaves = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        masks = previous_mask if isinstance(previous_mask, (list, tuple)) else [previous_mask]
        call.masks = tuple(None if one is None else np.asarray(plain(one), bool) for one in masks)
        arrays = stand_ins(leaves) if is_symbolic(leaves) else [np.asarray(plain(x)) for x in leaves]
        return self.outgoing_mask(call, *arrays)  # type: ignore[attr-defined]

    def _check_lists(self, inputs: Any, mask: Any) -> None:
        """ValueError unless inputs and masks of a layer that merges are lists of one length."""
        for name, entry in (("mask", mask), ("inputs", inputs)):
            if not isinstance(entry, (list, tuple)):
                raise ValueError(f"Layer {self.name!r}, compute_mask: `{name}` should be a list. Received: {entry!r}")
        if len(inputs) != len(mask):
            raise ValueError(
                f"Layer {self.name!r}, compute_mask: `inputs` and `mask` should have the same length. Received "
                f"{len(inputs)} inputs and {len(mask)} masks."
            )

    def mask_of_own(self, call: Call, *inputs: Array) -> Any:
        """The mask of the outputs as a class of a user's says it, with Keras's arguments or with those of `forward`."""
        if "call" in inspect.signature(self.compute_mask).parameters:
            return self.compute_mask(call, *inputs)
        several = len(inputs) > 1
        mask = self.compute_mask(list(inputs) if several else inputs[0], list(call.masks) if several else call.mask)
        return None if mask is None else np.asarray(plain(mask), bool)

    # --- weights and layers -------------------------------------------------------------------------

    @property
    def own_weights(self) -> list[Weight]:
        """The weights of the layer itself: those that it added, and variables that are its attributes."""
        if not type(self).is_own:
            return self._weights
        weights = {id(one): one for one in (*self._weights, *tracked(self, Weight))}.values()
        return sorted(weights, key=lambda weight: not weight.trainable)  # as Keras lists them

    def tracked_items(self, kind: type) -> list[tuple[str, Any]]:
        """For each attribute of a class of a user's the layers in it, in the order of Keras's files."""
        if not type(self).is_own:
            return []
        return [(name, only(vars(self)[name], kind)) for name in sorted(tracked_by_name(self, kind), key=file_order)]

    @property
    def variables(self) -> list[Weight]:
        return self.weights  # type: ignore[attr-defined]

    @property
    def trainable_variables(self) -> list[Weight]:
        return self.trainable_weights  # type: ignore[attr-defined]

    @property
    def non_trainable_variables(self) -> list[Weight]:
        return self.non_trainable_weights  # type: ignore[attr-defined]

    # --- dtypes and configs -------------------------------------------------------------------------

    @property
    def compute_dtype(self) -> str:
        return self.dtype

    @property
    def variable_dtype(self) -> str:
        return self.dtype

    @property
    def dtype_policy(self) -> DTypePolicy:
        return DTypePolicy(self.dtype)

    def config_of_arguments(self) -> dict[str, Any]:
        """The arguments of a constructor of a user's, for a config that its class does not write."""
        if self._init_arguments is None or "get_config" in _methods_of_users(type(self)):
            return {}
        args, kwargs = self._init_arguments
        signature = inspect.signature(type(self).__init__)
        bound = dict(signature.bind(self, *args, **kwargs).arguments)
        variable = {one.kind: one.name for one in signature.parameters.values()}  # there is one of *args and **kwargs
        if (positional := variable.get(inspect.Parameter.VAR_POSITIONAL)) in bound:
            raise ValueError(
                f"{type(self).__name__}: a constructor with *{positional} needs get_config and from_config of its own."
            )
        others = bound.pop(variable.get(inspect.Parameter.VAR_KEYWORD, ""), {})
        named = {**bound, **others}
        named = {key: value for key, value in list(named.items())[1:] if key not in ("dtype", "activity_regularizer")}
        return {key: registry.serialize(value) for key, value in named.items()}


def _remembering(init: Any) -> Any:
    """A constructor that keeps its arguments, for the config."""

    @wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if self._init_arguments is None:  # that of a base comes later
            self._init_arguments = args, kwargs
        init(self, *args, **kwargs)

    return __init__


def _methods_of_users(cls: Any) -> set[str]:
    """The names of all that classes of a user's define, from a class up to the package."""
    return {name for base in cls.__mro__ if getattr(base, "is_own", False) for name in vars(base)}
