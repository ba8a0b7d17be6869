"""A recurrent layer's passes for JAX: custom calls of XLA, which the programs that JAX compiles make without Python.

What the forward pass leaves for the backward pass is one of its results, so JAX keeps it as long as it is needed and
nothing is computed twice. `xla_call.pxi` has the other side, and says what is where.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from fastgru import kernels, threads
from fastgru.keras.options import PassOptions

__all__ = ["obstacle", "recurrent_pass"]

MEMORY = 7  # the argument of a backward pass whose place its first result takes
# products of two numbers in the forward pass below which a training step is slower on several threads than on one: XLA
# has threads of its own on the same processors, so ours sleep between two calls, and waking them takes as long
ALONE = 2_000_000
# of the arguments those with gradients, in the order of the results of a backward pass behind memory and packed weights
X, H0, C0, KERNEL, RECURRENT_KERNEL, BIAS = 0, 5, 6, 2, 3, 4
DIFFERENTIABLE = (X, H0, C0, KERNEL, RECURRENT_KERNEL, BIAS)


def obstacle() -> str | None:
    """Why JAX cannot call the kernels here."""
    if jax.default_backend() != "cpu":
        return f"JAX computes on {jax.default_backend()}"
    try:
        for dtype in kernels.DTYPES:
            for name in kernels.module(dtype).xla_handlers:
                _target(name, dtype)
    except (AttributeError, RuntimeError) as error:  # it has no such interface yet, or another version of it
        return f"JAX {jax.__version__} cannot call the kernels: {error}"
    return None


def can_read(x: jax.Array) -> bool:
    """Whether the kernels can read an array, which they cannot where it is elsewhere."""
    return True


@cache
def _target(name: str, dtype: str) -> str:
    """The name under which JAX calls a handler of the kernels."""
    target = f"fastgru_{name}_{dtype}"
    jax.ffi.register_ffi_target(target, kernels.module(dtype).xla_handlers[name], platform="cpu")
    return target


def _call(name: str, options: PassOptions, training: bool, results: list[Any], *arguments: jax.Array) -> Any:
    """What a custom call returns behind `memory` and `packed`, and before that `memory`."""
    x, recurrent_kernel = arguments[X], arguments[RECURRENT_KERNEL]
    cell, units = options.cell, len(recurrent_kernel)
    memory = cell.memory_size(x.dtype, x.shape, units, True, training)
    packed = cell.pack_size(x.dtype, x.shape[2], units)
    call = jax.ffi.ffi_call(
        _target(f"{cell.kernels}_{name}", str(x.dtype)),
        [jax.ShapeDtypeStruct(shape, x.dtype) for shape in ((memory,), (packed,), *results)],
        vmap_method="sequential",
        input_output_aliases={MEMORY: 0} if len(arguments) > MEMORY else None,
    )
    numbers: npt.NDArray[np.int64] = np.array(
        [
            *cell.activation_ids,
            options.go_backwards,
            cell.zero_output_for_mask,
            cell.reset_after,
            training,
            1 if training and _products(x.shape, recurrent_kernel.shape) < ALONE else threads.get_num_threads(),
        ],
        np.int64,
    )
    memory, _, *outputs = call(*arguments, options=numbers)
    return memory, outputs


def _products(inputs: tuple[int, ...], recurrent_kernel: tuple[int, ...]) -> int:
    """Of two numbers, over all rows, steps and units."""
    (B, T, F), (H, units_of_gates) = inputs, recurrent_kernel
    return B * T * (F + H) * units_of_gates


def _forward(options: PassOptions, training: bool, arguments: tuple[jax.Array, ...]) -> Any:
    (B, T, _), H = arguments[X].shape, len(arguments[RECURRENT_KERNEL])
    results = [(B, T, H) if options.sequences else (0,), (B, H), (B, H) if options.cell.states == 2 else (0,)]
    return _call("forward", options, training, results, *arguments)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _pass(options: PassOptions, *arguments: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(_forward(options, False, arguments)[1])


def _pass_forward(options: PassOptions, *arguments: Any) -> Any:
    values = tuple(argument.value for argument in arguments)
    memory, outputs = _forward(options, True, values)
    differentiated = [() if argument.perturbed else None for argument in arguments]  # what jit takes for no array
    return tuple(outputs), (values, memory, differentiated)


def _pass_backward(options: PassOptions, residuals: Any, d_outputs: Any) -> Any:
    values, memory, differentiated = residuals
    absent = jnp.zeros(0, values[X].dtype)
    read = [absent if isinstance(d, jax.custom_derivatives.SymbolicZero) else d for d in d_outputs]
    results = [(0,) if differentiated[index] is None else values[index].shape for index in DIFFERENTIABLE]
    _, gradients = _call("backward", options, True, results, *values, memory, *read)
    by_argument = dict(zip(DIFFERENTIABLE, gradients, strict=True))
    return tuple(None if one is None else by_argument[index] for index, one in enumerate(differentiated))


_pass.defvjp(_pass_forward, _pass_backward, symbolic_zeros=True)


def recurrent_pass(
    options: PassOptions,
    x: jax.Array,
    mask: jax.Array | None,
    kernel: jax.Array,
    recurrent_kernel: jax.Array,
    bias: jax.Array | None,
    *states: jax.Array,
) -> tuple[jax.Array, ...]:
    """A recurrent layer over x (B, T, F), inside JAX's transformations and outside; its gradients, but no second ones.

    Parameters
    ----------
    options : PassOptions
    x : (B, T, F) array, of float32 or float64 as all others
    mask : (B, T) bool array or None
    kernel, recurrent_kernel, bias
        Of Keras's shapes; `bias` may be None.
    *states : (B, H) array
        The initial states.

    Returns
    -------
    y, *lasts
        The states after all steps (B, T, H), without numbers unless `options.sequences`; the last states (B, H).
    """
    absent = jnp.zeros(0, x.dtype)
    masked = jnp.zeros(0, bool) if mask is None else mask
    h0, c0 = (*states, absent)[:2]
    outputs = _pass(options, x, masked, kernel, recurrent_kernel, absent if bias is None else bias, h0, c0)
    return outputs[: 1 + len(states)]
