"""With tiles a row's answer is the same to the bit in any company: its batch mates, their number, threads."""

from collections.abc import Callable, Iterator

import instruction_sets
import numpy as np
import pytest

from fastgru import config, kernels, threads
from fastgru.layers import GRU, LSTM, Bidirectional, Conv1D, Dense, Input, Layer, LayerNormalization, Masking, SimpleRNN
from fastgru.models import Model, Sequential

ROWS, STEPS = 70, 4
UNITS = (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 40, 63, 64, 100)

LAYERS: dict[str, Callable[..., Layer]] = {
    "GRU": lambda units, **options: GRU(units, return_sequences=True, **options),
    "GRU reset before": lambda units, **options: GRU(units, return_sequences=True, reset_after=False, **options),
    "LSTM": lambda units, **options: LSTM(units, return_sequences=True, **options),
    "SimpleRNN": lambda units, **options: SimpleRNN(units, return_sequences=True, **options),
    "Bidirectional GRU": lambda units, dtype: Bidirectional(GRU(units, dtype=dtype), dtype=dtype),
    "Bidirectional LSTM": lambda units, dtype: Bidirectional(LSTM(units, dtype=dtype), merge_mode="ave", dtype=dtype),
    "Dense": lambda units, **options: Dense(units, activation="gelu", **options),
    "Dense softmax": lambda units, **options: Dense(units, activation="softmax", **options),
    "Conv1D": lambda units, **options: Conv1D(units, 3, padding="causal", activation="tanh", **options),
    "LayerNormalization": lambda units, **options: LayerNormalization(**options),
}
RECURRENT = ["GRU", "GRU reset before", "LSTM", "SimpleRNN", "Bidirectional GRU", "Bidirectional LSTM"]


@pytest.fixture(params=instruction_sets.each)
def tiles(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The test runs with the tiles of each instruction set of this machine."""
    monkeypatch.setattr(config, "_products", "tiles")
    with instruction_sets.running(request.param):
        yield


def with_random_weights(layers: list[Layer], x: np.ndarray, rng: np.random.Generator) -> Sequential:
    model = Sequential(layers)
    model.build(x.shape)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def bits(y: np.ndarray) -> bytes:
    """What must be the same of an answer: all but which NaN a NaN is."""
    return np.where(np.isnan(y), np.float32(np.nan), y).tobytes()


def assert_rows_keep_their_bits(model: Sequential, x: np.ndarray, rng: np.random.Generator) -> None:
    """Rows of x alone and in batches of every size answer as they do in the whole of x."""
    whole = model.predict(x, batch_size=len(x), verbose=0)
    for thread_count in (1, 2):
        threads.set_num_threads(thread_count)
        for rows in range(1, len(x) + 1, 1 if thread_count == 1 else 4):
            first = int(rng.integers(0, len(x) - rows + 1))
            part = model.predict(x[first : first + rows], batch_size=rows, verbose=0)
            assert bits(part) == bits(whole[first : first + rows]), (rows, first, thread_count)


@pytest.fixture(autouse=True)
def threads_as_they_were():
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("dtype", kernels.DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_row_has_the_same_bits_in_any_batch(tiles: None, name: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    for units in UNITS:
        features = units if name == "LayerNormalization" else int(rng.integers(1, 40))
        x = rng.normal(size=(ROWS, STEPS, features)).astype(dtype)
        assert_rows_keep_their_bits(with_random_weights([LAYERS[name](units, dtype=dtype)], x, rng), x, rng)


@pytest.mark.parametrize("name", RECURRENT)
def test_a_row_with_masked_steps_too(tiles: None, name: str) -> None:
    rng = np.random.default_rng(6)
    for units in UNITS:
        x = rng.normal(size=(ROWS, STEPS, int(rng.integers(1, 40)))).astype(np.float32)
        x[rng.random((ROWS, STEPS)) < 0.4] = 0
        layers = [Masking(), LAYERS[name](units, dtype="float32")]
        assert_rows_keep_their_bits(with_random_weights(layers, x, rng), x, rng)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("scale", [1e19, 1e-23], ids=["overflow", "underflow"])
def test_a_row_whose_sums_leave_the_range_of_numbers(tiles: None, name: str, scale: float) -> None:
    rng = np.random.default_rng(7)
    for units in (3, 17, 40):
        x = rng.normal(size=(ROWS, STEPS, 9)).astype(np.float32)
        x[rng.random((ROWS, STEPS)) < 0.4] = 0
        model = with_random_weights([Masking(), LAYERS[name](units, dtype="float32")], x, rng)
        model.set_weights([weight * scale for weight in model.get_weights()])
        assert_rows_keep_their_bits(model, x * np.float32(scale), rng)


def one_step(layer: type[Layer], units: int, features: int, **options: object) -> Model:
    """A model of one step and the states before it, whose outputs are the states after it."""
    x = Input((1, features))
    states = [Input((units,)) for _ in range(2 if layer is LSTM else 1)]
    _, *after = layer(units, return_state=True, **options)(x, initial_state=states)
    return Model([x, *states], after)


@pytest.mark.parametrize("scale", [1, 1e-23], ids=["", "underflow"])
@pytest.mark.parametrize(
    ("layer", "options"),
    [(GRU, {}), (GRU, {"reset_after": False}), (GRU, {"activation": "relu"}), (LSTM, {}), (SimpleRNN, {})],
    ids=str,
)
def test_step_by_step_is_the_sequence_at_once(
    tiles: None, layer: type[Layer], options: dict[str, object], scale: float
) -> None:
    rng = np.random.default_rng(8)
    for units in UNITS:
        x = rng.normal(size=(ROWS, STEPS, int(rng.integers(1, 40)))).astype(np.float32) * np.float32(scale)
        whole = with_random_weights([layer(units, return_sequences=True, **options)], x, rng)
        whole.set_weights([weight * scale for weight in whole.get_weights()])
        step = one_step(layer, units, x.shape[2], **options)
        step.set_weights(whole.get_weights())
        expected = whole.predict(x, batch_size=ROWS, verbose=0)
        for rows in (1, 2, 3, 5, 8, 9, ROWS):
            states = [np.zeros((rows, units), np.float32)] * (2 if layer is LSTM else 1)
            for t in range(STEPS):
                after = step.predict([x[:rows, t : t + 1], *states], batch_size=rows, verbose=0)
                states = after if isinstance(after, list) else [after]
                assert bits(states[0]) == bits(expected[:rows, t]), (units, rows, t)
