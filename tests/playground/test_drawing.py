"""Strokes become images as the model's training data were made, and are read right."""

from __future__ import annotations

from typing import Any

import javascript
import numpy as np
import pytest

from fastgru.models import load_model
from fastgru.playground.page import OWN_MODEL

SCRIPTS = "step.js", "drawing.js", "samples.js"
Strokes = list[list[list[float]]]


@pytest.fixture(scope="module")
def samples() -> list[Strokes]:
    return javascript.result("SAMPLES", None, *SCRIPTS)


def image(strokes: Strokes, size: int) -> np.ndarray:
    return np.array(javascript.result("imageOf(input[0], input[1])", [strokes, size], *SCRIPTS))


def images(drawings: list[Strokes]) -> np.ndarray:
    drawn: Any = javascript.result("input.map((strokes) => imageOf(strokes, 28))", drawings, *SCRIPTS)
    return np.array(drawn, "float32")


def test_a_digit_fills_the_box_of_mnist_around_its_centre_of_mass(samples: list[Strokes]) -> None:
    for ink in images(samples):
        rows, columns = (np.flatnonzero(ink.sum(axis) > 0.2) for axis in (1, 0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 22
        centre = [(ink.sum(axis) @ np.arange(28)) / ink.sum() for axis in (1, 0)]
        np.testing.assert_allclose(centre, 14, atol=0.6)  # as in MNIST
        assert ink.min() == 0 and ink.max() == 1


@pytest.mark.parametrize("size", [28, 8])
def test_place_and_size_of_a_drawing_do_not_matter(size: int, samples: list[Strokes]) -> None:
    small = [[[0.1 + x / 400, 0.7 + y / 400] for x, y in stroke] for stroke in samples[5]]
    np.testing.assert_allclose(image(small, size), image(samples[5], size), atol=1e-9)


@pytest.mark.parametrize("strokes", [[], [[[0.5, 0.5]]], [[[0.2, 0.3], [0.2, 0.3]]]], ids=["nothing", "dot", "pressed"])
def test_what_is_no_digit_is_an_image_too(strokes: Strokes) -> None:
    ink = image(strokes, 28)
    assert ink.shape == (28, 28) and np.isfinite(ink).all() and (ink.max() > 0) == bool(strokes)


def test_the_own_model_reads_digits_drawn_by_an_unsteady_hand(samples: list[Strokes], rng: np.random.Generator) -> None:
    drawings, labels = [], []
    for digit, strokes in enumerate(samples):
        for _ in range(20):
            angle, slant = rng.normal(0, 0.12, 2)
            way = np.array([[np.cos(angle), np.sin(angle)], [slant - np.sin(angle), np.cos(angle)]])
            way *= rng.uniform(0.7, 1, 2)
            drawn = [np.array(stroke) @ way + rng.normal(0, 0.7, (len(stroke), 2)) for stroke in strokes]
            drawings.append([stroke.tolist() for stroke in drawn])
            labels.append(digit)
    answers = load_model(OWN_MODEL).predict(images(drawings), verbose=0).argmax(axis=1)
    assert (answers == labels).mean() >= 0.98


def test_every_sample_is_read_right_and_surely(samples: list[Strokes]) -> None:
    answers = load_model(OWN_MODEL).predict(images(samples), verbose=0)
    assert answers.argmax(axis=1).tolist() == list(range(10)) and answers.max(axis=1).min() > 0.9
