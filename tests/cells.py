"""Layers over cells, in fastgru or in Keras, and inputs, masks and states for them."""

from __future__ import annotations

SHAPE = BATCH, STEPS, FEATURES = 3, 5, 2


def gru(library, dtype="float32", **options):
    return library.GRU(4, name="inner", dtype=dtype, **options)


def one_cell(library, dtype="float32", **options):
    return library.RNN(library.GRUCell(4, name="cell", dtype=dtype), name="inner", dtype=dtype, **options)


def mixed(library, dtype="float32", **options):
    cells = [
        library.LSTMCell(3, name="a", dtype=dtype),
        library.SimpleRNNCell(2, name="b", dtype=dtype),
        library.LSTMCell(4, name="c", dtype=dtype, unit_forget_bias=False),
    ]
    cells = library.StackedRNNCells(cells, name="cells", dtype=dtype)
    return library.RNN(cells, name="inner", dtype=dtype, **options)


def stack(library, dtype="float32", **options):
    cells = [
        library.GRUCell(3, name="a", dtype=dtype),
        library.GRUCell(4, name="b", dtype=dtype, reset_after=False),
    ]
    cells = library.StackedRNNCells(cells, name="cells", dtype=dtype)
    return library.RNN(cells, name="inner", dtype=dtype, **options)


RETURNS = [
    {"return_sequences": sequences, "return_state": state} for sequences in (False, True) for state in (False, True)
]


def random_input(rng, dtype="float32"):
    return rng.normal(size=SHAPE).astype(dtype)


def random_mask(rng):
    mask = rng.random((BATCH, STEPS)) < 0.6
    mask[0, 0] = False
    mask[1, -1] = False
    return mask


def random_states(rng, sizes, dtype="float32"):
    """States of these sizes, which may be nested."""
    if isinstance(sizes, list):
        return [random_states(rng, size, dtype) for size in sizes]
    return rng.normal(size=(BATCH, sizes)).astype(dtype)
