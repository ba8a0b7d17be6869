"""Weights change all at once: a prediction sees one version of them, and runs inside runs leave each other alone."""

from __future__ import annotations

import copy
import itertools
import linecache
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from fastgru import Model, Sequential, constraints, optimizers
from fastgru.callbacks import Callback, LambdaCallback
from fastgru.layers import GRU, LSTM, BatchNormalization, Conv1D, Dense, Embedding, Input, LayerNormalization
from fastgru.layers.weight import Publication, Weight, capture, publish, published, show
from fastgru.layers.workspace import Call
from fastgru.parameters import Parameters

T, F = 6, 4


def classifier(**compiled: Any) -> Sequential:
    model = Sequential([Input((T, F)), GRU(8, return_sequences=True), GRU(8), Dense(3, activation="softmax")])
    model.compile(**({"optimizer": "adam", "loss": "categorical_crossentropy", "metrics": ["accuracy"]} | compiled))
    return model


def data_set(rng: np.random.Generator, count: int) -> tuple[Any, Any]:
    return rng.normal(size=(count, T, F)).astype("float32"), np.eye(3, dtype="float32")[rng.integers(0, 3, count)]


def settings_of(model: Sequential, rng: np.random.Generator, count: int) -> list[list[Any]]:
    return [[rng.normal(size=w.shape).astype("float32") for w in model.get_weights()] for _ in range(count)]


@contextmanager
def beside(*works: Callable[[], object]) -> Iterator[list[BaseException]]:
    """Repeat each work in a thread of its own until the block ends."""
    done, errors = threading.Event(), list[BaseException]()

    def repeat(work: Callable[[], object]) -> None:
        try:
            while not done.is_set():
                work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        yield errors
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert not errors


# --- an array that is shown does not change -------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [Dense(3), GRU(3), LSTM(3), Conv1D(3, 2), LayerNormalization(), BatchNormalization(), Embedding(5, 3)],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("through", ["built", "assigned", "set", "trained", "copied", "pickled"])
def test_an_edit_in_place_is_refused(layer: Any, through: str) -> None:
    layer = copy.deepcopy(layer)
    layer.build((2, 4) if isinstance(layer, Embedding) else (2, 4, 4))
    if through == "assigned":
        for weight in layer.weights:
            weight.assign(np.ones(weight.shape))
    elif through == "set":
        layer.set_weights([np.ones(weight.shape) for weight in layer.weights])
    elif through == "trained":
        optimizers.SGD().update(Parameters(layer.trainable_weights))
    elif through == "copied":
        layer = copy.deepcopy(layer)
    elif through == "pickled":
        layer = pickle.loads(pickle.dumps(layer))
    for weight in layer.weights:
        with pytest.raises(ValueError, match="read-only"):
            weight.value[...] = 0
        for flags in (weight.value.flags, weight.value.view().flags):
            with pytest.raises(ValueError, match="cannot set WRITEABLE"):
                flags.writeable = True
        if weight.value.base is not None:
            with pytest.raises((TypeError, ValueError), match="read-only"):
                weight.value.base[...] = 0


@pytest.mark.parametrize("layer", [Dense(3), GRU(3), LSTM(3), Conv1D(3, 2)], ids=lambda layer: type(layer).__name__)
def test_every_way_to_change_a_weight_is_seen_by_the_next_call(layer: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, T, F)).astype("float32")
    layer = copy.deepcopy(layer)
    layer(x)
    changes: list[Callable[[Any], None]] = [
        lambda numbers: layer.kernel.assign(numbers),
        lambda numbers: setattr(layer.kernel, "value", numbers),
        lambda numbers: publish({layer.kernel: numbers}),
        lambda numbers: layer.set_weights([numbers, *layer.get_weights()[1:]]),
    ]
    for change in changes:
        numbers = rng.normal(size=layer.kernel.shape).astype("float32")
        change(numbers.copy())
        fresh = type(layer).from_config(layer.get_config())
        fresh(x)
        fresh.set_weights(layer.get_weights())
        np.testing.assert_array_equal(layer.kernel.value, numbers)
        np.testing.assert_array_equal(layer(x), fresh(x))


def test_who_assigns_may_go_on_with_the_array() -> None:
    weight, numbers = Weight(np.zeros(3), "w", "layer/w"), np.ones(3)
    for write in (weight.assign, lambda array: setattr(weight, "value", array)):
        write(numbers)
        numbers += 1
        np.testing.assert_array_equal(weight.value, numbers - 1)


