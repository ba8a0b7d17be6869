"""All trainable weights of a model in one contiguous array, their gradients in another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from fastgru.layers.weight import Weight, frozen, published, show
from fastgru.types import Array


class _Flat:
    """One array for all weights.

    Attributes
    ----------
    numbers : (n,) ndarray
    parts, shown : list of ndarray
        Its views, one for each weight: to write, and read-only.
    token : object
        What `fastgru.layers.weight.published` had before the array was shown.
    """

    __slots__ = ("numbers", "parts", "shown", "token")

    def __init__(self, numbers: Array, parts: list[Array]) -> None:
        self.numbers, self.parts = numbers, parts
        self.shown = [frozen(part.view()) for part in parts]
        self.token: object = None


class Parameters:
    """Moves weights into one array, so that an optimizer's update is one pass over it.

    An update reads `values` and writes `updated`, which `publish` then shows in all weights at once; so a prediction in
    another thread sees the weights before it or after it. The array that is taken off the weights is the next `updated`
    if no prediction captured it: the token that readers leave is read before an array is shown and compared after the
    next one is. A reader that got the array left its token in between, as it leaves it before it reads a weight and
    afterwards makes sure that nothing newer was shown. A captured array is let go, and another one taken: what
    was captured has the same numbers for ever, and who packs it may tell it by its identity. Two updates of weights
    that show the array A, shown under the token t0, and one reader::

        update 1    writes B; the token is t0: B is shown under t0; A was, too, so nobody captured it: A is the next
        reader      leaves t1 and captures B
        update 2    writes A; the token is t1: A is shown under t1; B was under t0: captured, let go, the next is new

    Parameters
    ----------
    weights : iterable of Weight
        All of one dtype; one that occurs twice is moved once. From then on every ``weight.value`` and
        ``weight.gradient`` is a view into `values` and `gradients`.
    extra : int
        Numbers behind the gradients.

    Attributes
    ----------
    weights : list of Weight
    values, gradients : (n,) ndarray
        Numbers and gradients of all weights, one weight after the other.
    summed : (n + extra,) ndarray
        The gradients and what stands behind them: all that processes which share a batch add up.
    others : dict
        New arrays of weights that are not among these, for the next `publish`.

    Raises
    ------
    ValueError
        The weights are not all of one dtype.
    """

    __slots__ = ("_flat", "_gradient_views", "_next", "gradients", "others", "summed", "weights")

    def __init__(self, weights: Iterable[Weight], extra: int = 0) -> None:
        self.weights = list(dict.fromkeys(weights))
        dtypes = sorted({weight.dtype for weight in self.weights})
        if len(dtypes) > 1:
            raise ValueError(f"Parameters: expected weights of one dtype, got {' and '.join(dtypes)}.")
        size = sum(weight.value.size for weight in self.weights)
        self.summed = np.zeros(size + extra, dtypes[0] if dtypes else "float32")
        self.gradients = self.summed[:size] if extra else self.summed
        self._gradient_views = self.views(self.gradients)
        self.others: dict[Weight, Array] = {}
        self._next: _Flat | None = None
        self._flat = self._updated()
        self.gather()
        self._next = None  # so far it was the same, of which no weight showed anything

    @property
    def values(self) -> Array:
        return self._flat.numbers

    @property
    def updated(self) -> Array:
        """(n,) ndarray of which no weight shows anything yet: where the next numbers are written."""
        return self._updated().numbers

    @property
    def updated_views(self) -> list[Array]:
        """Its parts, one for each weight."""
        return self._updated().parts

    def _updated(self) -> _Flat:
        if self._next is None:
            numbers = np.empty_like(self.gradients)
            self._next = _Flat(numbers, self.views(numbers))
        return self._next

    def publish(self) -> None:
        """Show in all weights what was written into `updated`, and `others` with it."""
        new, old = self._updated(), self._flat
        self._next = None  # after an interrupt below, weights show `new`: nobody may write there again
        new.token = published.token
        if self.others:
            show([*self.weights, *self.others], [*new.shown, *map(frozen, self.others.values())])
            self.others.clear()
        else:
            show(self.weights, new.shown)
        captured = published.token is not old.token
        # an interrupt before this leaves the weights with arrays that `gather` does not know: it copies them elsewhere
        self._next, self._flat = None if captured else old, new

    def gather(self) -> None:
        """Move in what is not here: at first everything, later what was assigned or another model took over."""
        self.others.clear()  # of a step that was interrupted
        for weight, value, gradient in zip(self.weights, self._flat.shown, self._gradient_views, strict=True):
            if weight.value is not value or weight.gradient is not gradient:
                break
        else:
            return
        for weight, part, gradient in zip(self.weights, self.updated_views, self._gradient_views, strict=True):
            part[...] = weight.value
            weight.gradient = gradient
        self.publish()

    def views(self, flat: Array) -> list[Array]:
        """The parts of a flat array of this layout, one for each weight and of its shape."""
        parts = []
        start = 0
        for weight in self.weights:
            stop = start + weight.value.size
            parts.append(flat[start:stop].reshape(weight.shape))
            start = stop
        return parts

    def zero_gradients(self) -> None:
        """Set all gradients to 0."""
        self.gradients.fill(0)

    def holds(self, weights: Sequence[Weight]) -> bool:
        """Whether these are the weights, of the shapes that they had, and their gradients the views into `gradients`.

        Another model that shares a layer may have taken its weights over.
        """
        return list(dict.fromkeys(weights)) == self.weights and all(
            weight.gradient is gradient and weight.shape == gradient.shape
            for weight, gradient in zip(self.weights, self._gradient_views, strict=True)
        )
