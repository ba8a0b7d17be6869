"""fastgru.sklearn: estimators that scikit-learn's own checks, pipelines and searches take."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="fastgru.sklearn needs the extra [sklearn]")

from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastgru import losses, optimizers, random, utils
from fastgru.models import load_model
from fastgru.sklearn import GRUClassifier, GRURegressor

ESTIMATORS = [GRUClassifier, GRURegressor]
FAILING = {
    # batches in a drawn order are other batches where a sample is there twice; scikit-learn's own SGD fails it, too
    "check_sample_weight_equivalence_on_dense_data": "weights are not the same as removing or repeating samples",
    "check_regressor_multioutput": "asks for float64, and the network answers in float32",
}


@parametrize_with_checks(
    [GRUClassifier(), GRURegressor(), GRUClassifier((6, 5), bidirectional=True, early_stopping=True, epochs=60)],
    expected_failed_checks=lambda _: FAILING,
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def waves(count: int = 120, steps: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Sequences (count, steps, 2), and whether each of them rises in frequency."""
    draw = np.random.default_rng(3)
    classes = draw.integers(0, 2, count)
    time = np.linspace(0, 1, steps)
    phase = 2 * np.pi * np.where(classes[:, None], 1 + 2 * time, 3 - 2 * time) * time
    x = np.stack([np.sin(phase), np.cos(phase)], -1) + 0.1 * draw.standard_normal((count, steps, 2))
    return x, np.array(["falls", "rises"])[classes]


def test_a_classifier_learns_sequences_and_its_shares_are_those_of_the_model() -> None:
    x, y = waves()
    classifier = GRUClassifier(16, epochs=30, random_state=0).fit(x[:80], y[:80])
    assert classifier.score(x[80:], y[80:]) > 0.9
    assert classifier.classes_.tolist() == ["falls", "rises"]
    assert classifier.n_features_in_ == 2
    assert len(classifier.history_["loss"]) == classifier.n_iter_ == 30
    shares = classifier.predict_proba(x[80:])
    np.testing.assert_array_equal(shares, classifier.model_.predict(x[80:].astype("f4"), verbose=0))
    np.testing.assert_array_equal(classifier.classes_[shares.argmax(1)], classifier.predict(x[80:]))


def test_a_regressor_learns_one_number_or_several() -> None:
    x, _ = waves()
    y = x[:, -3:].mean(axis=1)
    several = GRURegressor(16, epochs=60, learning_rate=0.01, random_state=0).fit(x, y)
    assert several.predict(x).shape == y.shape
    assert several.score(x, y) > 0.9
    one = GRURegressor(16, epochs=60, learning_rate=0.01, random_state=0).fit(x, y[:, 0])
    assert one.predict(x).shape == (len(x),)
    assert one.score(x, y[:, 0]) > 0.9