def test_a_weight_as_it_was_pickled_with_a_version_comes_back() -> None:
    weight = Weight.__new__(Weight)
    slots = {"value": np.arange(3.0), "name": "w", "path": "layer/w", "trainable": True}
    weight.__setstate__((None, {**slots, "gradient": None, "regularizer": None, "constraint": None, "version": 7}))
    assert weight.numpy().tolist() == [0, 1, 2] and weight.path == "layer/w" and weight.constraint is None
    assert not weight.value.flags.writeable


# --- one version ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 40], ids=["one batch", "several batches"])
@pytest.mark.parametrize("way", ["set_weights", "load_weights"])
def test_a_prediction_beside_a_thread_that_changes_weights_sees_one_setting(
    rng: np.random.Generator, tmp_path: Any, way: str, rows: int
) -> None:
    model = classifier()
    settings, x = settings_of(model, rng, 4), data_set(rng, rows)[0]
    answers, changes = [], []
    for number, setting in enumerate(settings):
        model.set_weights(setting)
        answers.append(model.predict(x, batch_size=8, verbose=0))
        if way == "load_weights":
            path = tmp_path / f"{number}.weights.h5"
            model.save_weights(path)
            changes.append(lambda path=path: model.load_weights(path))
        else:
            changes.append(lambda setting=setting: model.set_weights(setting))
    with beside(*changes):
        for _ in range(500):
            outputs = model.predict(x, batch_size=8, verbose=0)
            assert any(np.array_equal(outputs, answer) for answer in answers)


def test_a_prediction_beside_fit_sees_the_weights_of_one_batch(rng: np.random.Generator) -> None:
    gru = GRU(8, kernel_constraint=constraints.MaxNorm(1.0))
    model = Sequential([Input((T, F)), gru, BatchNormalization(momentum=0.5), Dense(3, activation="softmax")])
    model.compile(optimizers.Adam(0.01), "categorical_crossentropy")
    x, y = data_set(rng, 32)
    history, outputs = [model.get_weights()], list[Any]()
    record = LambdaCallback(on_train_batch_end=lambda batch, logs: history.append(model.get_weights()))
    with beside(lambda: outputs.append(model.predict(x[:1], verbose=0))):
        model.fit(x, y, batch_size=4, epochs=20, verbose=0, callbacks=[record])
    answers = set()
    for weights in history:
        model.set_weights(weights)
        answers.add(model.predict(x[:1], verbose=0).tobytes())
    assert len(outputs) > 10
    assert {output.tobytes() for output in outputs} <= answers


def test_a_prediction_keeps_its_version_when_a_callback_changes_the_weights(rng: np.random.Generator) -> None:
    model, x = classifier(), data_set(rng, 40)[0]
    expected = model.predict(x, batch_size=8, verbose=0)
    other = settings_of(model, rng, 1)[0]
    change = LambdaCallback(on_predict_batch_end=lambda batch, logs: model.set_weights(other))
    np.testing.assert_array_equal(model.predict(x, batch_size=8, verbose=0, callbacks=[change]), expected)
    assert not np.array_equal(model.predict(x, batch_size=8, verbose=0), expected)


def test_a_reader_that_stops_a_writer_in_the_middle_gets_what_the_slots_lack() -> None:
    weights, arrays = [Weight(np.zeros(2), name, name) for name in "ab"], [np.ones(2), np.ones(2)]
    before = published.current
    try:
        published.current = publication = Publication(weights, arrays)
        assert capture(weights) == (publication, dict(zip(weights, arrays, strict=True)))
    finally:
        published.current = before


def test_a_reader_begins_anew_when_a_writer_comes_between() -> None:
    class Meddling(Weight):
        __slots__ = ()

        @property
        def value(self) -> Any:
            if not changed:
                changed.append(True)
                publish({weights[0]: np.ones(2), weights[1]: np.ones(2)})
            return Weight.value.__get__(self)

        @value.setter
        def value(self, value: Any) -> None:
            Weight.value.__set__(self, value)

    changed = [True]
    weights = [Weight(np.zeros(2), "a", "a"), Meddling(np.zeros(2), "b", "b")]
    changed.clear()
    publication, values = capture(weights)
    assert publication is published.current
    assert [value.tolist() for value in values.values()] == [[1, 1], [1, 1]]


