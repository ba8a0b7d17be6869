"""The base of all metrics: named variables that batches change, and a result made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastgru import checks, initializers
from fastgru.layers.weight import Weight
from fastgru.metrics.variable import Variable
from fastgru.naming import unique_name
from fastgru.types import Array

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KIND", "Metric"]

KIND = "keras.metrics"

_PYTHON_DTYPES = {"int": "int32", "float": "float32"}  # as Keras reads them


class Metric:
    """Base of all metrics.

    A subclass makes its variables with `add_variable` in `__init__` and defines ``update_state(y_true, y_pred,
    sample_weight=None)``, which changes them with `assign` or `assign_add`, and ``result()``, a number, an array or a
    dict of them. All three may be written in numpy: a variable calculates as an array does.

    Parameters
    ----------
    dtype : str, optional
        Of the result: a type of real numbers that numpy has; "float32" where absent.
    name : str, optional

    Attributes
    ----------
    name : str
    direction : {"up", "down"} or None
        Which way is better; None where that cannot be told.

    Raises
    ------
    ValueError
        For another dtype, as "bfloat16".

    Examples
    --------
    How many predictions are near their labels::

        class Near(fastgru.metrics.Metric):
            direction = "up"

            def __init__(self, name="near", dtype=None):
                super().__init__(dtype, name)
                self.near = self.add_variable((), name="near")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.near.assign_add(np.sum(np.abs(y_true - y_pred) < 0.1))

            def result(self):
                return self.near.value
    """

    direction: str | None = None

    def __init__(self, dtype: npt.DTypeLike | None = None, name: str | None = None) -> None:
        self._dtype = _checked_dtype(dtype, type(self).__name__)
        where = type(self).__name__
        self.name = checks.optional(checks.text)(name, where, "name") or unique_name(where)
        self._variables: list[Variable] = []

    @property
    def dtype(self) -> str:
        """The name of the result's dtype."""
        return self._dtype

    # --- what a subclass defines --------------------------------------------------------------------

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Take a batch into account."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_state.")

    def result(self) -> Any:
        """The value for all batches since the last reset."""
        raise NotImplementedError(f"{type(self).__name__} does not define result.")

    def reset_state(self) -> None:
        """Forget all batches: every variable becomes 0."""
        for variable in self.variables:
            variable.assign(np.zeros(variable.shape))

    def get_config(self) -> dict[str, Any]:
        """Keras 3's config."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        return cls(**config)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`update_state`, then `result`."""
        self.update_state(*args, **kwargs)
        return self.result()

    def logged(self) -> Any:
        """The result for the logs: numbers as floats, also in a dict, and arrays without what makes them tensors."""
        result = self.result()
        if isinstance(result, Mapping):
            return {name: _number(value) for name, value in result.items()}
        return _number(result)

    # --- variables ----------------------------------------------------------------------------------

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = None,
        dtype: npt.DTypeLike | None = None,
        aggregation: str | None = "sum",
        name: str | None = None,
    ) -> Variable:
        """A new variable.

        Parameters
        ----------
        shape : sequence of int
        initializer : str or Initializer, optional
            Zeros where absent.
        dtype : str, optional
            "float32" where absent, whatever the metric's is.
        aggregation : {"sum", "mean", "only_first_replica"} or None
            Of the replicas of a distributed run, of which there is one here.
        name : str, optional
        """
        if "_variables" not in vars(self):
            raise RuntimeError(f"{type(self).__name__}: call super().__init__() before variables are added.")
        checks.choice(
            aggregation, (None, "none", "sum", "mean", "only_first_replica"), f"Metric {self.name!r}", "aggregation"
        )
        initial = initializers.get("zeros" if initializer is None else initializer)(
            tuple(shape), _checked_dtype(dtype, f"Metric {self.name!r}")
        )
        name = name or unique_name("Variable")
        variable = Variable(np.asarray(initial), name, f"{self.name}/{name}")
        self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = None,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> Variable:
        """`add_variable` under its older name."""
        return self.add_variable(shape, initializer, dtype, name=name)

    @property
    def variables(self) -> list[Any]:
        """The variables in the order of creation, then those of metrics that are attributes, or in lists and dicts."""
        entries = list(_inside([self._variables, vars(self)]))
        own = [entry for entry in entries if not isinstance(entry, Metric)]
        others = [variable for entry in entries if isinstance(entry, Metric) for variable in entry.variables]
        return list(dict.fromkeys(own + others))

    # --- Keras's stateless forms --------------------------------------------------------------------

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Array]:
        """What `update_state` makes of values of the variables, which stay what they are."""
        with self._holding(metric_variables):
            self.update_state(*args, **kwargs)
            return [variable.numpy() for variable in self.variables]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The `result` for values of the variables, which stay what they are."""
        with self._holding(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list[Array]:
        """The values of the variables after `reset_state`; they stay what they are."""
        with self._holding([variable.numpy() for variable in self.variables]):
            self.reset_state()
            return [variable.numpy() for variable in self.variables]

    @contextmanager
    def _holding(self, values: Sequence[Any]) -> Iterator[None]:
        """Other values of the variables, for a while."""
        variables = self.variables
        if len(values) != len(variables):
            raise ValueError(
                f"Metric {self.name!r}: expected values of its {len(variables)} variables, got {len(values)}."
            )
        before = [variable.value for variable in variables]
        try:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            yield
        finally:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        if "dtype" in state:  # of the last release, when a metric had no variables
            self._dtype, self._variables = vars(self).pop("dtype"), []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _checked_dtype(dtype: npt.DTypeLike | None, where: str) -> str:
    """A dtype by its name; a ValueError for one that numpy has not, and for what are no real numbers."""
    try:
        known = np.dtype(_PYTHON_DTYPES.get(str(dtype), dtype) if dtype is not None else "float32")
    except (TypeError, ValueError):
        known = None
    if known is None or known.kind not in "fiub":
        raise ValueError(f"{where}: dtype must be a real number type of numpy, as 'float32', got {dtype!r}.")
    return str(known)


def _number(value: Any) -> Any:
    return float(value) if np.ndim(value) == 0 else np.asarray(value)


def _inside(value: Any) -> Iterator[Any]:
    """The variables and metrics in a value, and in the lists and dicts that it consists of."""
    if isinstance(value, (Weight, Metric)):
        yield value
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from _inside(entry)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _inside(entry)
