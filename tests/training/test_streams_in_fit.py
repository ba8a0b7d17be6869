"""A run on a stream of batches is the run on the same arrays, and what Keras makes of the same stream."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from small_training import F, N, T, half, inputs, labels, small

import fastgru
from fastgru.callbacks import Callback
from fastgru.layers import GRU, Concatenate, Dense, Input
from fastgru.models import Model, Sequential
from fastgru.utils import PyDataset

SIZE = 8


def batches_of(*parts: np.ndarray, size: int = SIZE) -> list[tuple[np.ndarray, ...]]:
    return [tuple(part[start : start + size] for part in parts) for start in range(0, len(parts[0]), size)]


class Loader:
    """Iterated anew for each pass, of unknown length."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return iter(self.batches)


class InMemory(PyDataset):
    def __init__(self, batches: Any, **options: Any) -> None:
        super().__init__(**options)
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> Any:
        return self.batches[index]


FORMS: dict[str, Callable[[Any], Any]] = {
    "a generator": lambda batches: (batch for _ in range(9) for batch in batches),
    "an iterable": Loader,
    "a PyDataset": InMemory,
    "a PyDataset with workers": lambda batches: InMemory(batches, workers=3),
    "a PyDataset with processes": lambda batches: InMemory(batches, workers=2, use_multiprocessing=True),
    "an iterable of lists": lambda batches: Loader([list(batch) for batch in batches]),
}


