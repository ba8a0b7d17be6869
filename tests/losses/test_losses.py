"""Losses: Keras's numbers and gradients, central differences, and refusals of labels that cannot be right."""

from __future__ import annotations

import numpy as np
import pytest
from arrangements import ARRANGEMENTS

from fastgru import kernels, losses, ops
from fastgru.kernels.reference import losses as reference
from fastgru.registry import serialize

REDUCTIONS = ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"]
CASES = [
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}),
    ("BinaryCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2, "axis": 1}),
    ("CategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.2}),
    ("CategoricalCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
    ("CategoricalCrossentropy", {"axis": 1}),
    ("CategoricalCrossentropy", {"axis": 1, "from_logits": True}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}),
    ("SparseCategoricalCrossentropy", {"ignore_class": -1, "from_logits": True}),
]


def example(rng, name, options, shape=(4, 5, 3), dtype="float64"):
    """Labels and predictions a loss with these options can take."""
    classes = shape[-1]
    predictions = rng.standard_normal(shape)
    if "Crossentropy" in name and not options.get("from_logits"):
        predictions = rng.uniform(0.05, 0.95, shape)
    if name.startswith("Sparse"):
        labels = rng.integers(0, classes, shape[:-1])
        if options.get("ignore_class") == -1:
            labels[labels == 1] = -1
    elif name.startswith("Categorical"):
        labels = np.eye(classes)[rng.integers(0, classes, shape[:-1])]
    elif name.startswith("Binary"):
        labels = rng.integers(0, 2, shape)
    else:
        labels = rng.standard_normal(shape)
    return labels.astype("float32"), predictions.astype(dtype)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.keras
def test_value_and_gradient_are_those_of_keras(keras, rng, name, options, weighted, reduction):
    import jax

    y_true, y_pred = example(rng, name, options, dtype="float32")
    shape = (4, 3) if options.get("axis") == 1 else (4, 5)
    weights = rng.uniform(0, 2, shape).astype("float32") if weighted else None
    theirs = getattr(keras.losses, name)(**options, reduction=reduction)
    value, gradient = jax.value_and_grad(lambda p: theirs(y_true, p, weights))(y_pred)
    ours = getattr(losses, name)(**options, reduction=reduction)
    our_value, our_gradient = ours.value_and_gradient(y_true, y_pred, weights)
    assert our_value == pytest.approx(float(value), rel=2e-6)
    assert ours(y_true, y_pred, weights) == our_value
    assert our_gradient.dtype == "float32" and our_gradient.shape == y_pred.shape
    np.testing.assert_allclose(our_gradient, gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "options"), [*CASES, ("SparseCategoricalCrossentropy", {"axis": 1})])
def test_gradient_is_the_derivative(rng, name, options, reduction):
    loss = getattr(losses, name)(**options, reduction=reduction)
    y_true, y_pred = example(rng, name, options)
    if name.startswith("Sparse") and "axis" in options:
        y_pred = np.moveaxis(y_pred, -1, 1).copy()
    weights = rng.uniform(0, 2, (4, 3) if options.get("axis") == 1 and not name.startswith("Sparse") else (4, 5))
    _, gradient = loss.value_and_gradient(y_true, y_pred, weights)
    expected = np.empty_like(y_pred)
    for i in np.ndindex(y_pred.shape):
        above, below = y_pred.copy(), y_pred.copy()
        above[i] += 1e-6
        below[i] -= 1e-6
        expected[i] = (loss(y_true, above, weights) - loss(y_true, below, weights)) / 2e-6
    assert np.abs(gradient - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
@pytest.mark.keras
def test_probabilities_of_0_and_1_are_clipped_as_in_keras(keras, name):
    import jax

    y_pred = np.float32([[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]])
    y_true = np.float32([1, 1, 2]) if name.startswith("Sparse") else np.float32([[0, 1, 0], [0, 1, 0], [0, 0, 1]])
    theirs = getattr(keras.losses, name)()
    value, gradient = jax.value_and_grad(lambda p: theirs(y_true, p))(y_pred)
    our_value, our_gradient = getattr(losses, name)().value_and_gradient(y_true, y_pred)
    assert our_value == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_allclose(our_gradient, gradient, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e3, 1e30])