def interrupted(work: Callable[[], object], at: int) -> bool:
    """Whether a KeyboardInterrupt came at this line of those that the work runs.

    The line of a `with` is none of them: Python comes to it once more on the way out, where tracing could raise between
    the body and the exit and leave a lock held, but no signal's handler ever runs.
    """
    lines = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        source = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        lines += event == "line" and not source.lstrip().startswith("with ")
        if lines == at:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_an_interrupted_build_of_an_optimizer_is_done_again(rng: np.random.Generator) -> None:
    at, came = 1, True
    while came:
        optimizer = optimizers.Adam(amsgrad=True)
        parameters = Parameters([Weight(rng.normal(size=3), "w", "layer/w")])
        came = interrupted(lambda build=optimizer.build, parameters=parameters: build(parameters.weights), at)
        optimizer.update(parameters)
        at += 1
    assert at > 5


def test_an_interrupt_behind_the_swap_leaves_no_array_to_write_that_weights_show(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = Weight(rng.normal(size=3), "w", "layer/w")
    parameters = Parameters([weight])

    def show_and_stop(weights: Any, arrays: Any) -> None:
        show(weights, arrays)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("fastgru.parameters.show", show_and_stop)
        parameters.publish()
    assert not np.shares_memory(weight.value, parameters.updated)


@pytest.mark.parametrize("way", ["set_weights", "train_on_batch"])
def test_an_interrupt_at_any_line_leaves_the_old_weights_or_the_new(rng: np.random.Generator, way: str) -> None:
    x, y = data_set(rng, 4)
    model, again = classifier(optimizer="sgd"), classifier(optimizer="sgd")
    model.train_on_batch(x, y)
    old = model.get_weights()
    again.set_weights(old)
    new = settings_of(model, rng, 1)[0]
    if way == "train_on_batch":
        again.train_on_batch(x, y)
        new = again.get_weights()
    answers = []
    for weights in (old, new):
        again.set_weights(weights)
        answers.append(again.predict(x, verbose=0))
    at, came = 1, True
    while came:
        model.set_weights(old)
        model.predict(x, verbose=0)
        work = (lambda: model.set_weights(new)) if way == "set_weights" else (lambda: model.train_on_batch(x, y))
        came = interrupted(work, at)
        outputs = model.predict(x, verbose=0)
        (which,) = [number for number, answer in enumerate(answers) if np.array_equal(outputs, answer)]
        for ours, expected in zip(model.get_weights(), (old, new)[which], strict=True):
            np.testing.assert_array_equal(ours, expected)
        at += 1 if way == "set_weights" else 7
    assert at > 20


def test_an_update_writes_into_no_array_that_a_reader_captured(rng: np.random.Generator) -> None:
    parameters = Parameters([Weight(rng.normal(size=(3, 2)), "w", "layer/w")])
    seen = []
    for step in range(12):
        if step % 3 == 0:
            _, values = capture(parameters.weights)
            seen += [(value, value.copy()) for value in values.values()]
        parameters.updated[...] = rng.normal(size=6)
        parameters.publish()
    for value, numbers in seen:
        np.testing.assert_array_equal(value, numbers)


def test_updates_that_nobody_watches_take_turns_with_two_arrays(rng: np.random.Generator) -> None:
    parameters = Parameters([Weight(rng.normal(size=3), "w", "layer/w")])
    arrays = []
    for _ in range(6):
        parameters.updated[...] = rng.normal(size=3)
        parameters.publish()
        arrays.append(parameters.values)
    assert len({id(array) for array in arrays}) == 2


# --- runs inside runs -----------------------------------------------------------------------------------


@contextmanager
def alarms(handler: Callable[[], object]) -> Iterator[list[int]]:
    """Run the handler, as a signal's, every millisecond."""
    count: list[int] = []

    def handle(number: int, frame: Any) -> None:
        count.append(number)
        handler()
        signal.setitimer(signal.ITIMER_REAL, 1e-3)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 1e-3)
    try:
        yield count
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        *itertools.product(["predict", "evaluate", "fit"], ["predict", "evaluate", "call"]),
        ("predict", "set_weights"),
        ("evaluate", "set_weights"),
    ],
)
def test_a_signal_handler_in_the_middle_changes_no_answer(rng: np.random.Generator, outer: str, inner: str) -> None:
    model = classifier()
    start = model.get_weights()
    x, y = data_set(rng, 64)
    other_x, other_y = data_set(rng, 24)
    inside = {
        "predict": lambda: model.predict(other_x, batch_size=8, verbose=0),
        "evaluate": lambda: model.evaluate(other_x, other_y, batch_size=8, verbose=0, return_dict=True),
        "call": lambda: model(other_x),
        "set_weights": lambda: model.set_weights(start),
    }[inner]

    def run() -> Any:
        if outer == "predict":
            return model.predict(x, batch_size=2, verbose=0).tolist()
        if outer == "evaluate":
            return model.evaluate(x, y, batch_size=2, verbose=0, return_dict=True)
        model.set_weights(start)
        model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
        return model.fit(x, y, batch_size=2, verbose=0, shuffle=False).history

    expected = run()
    with alarms(inside) as count:
        while len(count) < 40:
            assert run() == expected


