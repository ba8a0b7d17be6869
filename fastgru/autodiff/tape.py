"""Gradients by hand: a tape under TensorFlow's name and with its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from fastgru import tree
from fastgru.autodiff.operators import Watchable
from fastgru.autodiff.recording import Recording, nobody_records, record, recorders, recording_of
from fastgru.autodiff.tensor import plain, tensor

__all__ = ["GradientTape", "custom_gradient", "with_pullback"]

UNCONNECTED = ("none", "zero")


class GradientTape:
    """Records what is computed inside ``with``, to differentiate it.

    Trainable variables are watched by themselves, other arrays after `watch`. A built-in layer or model is one entry,
    with its compiled forward and backward pass.

    Parameters
    ----------
    persistent : bool
        Whether `gradient` may be called more than once.
    watch_accessed_variables : bool
        Whether trainable variables are watched as they are read.

    Examples
    --------
    >>> x = fastgru.ops.convert_to_tensor([1.0, 2.0])
    >>> with fastgru.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = fastgru.ops.sum(x * x)
    >>> tape.gradient(y, x)
    Tensor([2., 4.], dtype=float32)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = bool(persistent)
        self._watches_variables = bool(watch_accessed_variables)
        self._recording = Recording(self._watches_variables)
        self._used = False

    def __enter__(self) -> GradientTape:
        if self._recording in recorders():
            raise ValueError("GradientTape: the tape records already.")
        recorders().append(self._recording)
        return self

    def __exit__(self, *error: Any) -> None:
        recorders().remove(self._recording)

    def watch(self, tensor: Any) -> None:
        """Record what is done to a tensor, an array or a variable, or to each of a nest of them.

        Raises
        ------
        ValueError
            It is no array of floats.
        """
        for x in tree.flatten(tensor):
            dtype = getattr(x, "dtype", None)
            if dtype is None or np.dtype(dtype).kind != "f":
                described = type(x).__name__ if dtype is None else f"an array of {dtype}"
                raise ValueError(
                    f"GradientTape.watch: expected a tensor of floats, got {described}; "
                    "make one with ops.convert_to_tensor(x, 'float32')."
                )
            self._recording.follow(x)

    @contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Inside, this tape records nothing."""
        with recording_of([one for one in recorders() if one is not self._recording]):
            yield

    def reset(self) -> None:
        """Forget what was recorded and watched."""
        if self._recording in recorders():
            self.__exit__()
            self._recording = Recording(self._watches_variables)
            self.__enter__()
        else:
            self._recording = Recording(self._watches_variables)

    def watched_variables(self) -> tuple[Any, ...]:
        """The variables that were read, in the order of their first reading."""
        return tuple(self._recording.variables)

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """Gradients of the sum of `target` by each of `sources`.

        Parameters
        ----------
        target : Tensor, or a nest of them
        sources : Tensor, ndarray or Variable, or a nest of them
        output_gradients : array_like, or a nest as `target`, optional
            What the numbers of `target` are weighted with; ones where absent.
        unconnected_gradients : {"none", "zero"}
            What stands for the gradient by a source that `target` does not depend on.

        Returns
        -------
        Tensor, or a nest of them in the form of `sources`.

        Raises
        ------
        RuntimeError
            A second call on a tape that is not persistent.
        """
        if unconnected_gradients not in UNCONNECTED:
            raise ValueError(
                "GradientTape.gradient: expected 'none' or 'zero' as unconnected_gradients, "
                f"got {unconnected_gradients!r}."
            )
        if self._used and not self._persistent:
            raise RuntimeError(
                "GradientTape.gradient: this tape has been used; make it with persistent=True to differentiate twice."
            )
        self._used = True
        targets, by = tree.flatten(target), tree.flatten(sources)
        weights = [None] * len(targets) if output_gradients is None else tree.flatten(output_gradients)
        seeds = [
            (y, np.ones_like(plain(y)) if weight is None else np.broadcast_to(plain(weight), y.shape))
            for y, weight in zip(targets, weights, strict=True)
            if hasattr(y, "dtype")
        ]
        with nobody_records():
            gradients = self._recording.gradients(seeds, by, forget=not self._persistent)
        if unconnected_gradients == "zero":
            gradients = [np.zeros(x.shape, x.dtype) if d is None else d for x, d in zip(by, gradients, strict=True)]
        results = [None if d is None else tensor(d) for d in gradients]
        # a tape that goes on recording would take these for constants
        record(tuple(one for one in results if one is not None), (*targets, *by), _no_second_derivative)
        return tree.pack_sequence_as(sources, results)

    def jacobian(self, *arguments: Any, **options: Any) -> NoReturn:
        """Not supported: call `gradient` of a persistent tape once for each number of the target."""
        raise NotImplementedError(
            "GradientTape.jacobian is not in fastgru; call gradient of a persistent tape for each number of the target."
        )


def _no_second_derivative(*d_outputs: Any) -> NoReturn:
    raise NotImplementedError(
        "GradientTape.gradient: second derivatives are not in fastgru; what tape.gradient returned cannot be "
        "differentiated again. Cut it off with ops.stop_gradient(gradient) where it is meant as a constant."
    )


def with_pullback(function: Callable[..., Any], *inputs: Any) -> tuple[Any, Callable[..., list[Any]]]:
    """What a function of arrays returns, and the function that pulls gradients by it back to its inputs.

    The pullback takes a gradient, None for none, for each output in the order of `tree.flatten`, and returns those of
    the inputs, None for one that nothing depends on. It adds the gradients of variables to their `gradient` where that
    is an array.
    """
    recording = Recording()
    tensors = [tensor(x) for x in inputs]
    for x in tensors:
        if x.dtype.kind == "f":
            recording.follow(x)
    with recording_of([recording]):
        outputs = function(*tensors)

    def pull(*d_outputs: Any) -> list[Any]:
        seeds = [
            (y, np.asarray(plain(d))) for y, d in zip(tree.flatten(outputs), d_outputs, strict=True) if d is not None
        ]
        variables = recording.variables
        with nobody_records():
            gradients = recording.gradients(seeds, [*tensors, *variables], forget=False)
        for variable, gradient in zip(variables, gradients[len(tensors) :], strict=True):
            if gradient is not None and variable.gradient is not None:
                variable.gradient += gradient
        return gradients[: len(tensors)]

    return outputs, pull


def custom_gradient(f: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a function with a gradient of its own.

    It returns its output, or a tuple or list of outputs, and the function of the gradients by them that returns those
    of its arguments: one, or a tuple of them. Where it reads trainable variables, that function takes ``variables``, a
    list of them, by name and returns a second value, the list of their gradients.
    """

    def differentiated(*arguments: Any, **options: Any) -> Any:
        inner = Recording()
        with recording_of([inner]):
            outputs, gradient = f(*arguments, **options)
        variables = [x for x in inner.variables if not any(x is argument for argument in arguments)]
        # new tensors: the function may have returned an argument itself
        results = [tensor(plain(_numbers(y))) for y in tree.flatten(outputs)]

        def pull(*d_outputs: Any) -> Sequence[Any]:
            ds = [
                tensor(np.zeros(y.shape, y.dtype) if d is None else d) for y, d in zip(results, d_outputs, strict=True)
            ]
            if variables:
                by_arguments, by_variables = gradient(*ds, variables=variables)
            else:
                by_arguments, by_variables = gradient(*ds), []
            listed = by_arguments if isinstance(by_arguments, (tuple, list)) else [by_arguments]
            if len(listed) != len(arguments):
                name = getattr(f, "__name__", type(f).__name__)
                raise ValueError(
                    f"custom_gradient: expected {len(arguments)} gradients of {name!r}, one for each argument, "
                    f"got {len(listed)}."
                )
            return [None if one is None else np.asarray(plain(one)) for one in (*listed, *by_variables)]

        record(tuple(results), (*arguments, *variables), pull)
        return tree.pack_sequence_as(outputs, results)

    return differentiated


def _numbers(x: Any) -> Any:
    return x.read() if isinstance(x, Watchable) else x