def test_huge_logits_give_finite_losses_and_gradients(scale):
    logits = np.float32([[-scale, scale], [scale, 0]])
    for name, labels in [
        ("BinaryCrossentropy", [[1, 1], [0, 1]]),
        ("CategoricalCrossentropy", [[1, 0], [0, 1]]),
        ("SparseCategoricalCrossentropy", [0, 1]),
    ]:
        with np.errstate(all="raise", under="ignore"):
            value, gradient = getattr(losses, name)(from_logits=True).value_and_gradient(labels, logits)
        assert np.isfinite(value) and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("true_shape", "pred_shape", "weight_shape"),
    [
        ((4,), (4, 1), None),
        ((4, 1), (4,), None),
        ((4, 5), (4, 5, 1), (4,)),
        ((4, 5, 1), (4, 5), None),
        ((4, 3), (4, 3), (4, 1)),
        ((4, 5, 3), (4, 5, 3), (4, 1)),
        ((4, 5, 3), (4, 5, 3), (4, 5, 1)),
    ],
)
@pytest.mark.parametrize("name", ["MeanSquaredError", "BinaryCrossentropy"])
@pytest.mark.keras
def test_ranks_are_matched_as_in_keras(keras, rng, name, true_shape, pred_shape, weight_shape):
    y_true = rng.integers(0, 2, true_shape).astype("float32")
    y_pred = rng.uniform(0.1, 0.9, pred_shape).astype("float32")
    weights = None if weight_shape is None else rng.uniform(0, 2, weight_shape).astype("float32")
    expected = float(getattr(keras.losses, name)()(y_true, y_pred, weights))
    value, gradient = getattr(losses, name)().value_and_gradient(y_true, y_pred, weights)
    assert value == pytest.approx(expected, rel=1e-6) and gradient.shape == pred_shape


@pytest.mark.parametrize("name", ["MeanSquaredError", "SparseCategoricalCrossentropy"])
def test_a_weight_for_each_sample_counts_for_all_its_steps(rng, name):
    y_true, y_pred = example(rng, name, {})
    loss = getattr(losses, name)()
    weights = rng.uniform(0, 2, 4)
    repeated = np.repeat(weights[:, None], 5, axis=1)
    assert loss(y_true, y_pred, weights) == pytest.approx(loss(y_true, y_pred, repeated), rel=1e-12)


@pytest.mark.parametrize("labels", [(4, 5), (4, 5, 1)])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_class_numbers_may_have_a_last_axis_and_any_dtype(rng, labels, dtype):
    y_true, y_pred = example(rng, "SparseCategoricalCrossentropy", {})
    one_hot = np.eye(3)[y_true.astype(int)]
    expected = losses.CategoricalCrossentropy()(one_hot, y_pred)
    numbers = y_true.reshape(labels).astype(dtype)
    assert losses.SparseCategoricalCrossentropy()(numbers, y_pred) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.keras
def test_masked_steps_count_as_in_keras(keras, rng, weighted, reduction):
    from keras.src.losses.loss import reduce_weighted_values

    y_true, y_pred = example(rng, "SparseCategoricalCrossentropy", {}, dtype="float32")
    mask = rng.random((4, 5)) > 0.3
    weights = rng.uniform(0, 2, (4, 5)).astype("float32") if weighted else None
    values = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)
    expected = float(reduce_weighted_values(values, weights, mask, reduction))
    loss = losses.SparseCategoricalCrossentropy(reduction=reduction)
    value, gradient = loss.value_and_gradient(y_true, y_pred, weights, mask)
    assert value == pytest.approx(expected, rel=1e-6)
    assert not gradient[~mask].any() and gradient[mask].any()