def a_run(*data: Any, **options: Any) -> list[Any]:
    fastgru.utils.set_random_seed(3)
    model = Sequential([Input((T, F)), GRU(4, dropout=0.2), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
    history = model.fit(*data, epochs=3, shuffle=False, verbose=0, **options).history
    return [history, *model.get_weights()]


def alike(first: list[Any], second: list[Any]) -> bool:
    return first[0] == second[0] and all(map(np.array_equal, first[1:], second[1:]))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_stream_trains_as_its_arrays_to_the_last_bit(
    rng: np.random.Generator, form: Callable[[Any], Any], is_weighted: bool
) -> None:
    x, y, weight = inputs(rng), labels(rng), rng.random(N).astype("float32")
    parts = (x, y, weight) if is_weighted else (x, y)
    expected = a_run(
        x, y, SIZE, sample_weight=weight if is_weighted else None, validation_data=parts, validation_batch_size=SIZE
    )
    batches = batches_of(*parts)
    steps = {"steps_per_epoch": len(batches), "validation_steps": len(batches)}
    held_out = form(batches) if form is not FORMS["a generator"] else Loader(batches)
    assert alike(a_run(form(batches), validation_data=held_out, **steps), expected)
    if form is not FORMS["a generator"]:
        assert alike(a_run(form(batches), validation_data=held_out), expected)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_classes_weigh_in_a_stream_as_in_arrays(rng: np.random.Generator, form: Callable[[Any], Any]) -> None:
    x, y, options = inputs(rng), labels(rng), {"class_weight": {0: 0.5, 2: 3.0}, "steps_per_epoch": 6}
    assert alike(a_run(form(batches_of(x, y)), **options), a_run(x, y, SIZE, **options))


def test_batches_may_be_of_any_size(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    uneven = [(x[a:b], y[a:b]) for a, b in ((0, 1), (1, 30), (30, 31), (31, N))]
    model = small()
    np.testing.assert_allclose(model.predict(InMemory(uneven)), model.predict(x), rtol=1e-6)
    np.testing.assert_allclose(model.evaluate(InMemory(uneven), verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-6)
    assert model.fit(InMemory(uneven), verbose=0).history["loss"]


def two_inputs() -> Model:
    a, b = Input((T, F), name="a"), Input((2,), name="b")
    joined = Concatenate()([GRU(3)(a), b])
    model = Model([a, b], {"one": Dense(1)(joined), "two": Dense(2)(joined)})
    model.compile("sgd", "mse", metrics={"one": ["mae"]})
    return model


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_batches_hold_dicts_and_lists_for_inputs_and_outputs(rng: np.random.Generator, form: Any) -> None:
    a, b, one, two = inputs(rng), rng.normal(size=(N, 2)), rng.normal(size=(N, 1)), rng.normal(size=(N, 2))
    results = []
    for named in (True, False):
        batches = [
            ({"a": a, "b": b}, {"one": one, "two": two}) if named else ((a, b), [one, two])
            for a, b, one, two in batches_of(a, b, one, two)
        ]
        fastgru.utils.set_random_seed(1)
        model = two_inputs()
        history = model.fit(form(batches), epochs=2, steps_per_epoch=6, shuffle=False, verbose=0).history
        predicted = model.predict(form(batches), steps=6)
        results.append([history, predicted["one"], predicted["two"]])
    fastgru.utils.set_random_seed(1)
    model = two_inputs()
    history = model.fit([a, b], {"one": one, "two": two}, SIZE, 2, shuffle=False, verbose=0).history
    predicted = model.predict([a, b], SIZE)
    for result in results:
        assert result[0] == history
        np.testing.assert_allclose(result[1], predicted["one"], rtol=1e-5)
        np.testing.assert_allclose(result[2], predicted["two"], rtol=1e-5)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_predict_reads_the_inputs_whatever_else_a_batch_holds(rng: np.random.Generator, form: Any) -> None:
    x, y = inputs(rng), half(rng)
    model = small()
    expected = model.predict(x)
    for parts in ((x,), (x, y), (x, y, y[:, 0])):
        np.testing.assert_allclose(model.predict(form(batches_of(*parts)), steps=6), expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(form(batches_of(x, y)), steps=2), expected[: 2 * SIZE], rtol=1e-6)
    np.testing.assert_allclose(model.predict(part for (part,) in batches_of(x)), expected, rtol=1e-6)


class OwnModel(Model):
    """With a call of its own, of two inputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.dense = GRU(3), Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(fastgru.ops.concatenate([self.gru(inputs["a"]), inputs["b"]], axis=-1))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_model_with_a_call_of_its_own_trains_on_streams(rng: np.random.Generator, form: Any) -> None:
    a, b, y = inputs(rng), rng.normal(size=(N, 2)).astype("float32"), half(rng)
    batches = [({"a": a, "b": b}, y) for a, b, y in batches_of(a, b, y)]
    results = []
    for data in ((form(batches),), ({"a": a, "b": b}, y, SIZE)):
        fastgru.utils.set_random_seed(1)
        model = OwnModel()
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(*data, steps_per_epoch=6, shuffle=False, verbose=0).history
        results.append([history, *model.get_weights()])
    assert alike(*results)
    np.testing.assert_allclose(
        model.predict(form(batches), steps=6, verbose=0), model.predict({"a": a, "b": b}, verbose=0), rtol=1e-5
    )


def test_a_model_is_built_on_the_first_batch(rng: np.random.Generator) -> None:
    model = Sequential([GRU(2), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(InMemory(batches_of(inputs(rng), half(rng))), verbose=0)
    assert model.input_shape == (None, T, F)


def test_a_stateful_model_takes_batches_of_its_size_alone(rng: np.random.Generator) -> None:
    x, y = inputs(rng)[:40], half(rng)[:40]
    model = Sequential([Input(batch_shape=(SIZE, T, F)), GRU(2, stateful=True), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(InMemory(batches_of(x, y)), verbose=0)
    with pytest.raises(ValueError, match=r"Batch 0 of the PyDataset: .* takes batches of exactly 8 samples, got 5"):
        model.fit(InMemory(batches_of(x, y, size=5)), verbose=0)


class Events(Callback):
    """What was called, with the number of the batch or the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.calls.append(("steps", self.params["steps"]))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("epoch", epoch))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("begin", batch))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("end", batch))

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("test begin", batch))

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("test end", batch))

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("predict begin", batch))

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("predict end", batch, len(logs["outputs"])))


# --- Keras ------------------------------------------------------------------------------------------


def recorder(k: Any) -> Any:
    """The same callback for Keras."""
    names = {name: value for name, value in vars(Events).items() if name.startswith("on_")}
    callback = type("KerasEvents", (k.callbacks.Callback,), names)()
    callback.calls = []
    return callback


RUNS: dict[str, dict[str, Any]] = {
    "steps": {"steps_per_epoch": 2, "epochs": 3},
    "steps that do not divide": {"steps_per_epoch": 4, "epochs": 2},
    "more steps than batches": {"steps_per_epoch": 9, "epochs": 2},
    "one pass": {"epochs": 1},
    "passes over a generator that is over": {"epochs": 3},
    "later epochs": {"steps_per_epoch": 2, "epochs": 4, "initial_epoch": 2},
    "validation": {"steps_per_epoch": 2, "epochs": 3, "validation": True, "validation_steps": 3},
    "validation until it is over": {"steps_per_epoch": 2, "epochs": 2, "validation": True},
    "seldom validation": {"steps_per_epoch": 1, "epochs": 4, "validation": True, "validation_steps": 2,
                          "validation_freq": 2},
}  # fmt: skip