def test_columns_of_a_table_are_steps() -> None:
    x, y = waves()
    table = x.reshape(len(x), -1)
    by_steps = GRUClassifier(8, epochs=3, random_state=0).fit(x, y)
    by_columns = GRUClassifier(8, epochs=3, random_state=0, features_per_step=2).fit(table, y)
    np.testing.assert_array_equal(by_steps.predict_proba(x), by_columns.predict_proba(table))
    with pytest.raises(ValueError, match="24 columns, which do not divide into steps of features_per_step=5"):
        GRUClassifier(features_per_step=5).fit(table, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_sequences_of_unequal_length_answer_as_each_does_alone(estimator: Any) -> None:
    x, _ = waves(40)
    sequences = [row[: 4 + number % 9] for number, row in enumerate(x)]
    y = np.array([len(sequence) > 8 for sequence in sequences]).astype(float)
    trained = estimator(8, epochs=3, early_stopping=True, random_state=0).fit(sequences, y)
    answers = trained.predict_proba(sequences) if estimator is GRUClassifier else trained.predict(sequences)
    for sequence, answer in zip(sequences, answers, strict=True):
        alone = trained.model_.predict(sequence[None].astype("f4"), verbose=0)[0]
        np.testing.assert_allclose(np.squeeze(alone), answer, atol=1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_other_features_than_fit_saw_are_refused(estimator: Any) -> None:
    x, y = waves(20)
    trained = estimator(4, epochs=1).fit(x, y == "rises")
    with pytest.raises(ValueError, match=r"X has 3 features, but GRU.* is expecting 2 features"):
        trained.predict(np.zeros((4, 12, 3)))
    with pytest.raises(ValueError, match=r"the sequences in X have \[1, 2\] features a step"):
        trained.predict([np.zeros((3, 1)), np.zeros((4, 2))])


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_same_random_state_gives_the_same_bits_and_leaves_the_package_s_stream(estimator: Any) -> None:
    x, y = waves(40)
    y = y == "rises"
    utils.set_random_seed(1)
    before = random.stream().bit_generator.state
    first, second = (estimator(8, epochs=2, dropout=0.3, random_state=5).fit(x, y).model_ for _ in range(2))
    assert random.stream().bit_generator.state == before
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_pickled_cloned_and_saved_estimators_answer_alike(estimator: Any, tmp_path: Any) -> None:
    x, y = waves(30)
    y = y == "rises"
    trained = estimator(8, epochs=2, random_state=0).fit(x, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(trained)).predict(x), trained.predict(x))
    np.testing.assert_array_equal(clone(trained).fit(x, y).predict(x), trained.predict(x))
    trained.model_.save(tmp_path / "network.keras")
    read = load_model(tmp_path / "network.keras").predict(x.astype("f4"), verbose=0)
    np.testing.assert_array_equal(read, trained.model_.predict(x.astype("f4"), verbose=0))


def test_searches_pipelines_and_cross_validation() -> None:
    x, y = waves()
    table = x.reshape(len(x), -1)
    pipeline = make_pipeline(StandardScaler(), GRUClassifier(epochs=25, features_per_step=2, random_state=0))
    search = GridSearchCV(pipeline, {"gruclassifier__units": [2, (12, 8)]}, cv=3, n_jobs=2).fit(table, y)
    assert search.best_score_ > 0.85
    as_sequences = make_pipeline(FunctionTransformer(lambda rows: rows.reshape(len(rows), -1, 2)), GRUClassifier(12))
    assert cross_val_score(as_sequences, table, y, cv=3).mean() > 0.8
    assert cross_val_score(GRURegressor(12), x, x[:, -1, 0], cv=3).mean() > 0.5


def test_early_stopping_sets_samples_aside_and_takes_the_best_epoch() -> None:
    x, y = waves(60)
    stopped = GRUClassifier(8, epochs=400, learning_rate=0.05, early_stopping=True, patience=3, random_state=0).fit(
        x, y
    )
    assert stopped.n_iter_ < 400
    assert len(stopped.history_["val_loss"]) == stopped.n_iter_
    assert stopped.n_iter_ - 1 - int(np.argmin(stopped.history_["val_loss"])) == 3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_partial_fit_goes_on_where_it_was(estimator: Any) -> None:
    x, y = waves()
    labels: Any = y if estimator is GRUClassifier else x[:, -1, 0]
    classes = {"classes": ["falls", "rises"]} if estimator is GRUClassifier else {}
    trained = estimator(12, random_state=0)
    for _ in range(30):
        trained.partial_fit(x, labels, **classes)
    assert trained.model_.optimizer.iterations == 30 * 4
    assert trained.score(x, labels) > 0.8


def test_partial_fit_needs_the_classes_and_no_others() -> None:
    x, y = waves(20)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        GRUClassifier().partial_fit(x, y)
    classifier = GRUClassifier().partial_fit(x, y, classes=["falls", "rises"])
    with pytest.raises(ValueError, match="is not what the first call named"):
        classifier.partial_fit(x, y, classes=["falls", "stays"])
    with pytest.raises(ValueError, match="which is none of the classes"):
        classifier.partial_fit(x, np.full(len(x), "stays"))


def test_labels_that_are_numbers_are_named_as_they_are_written() -> None:
    x, y = waves(20)
    classifier = GRUClassifier().partial_fit(x, (y == "rises").astype(int), classes=[0, 1])
    with pytest.raises(ValueError, match=r"classes=\[0, 2\] is not what the first call named: \[0, 1\]\."):
        classifier.partial_fit(x, (y == "rises").astype(int), classes=np.array([0, 2]))
    with pytest.raises(ValueError, match=r"y holds 2, which is none of the classes \[0, 1\]\."):
        classifier.partial_fit(x, np.full(len(x), 2))


@pytest.mark.parametrize("loss", [None, lambda y, answers: (y - answers) ** 2])
def test_partial_fit_needs_as_many_numbers_as_the_first_call_had(loss: Any) -> None:
    x, _ = waves(20)
    regressor = GRURegressor(loss=loss).partial_fit(x, x[:, -1, :])
    for y, count in ((x[:, -1, 0], 1), (x[:, :3, 0], 3)):
        with pytest.raises(ValueError, match=rf"expected y of 2 numbers a sample, as the first call had, got {count};"):
            regressor.partial_fit(x, y)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_targets_of_another_length_change_nothing(estimator: Any) -> None:
    x, y = waves(20)
    labels: Any = (y == "rises").astype(int)
    classes = {"classes": [0, 1]} if estimator is GRUClassifier else {}
    trained = estimator(4, epochs=1)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        trained.partial_fit(x, labels[:5], **classes)
    assert not hasattr(trained, "model_")
    answers = trained.fit(x, labels).predict(x)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        trained.fit(x, labels[:5] + 3)
    np.testing.assert_array_equal(trained.predict(x), answers)


def test_an_optimizer_and_a_loss_of_the_user_s_stay_as_they_were() -> None:
    x, _ = waves(20)
    optimizer, loss = optimizers.RMSprop(0.1), losses.Huber(0.5)
    regressor = GRURegressor(4, epochs=2, optimizer=optimizer, learning_rate=None, loss=loss).fit(x, x[:, 0, 0])
    assert optimizer.iterations == 0
    assert regressor.model_.optimizer.iterations == 2
    assert float(regressor.model_.optimizer.learning_rate) == pytest.approx(0.1)
    assert isinstance(regressor.model_.loss, losses.Huber)


def test_weights_of_samples_count() -> None:
    x, y = waves(60)
    y[:30] = np.where(y[:30] == "rises", "falls", "rises")  # wrong, and of no weight
    weights = np.repeat([0.0, 1.0], 30)
    assert GRUClassifier(12, random_state=0).fit(x, y, sample_weight=weights).score(x[30:], y[30:]) > 0.9


@pytest.mark.parametrize("width", [0, -1, 1.0])
def test_a_step_of_a_table_has_a_whole_number_of_columns(width: Any) -> None:
    x, labels = waves(20)
    with pytest.raises(ValueError, match="features_per_step"):
        GRUClassifier(4, features_per_step=width).fit(x[:, :, 0], labels)