def test_reduction_none_gives_the_values_and_cannot_train(rng):
    y_true, y_pred = example(rng, "MeanSquaredError", {})
    loss = losses.MeanSquaredError(reduction="none")
    np.testing.assert_allclose(loss(y_true, y_pred), np.square(y_true - y_pred).mean(axis=-1))
    with pytest.raises(ValueError, match="no single number"):
        loss.value_and_gradient(y_true, y_pred)


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.keras
def test_function_forms_and_configs_are_those_of_keras(keras, rng, name, options):
    y_true, y_pred = example(rng, name, options, dtype="float32")
    theirs = getattr(keras.losses, name)(**options)
    function = keras.src.utils.naming.to_snake_case(name)
    np.testing.assert_allclose(
        getattr(losses, function)(y_true, y_pred, **options),
        np.asarray(getattr(keras.losses, function)(y_true, y_pred, **options)),
        rtol=1e-5,
        atol=1e-6,
    )
    spec = keras.losses.serialize(theirs)
    expected = {key: spec[key] for key in ("module", "class_name", "config", "registered_name")}
    assert serialize(getattr(losses, name)(**options)) == expected
    assert serialize(losses.get(spec)) == expected


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        ("mse", "MeanSquaredError"),
        ("MSE", "MeanSquaredError"),
        ("mean_squared_error", "MeanSquaredError"),
        ("mae", "MeanAbsoluteError"),
        ("MAE", "MeanAbsoluteError"),
        ("bce", "BinaryCrossentropy"),
        ("binary_crossentropy", "BinaryCrossentropy"),
        ("BinaryCrossentropy", "BinaryCrossentropy"),
        ("categorical_crossentropy", "CategoricalCrossentropy"),
        ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy"),
        (losses.mean_absolute_error, "MeanAbsoluteError"),
        (losses.BinaryCrossentropy, "BinaryCrossentropy"),
        ({"class_name": "function", "config": "mse"}, "MeanSquaredError"),
    ],
)
def test_names_resolve_as_in_keras(identifier, cls):
    assert type(losses.get(identifier)).__name__ == cls


@pytest.mark.parametrize(
    ("true_shape", "pred_shape", "cls"),
    [
        ((4, 1), (4, 1), "BinaryCrossentropy"),
        ((4,), (4, 3), "SparseCategoricalCrossentropy"),
        ((4, 1), (4, 3), "SparseCategoricalCrossentropy"),
        ((4, 3), (4, 3), "CategoricalCrossentropy"),
    ],
)
@pytest.mark.parametrize("name", ["crossentropy", "ce", "CE"])
def test_crossentropy_picks_its_form_by_the_shapes(name, true_shape, pred_shape, cls):
    assert type(losses.resolve(name, true_shape, pred_shape)).__name__ == cls


def test_a_function_trains_and_so_does_a_loss_with_pullback():
    distance = losses.get(lambda y_true, y_pred: abs(y_true - y_pred))
    assert distance([1.0, 2.0], [2.0, 4.0]) == 1.5
    value, gradient = distance.value_and_gradient([1.0, 5.0], [2.0, 4.0])
    assert (value, gradient.tolist()) == (1, [0.5, -0.5])

    class Quartic(losses.Loss):
        def with_pullback(self, y_true, y_pred):
            error = y_pred - y_true
            return error**4, lambda d: 4 * error**3 * d

    value, gradient = Quartic().value_and_gradient([1.0, 2.0], np.array([2.0, 4.0]))
    assert value == 8.5 and gradient.tolist() == [2.0, 16.0]


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred", "message"),
    [
        ("SparseCategoricalCrossentropy", [0, 3], (2, 3), "labels from 0 to 2, got 3"),
        ("SparseCategoricalCrossentropy", [0, -1], (2, 3), "labels from 0 to 2, got -1"),
        ("SparseCategoricalCrossentropy", [0, np.nan], (2, 3), "labels contain NaN"),
        ("SparseCategoricalCrossentropy", [0, 1, 2], (2, 3), r"shape \(2,\), got \(3,\)"),
        ("SparseCategoricalCrossentropy", [[0, 1, 1]] * 2, (2, 3), r"shape \(2,\), got \(2, 3\)"),
        ("MeanSquaredError", [[np.nan]], (1, 1), "labels contain NaN"),
        ("BinaryCrossentropy", [np.nan, 1], (2, 1), "labels contain NaN"),
        ("CategoricalCrossentropy", [[np.nan, 1]], (1, 2), "labels contain NaN"),
        ("MeanSquaredError", [[1.0]], (1, 2), r"\(1, 2\), got \(1, 1\)"),
        ("MeanAbsoluteError", [1.0, 2.0], (2, 3), r"\(2, 3\), got \(2,\)"),
        ("CategoricalCrossentropy", [[0, 1]], (1, 3), r"\(1, 3\), got \(1, 2\)"),
    ],
)
def test_labels_that_cannot_be_right_are_refused(name, y_true, y_pred, message):
    loss = getattr(losses, name)()
    predictions = np.full(y_pred, 0.5)
    for call in (loss, loss.value_and_gradient):
        with pytest.raises(ValueError, match=message):
            call(y_true, predictions)
    with pytest.raises(ValueError, match=message):
        loss.check(y_true, y_pred)