class Evaluating(Callback):
    """Evaluates the model in the middle of each batch."""

    def __init__(self, *data: Any) -> None:
        self.data, self.logs = data, list[Any]()

    def run(self) -> None:
        self.logs.append(self.model.evaluate(*self.data, verbose=0))
        self.model.predict(self.data[0], batch_size=8, verbose=0)
        self.logs.append([metric.result() for metric in self.model.metrics] and self.model.test_on_batch(*self.data))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.run()

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.run()

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.run()


@pytest.mark.parametrize("outer", ["predict", "evaluate", "fit"])
def test_a_callback_that_evaluates_and_predicts_changes_no_answer(rng: np.random.Generator, outer: str) -> None:
    x, y = data_set(rng, 24)
    results = []
    start = None
    for callbacks in ([], [Evaluating(*data_set(rng, 10))]):
        model = classifier(metrics=["accuracy", "mse"])
        start = start or model.get_weights()
        model.set_weights(start)
        options: dict[str, Any] = {"batch_size": 4, "verbose": 0, "callbacks": callbacks}
        if outer == "predict":
            results.append(model.predict(x, **options).tolist())
        elif outer == "evaluate":
            results.append([model.evaluate(x, y, **options), *(metric.result() for metric in model.metrics)])
        else:
            results.append(model.fit(x, y, shuffle=False, validation_data=(x, y), epochs=2, **options).history)
    assert results[0] == results[1]


@pytest.mark.parametrize("run", ["predict", "evaluate"])
def test_a_run_inside_does_not_take_back_that_the_outer_one_stops(rng: np.random.Generator, run: str) -> None:
    model = classifier()
    x, y = data_set(rng, 24)
    batches = []

    def stop(batch: int, logs: Any) -> None:
        batches.append(batch)
        model.stop_predicting = model.stop_evaluating = True
        model.predict(x, batch_size=8, verbose=0)
        model.evaluate(x, y, verbose=0)

    callback = LambdaCallback(on_predict_batch_end=stop, on_test_batch_end=stop)
    arguments = (x,) if run == "predict" else (x, y)
    getattr(model, run)(*arguments, batch_size=4, verbose=0, callbacks=[callback])
    assert batches == [0]


# --- layers ---------------------------------------------------------------------------------------------


def test_a_layer_of_ones_own_reads_what_the_weight_shows(rng: np.random.Generator) -> None:
    from fastgru.layers import Layer

    class Scale(Layer):
        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight("factor", (), "ones")
            self.built = True

        def forward(self, call: Call, *inputs: Any) -> Any:
            return inputs[0] * self.factor.value

    model = Sequential([Input((3,)), Dense(3), Scale()])
    x = rng.normal(size=(2, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    model.layers[1].factor.assign(2.0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), 2 * before)


def test_a_step_of_training_is_one_swap(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    row = BatchNormalization()
    inputs = Input((3,))
    model = Model(inputs, Dense(3)(row(row(inputs))))
    model.compile("sgd", "mse")
    x = rng.normal(size=(8, 3)).astype("float32")
    model.train_on_batch(x, x)
    swaps: list[set[Weight]] = []

    def counted(weights: Any, arrays: Any) -> None:
        swaps.append(set(weights))
        show(weights, arrays)

    monkeypatch.setattr("fastgru.parameters.show", counted)
    expected = row.moving_mean.numpy()
    # the layer stands twice in the graph: the mean of what it has normalized is its offset
    for mean in (x.mean(axis=0), row.beta.numpy()):
        expected = expected * row.momentum + mean * (1 - row.momentum)
    model.train_on_batch(x, x)
    assert swaps == [set(model.weights)]
    np.testing.assert_allclose(row.moving_mean.value, expected, atol=1e-6)


def test_batch_normalization_shows_both_statistics_at_once(rng: np.random.Generator) -> None:
    layer = BatchNormalization()
    layer.build((None, 3))
    before = published.current
    layer(rng.normal(size=(8, 3)), training=True)
    assert published.current is not before
    assert layer.moving_mean.value.any() and not (layer.moving_variance.value == 1).any()