@pytest.mark.keras
@pytest.mark.parametrize("kind", ["generator", "PyDataset"])
@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_fit_is_kerass_on_the_same_stream(
    keras: Any, rng: np.random.Generator, kind: str, options: dict[str, Any]
) -> None:
    batches = batches_of(inputs(rng), half(rng), rng.random(N).astype("float32"))
    held_out = batches_of(inputs(rng), half(rng))
    options = dict(options)
    is_validated = options.pop("validation", False)
    weights = [rng.normal(size=shape).astype("float32") / 3 for shape in ((F, 12), (4, 12), (2, 12), (4, 1), (1,))]
    results = []
    for k, base, events in ((keras, keras.utils.PyDataset, recorder(keras)), (fastgru, PyDataset, Events())):

        def stream(batches: Any, base: Any = base) -> Any:
            if kind == "generator":
                return iter_of(batches)
            methods = {"__len__": lambda self: len(batches), "__getitem__": lambda self, index: batches[index]}
            return type("Data", (base,), methods)()

        model = k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(1, activation="sigmoid")])
        model.set_weights(weights)
        model.compile("sgd", "binary_crossentropy", metrics=["mae"], weighted_metrics=["accuracy"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = model.fit(
                stream(batches),
                validation_data=stream(held_out) if is_validated else None,
                shuffle=False,
                verbose=0,
                callbacks=[events],
                **options,
            ).history
        results.append((history, events.calls))
    (theirs, their_calls), (ours, our_calls) = results
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
    # Keras begins the batch that then is not there
    begun = [
        call for call, later in zip(their_calls, [*their_calls[1:], None], strict=True) if not is_vain(call, later)
    ]
    assert our_calls == begun


def iter_of(batches: Any) -> Iterator[Any]:
    yield from batches


def is_vain(call: Any, later: Any) -> bool:
    return "begin" in str(call[0]) and (later is None or "end" not in str(later[0]))


@pytest.mark.keras
@pytest.mark.parametrize("run", ["evaluate", "predict"])
@pytest.mark.parametrize("steps", [None, 3])
def test_evaluate_and_predict_are_kerass_on_keras_own_data_set(
    keras: Any, rng: np.random.Generator, run: str, steps: int | None
) -> None:
    batches = batches_of(inputs(rng), half(rng))

    class Data(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, index: int) -> Any:
            return batches[index]

    weights = [rng.normal(size=shape).astype("float32") / 3 for shape in ((F, 12), (4, 12), (2, 12), (4, 1), (1,))]
    results = []
    for k in (keras, fastgru):
        model = k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(1, activation="sigmoid")])
        model.set_weights(weights)
        model.compile("sgd", "binary_crossentropy")
        results.append(getattr(model, run)(Data(), steps=steps, verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-6)


# --- threads ----------------------------------------------------------------------------------------


OTHERS: set[threading.Thread] = set()  # those that were there before a test, other libraries' among them


@pytest.fixture(autouse=True)
def _threads_before() -> None:
    OTHERS.clear()
    OTHERS.update(threading.enumerate())


def prefetching() -> int:
    begun = set(threading.enumerate()) - OTHERS
    return sum(thread.name.startswith(("fastgru-prefetch", "ThreadPool")) for thread in begun)


class Stop(Exception):
    pass


def failing(batches: Any) -> Iterator[Any]:
    yield from batches[:2]
    raise Stop("in the generator")


class Interrupted(Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            raise KeyboardInterrupt


class Stopped(Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.stop_training = True


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_thread_outlives_a_run(rng: np.random.Generator, form: Any) -> None:
    batches = batches_of(inputs(rng), half(rng))
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(form(batches), steps_per_epoch=6, verbose=0, callbacks=[Interrupted()])
    assert prefetching() == 0
    model.fit(form(batches), steps_per_epoch=6, verbose=0, callbacks=[Stopped()])
    assert prefetching() == 0
    model.fit(form(batches), steps_per_epoch=6, verbose=0, validation_data=form(batches), validation_steps=6)
    model.evaluate(form(batches), verbose=0, steps=6)
    model.predict(form(batches), verbose=0, steps=6)
    assert prefetching() == 0


@pytest.mark.parametrize("run", ["fit", "evaluate", "predict"])
def test_an_error_of_the_generator_comes_as_it_is(rng: np.random.Generator, run: str) -> None:
    model = small()
    with pytest.raises(Stop, match="in the generator"):
        getattr(model, run)(failing(batches_of(inputs(rng), half(rng))), verbose=0)
    assert prefetching() == 0


@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_batch_is_made_beyond_the_queue(rng: np.random.Generator, size: int) -> None:
    batches = batches_of(inputs(rng), half(rng), size=1)
    made, most = [], []

    class Counting(InMemory):
        def __getitem__(self, index: int) -> Any:
            made.append(index)
            return super().__getitem__(index)

    class Watching(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            time.sleep(0.002)
            most.append(len(made) - batch - 1)

    small().fit(Counting(batches, max_queue_size=size), verbose=0, callbacks=[Watching()])
    assert max(most) <= size
    assert len(made) == len(batches)


def test_batches_are_made_while_the_model_works(rng: np.random.Generator) -> None:
    batch = inputs(rng), half(rng)
    seconds = 0.005

    class Slow(InMemory):
        def __getitem__(self, index: int) -> Any:
            time.sleep(seconds)
            return batch

    class Busy(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            time.sleep(seconds)

    def seconds_of(data: Any, *callbacks: Any) -> float:
        started = time.perf_counter()
        model.fit(data, verbose=0, callbacks=callbacks)
        return time.perf_counter() - started

    def ratio() -> float:
        alone = max(seconds_of(Slow([batch] * 40)), seconds_of(InMemory([batch] * 40), Busy()))
        return seconds_of(Slow([batch] * 40), Busy()) / alone

    model = small()
    assert any(ratio() < 1.5 for _ in range(10))  # other processes may have the machine meanwhile


# --- arguments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"y": np.zeros(4)}, r"y: the generator gives batches \(x, y, sample_weight\), so y cannot be given"),
        ({"sample_weight": np.zeros(4)}, "so sample_weight cannot be given"),
        ({"validation_split": 0.2}, "validation_split: the generator cannot be split; give validation_data"),
        ({"steps_per_epoch": 0}, "steps must be a positive integer, got 0"),
        ({"steps_per_epoch": 1.5}, "steps must be a positive integer, got 1.5"),
        ({"epochs": -1}, "fit: epochs must be at least 0, got -1"),
        ({"epochs": 1.5}, "fit: epochs must be an integer, got 1.5"),
        ({"initial_epoch": -1}, "fit: initial_epoch must be at least 0, got -1"),
        ({"shuffle": "no"}, "fit: expected shuffle to be True, False or \"batch\", got 'no'"),
    ],
)
def test_arguments_that_a_stream_cannot_have_are_refused_before_a_batch_is_made(
    rng: np.random.Generator, options: dict[str, Any], message: str
) -> None:
    made = []

    def counting() -> Iterator[Any]:
        for batch in batches_of(inputs(rng), half(rng)):
            made.append(batch)
            yield batch

    with pytest.raises(ValueError, match=message):
        small().fit(counting(), verbose=0, **options)
    assert not made


def test_an_endless_data_set_needs_a_number_of_steps(rng: np.random.Generator) -> None:
    batch = inputs(rng), half(rng)

    class Endless(PyDataset):
        num_batches = None

        def __getitem__(self, index: int) -> Any:
            return batch

    model = small()
    with pytest.raises(ValueError, match="the PyDataset has no end; say how many of its batches make an epoch"):
        model.fit(Endless(), verbose=0)
    assert len(model.fit(Endless(), steps_per_epoch=3, epochs=2, verbose=0).history["loss"]) == 2


def test_a_batch_size_is_told_to_have_no_effect(rng: np.random.Generator) -> None:
    batches = batches_of(inputs(rng), half(rng))
    with pytest.warns(UserWarning, match="batch_size has no effect, as the PyDataset makes the batches"):
        small().fit(InMemory(batches), batch_size=4, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, y = inputs(rng), half(rng)
        small().fit(x, y, batch_size=4, validation_data=InMemory(batches), verbose=0)


def test_data_that_do_not_fit_are_an_error_before_anything_begins(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    model, before = small(), Events()
    with pytest.raises(ValueError, match=r"Batch 0 of the PyDataset: .*expected input of shape \(None, 5, 3\)"):
        model.fit(InMemory(batches_of(x[..., :2], y)), verbose=0, callbacks=[before])
    with pytest.raises(ValueError, match="Batch 0 of the PyDataset: fit: needs the targets y"):
        model.fit(x, y, validation_data=InMemory(batches_of(x)), verbose=0, callbacks=[before])
    assert before.calls == []
    y[20] = np.nan
    with pytest.raises(ValueError, match="Batch 2 of the PyDataset: y: expected numbers, got 1 NaN"):
        model.fit(InMemory(batches_of(x, y)), shuffle=False, verbose=0)


# --- steps_per_execution ----------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("steps_per_execution", [1, 3, 100])
def test_callbacks_come_every_so_many_batches_as_in_keras(
    keras: Any, rng: np.random.Generator, steps_per_execution: int
) -> None:
    x, y = inputs(rng), half(rng)
    calls, results = [], []
    weights = [rng.normal(size=shape).astype("float32") / 3 for shape in ((F, 12), (4, 12), (2, 12), (4, 1), (1,))]
    for k, events in ((keras, recorder(keras)), (fastgru, Events())):
        model = k.Sequential([k.layers.Input((T, F)), k.layers.GRU(4), k.layers.Dense(1, activation="sigmoid")])
        model.set_weights(weights)
        model.compile("sgd", "binary_crossentropy", steps_per_execution=steps_per_execution)
        assert model.steps_per_execution == steps_per_execution
        history = model.fit(x, y, SIZE, 2, shuffle=False, verbose=0, callbacks=[events], validation_data=(x, y)).history
        predicted = model.predict(x, SIZE, callbacks=[events], verbose=0)
        calls.append(events.calls)
        results.append([history["loss"], history["val_loss"], predicted[:, 0]])
    assert calls[0] == calls[1]
    for theirs, ours in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("value", [0, -1, 1.5, "a", True])
def test_steps_per_execution_is_a_number_of_batches(value: Any) -> None:
    with pytest.raises(ValueError, match="compile: steps_per_execution must be a positive integer"):
        small(steps_per_execution=value)


@pytest.mark.keras
@pytest.mark.parametrize("options", [{}, {"run_eagerly": True, "steps_per_execution": 3}, {"jit_compile": False}])
def test_how_keras_would_run_is_kept_as_attributes(keras: Any, options: dict[str, Any]) -> None:
    for compiled in (False, True):
        values = []
        for k in (keras, fastgru):
            model = k.Sequential([k.layers.Input((3,)), k.layers.Dense(1)])
            if compiled:
                model.compile("sgd", "mse", **options)
            values.append((model.run_eagerly, model.jit_compile, model.steps_per_execution))
        assert values[0] == values[1]
    assert model.auto_scale_loss is True


# --- the methods of Keras 2 -------------------------------------------------------------------------


def test_the_methods_for_generators_do_what_fit_evaluate_and_predict_do(rng: np.random.Generator) -> None:
    x, y = inputs(rng), half(rng)
    batches = batches_of(x, y)
    results = []
    for old in (False, True):
        fastgru.utils.set_random_seed(1)
        model = small()
        options = {"epochs": 2, "validation_data": InMemory(batches), "class_weight": {1: 2.0}, "verbose": 0}
        if old:
            with pytest.warns(DeprecationWarning, match="fit_generator is called fit now") as warned:
                history = model.fit_generator(
                    InMemory(batches), 6, shuffle=False, workers=2, max_queue_size=3, **options
                )
            assert {warning.filename for warning in warned} == {__file__}
            with pytest.warns(DeprecationWarning, match="evaluate_generator is called evaluate now"):
                score = model.evaluate_generator(InMemory(batches), workers=4, use_multiprocessing=False)
            with pytest.warns(DeprecationWarning, match="predict_generator is called predict now"):
                predicted = model.predict_generator(iter_of(batches), 6)
        else:
            history = model.fit(InMemory(batches), shuffle=False, steps_per_epoch=6, **options)
            score, predicted = model.evaluate(InMemory(batches), verbose=0), model.predict(iter_of(batches), steps=6)
        results.append((history.history, score, predicted.tolist()))
    assert results[0] == results[1]
    with pytest.warns(DeprecationWarning), pytest.raises(ValueError, match="expected a generator or a PyDataset, got"):
        small().fit_generator(x)