def test_nan_predictions_are_not_an_error_of_the_labels():
    value, _ = losses.MeanSquaredError().value_and_gradient([[1.0]], np.array([[np.nan]]))
    assert np.isnan(value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.get("mean_squared_eror"), "did you mean 'mean_squared_error'"),
        (lambda: losses.MeanSquaredError(reduction="average"), "'average'"),
        (lambda: losses.MeanSquaredError(dtype="float16"), "dtype must be one of float32, float64, got 'float16'"),
        (lambda: losses.MeanSquaredError(dtype="bfloat16"), "dtype must be one of float32, float64, got 'bfloat16'"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=-1), r"label_smoothing must lie in \[0, 1\], got -1"),
        (lambda: losses.Huber(delta=0), "Huber: delta must be greater than 0, got 0"),
        (lambda: losses.CategoricalFocalCrossentropy(gamma=-1), "gamma must be at least 0, got -1"),
        (lambda: losses.Tversky(alpha=-1), "alpha must be at least 0, got -1"),
        (lambda: losses.MeanSquaredError()([[1.0]], [[1.0]], [1.0, 2.0]), r"sample weights of shape \(1,\)"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("shape", [(6, 3), (4, 5, 3)])
@pytest.mark.parametrize("arrange", ARRANGEMENTS.values(), ids=ARRANGEMENTS)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_labels_and_predictions_may_lie_in_memory_as_they_like(rng, name, options, arrange, shape):
    y_true, y_pred = example(rng, name, options, shape)
    loss = getattr(losses, name)(**options)
    value, gradient = loss.value_and_gradient(y_true, y_pred)
    arranged_value, arranged_gradient = loss.value_and_gradient(arrange(y_true), arrange(y_pred))
    assert arranged_value == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(arranged_gradient, gradient, rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_loss_computes_in_its_own_dtype_and_its_gradient_has_that_of_the_predictions(rng, name, options):
    y_true, y_pred = example(rng, name, options, dtype="float32")
    value, gradient = getattr(losses, name)(**options).value_and_gradient(y_true, y_pred.astype("float64"))
    value_of_floats, float_gradient = getattr(losses, name)(**options, dtype="float64").value_and_gradient(
        y_true, y_pred
    )
    assert value_of_floats == value
    assert float_gradient.dtype == "float32"
    np.testing.assert_array_equal(float_gradient, gradient.astype("float32"))


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_predictions_in_float16_are_compared_in_float32_as_in_keras(certain):
    wrong = np.array([[1 - certain]])
    loss = losses.BinaryCrossentropy()(wrong, np.array([[certain]], "float16"))
    assert loss == pytest.approx(-np.log(1e-7), rel=2e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.usefixtures("every_engine")
def test_a_kernel_gives_the_numbers_of_its_numpy_twin(rng, name, dtype):
    p = rng.uniform(0, 1, (50, 7))
    p[:3, 0], p[3:6, 0] = 0, 1  # these are moved away from 0 and 1, and have no gradient
    p[5, 1:] = 0
    t = rng.uniform(0, 1, p.shape)
    t, p = t.astype(dtype), p.astype(dtype)
    if name.startswith("sparse"):
        t = rng.integers(0, 7, 50)
    outputs = np.empty(len(p), dtype), np.empty(p.shape, dtype)
    getattr(kernels.module(dtype), name)(t, p, *outputs)
    for ours, twin in zip(outputs, getattr(reference, name)(t, p), strict=True):
        np.testing.assert_allclose(ours, twin, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-12)


def test_a_loss_that_defines_its_call_trains_and_evaluates(rng):
    class Total(losses.Loss):
        def __call__(self, y_true, y_pred, sample_weight=None):
            return ops.sum((y_pred - y_true) ** 2)

    y, predictions = rng.normal(size=(2, 4, 3)).astype("float32")
    value, gradient = Total().value_and_gradient(y, predictions)
    assert value == pytest.approx(((predictions - y) ** 2).sum(), rel=1e-5) == Total().value(y, predictions)
    np.testing.assert_allclose(gradient, 2 * (predictions - y), rtol=1e-5)
