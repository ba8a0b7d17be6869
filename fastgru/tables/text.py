"""Classes of texts. The vocabulary is a layer of the saved model, which so takes texts as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastgru.layers import Dense, Embedding, Input, TextVectorization
from fastgru.models.model import Model
from fastgru.tables import answers, split
from fastgru.tables.network import Networks, Size, recurrent
from fastgru.tables.plan import Plan
from fastgru.tables.samples import Answers, Outcome, Predict, Samples, check_parts
from fastgru.tables.supervised import class_numbers, classes_of, said
from fastgru.tables.table import Table, is_missing
from fastgru.types import Array

WORDS = 20_000  # in a vocabulary at most
LONGEST = 200  # words of a text, where no window says so
EMBEDDED = 64  # numbers for a word


class Texts:
    """Texts with a class each.

    Parameters
    ----------
    table, plan, shares
        As of `Forecast`; the plan's window is how many words of a text count.
    seed : int
        Of the order in which texts fall into parts.
    """

    loss, metrics = "sparse_categorical_crossentropy", ["accuracy"]

    parts: Sequence[Samples]

    def __init__(
        self, table: Table, plan: Plan, shares: tuple[float, float, float] | None = None, seed: int = 0
    ) -> None:
        if plan.text is None:
            plan = replace(plan, text=_the_text(table, plan))
        texts, labels = _texts(table, plan), table.require(plan.target, "--target")
        if labels.dtype != object:
            raise ValueError(f"{table.file}, column {plan.target!r}: expected classes, got times.")
        whole = ~is_missing(labels)
        self.notes = list(table.notes)
        if not whole.all():
            self.notes.append(f"rows without a {plan.target!r}: {(~whole).sum():,}; they are left out")
        texts, labels = texts[whole], labels[whole]
        if shares is None:
            self.plan, self.texts = plan, texts
            self.labels = class_numbers(labels, plan, table.file)
            self.common = None
            return
        plan = replace(plan, classes=classes_of(labels))
        if len(plan.classes) < 2:
            raise ValueError(
                f"{table.file}, column {plan.target!r}: expected two classes at least, got {plan.classes}."
            )
        numbers = class_numbers(labels, plan, table.file)
        part = split.drawn(len(texts), shares, seed)
        training = texts[part == split.TRAINING]
        if plan.window is None:
            counts = [len(text.split()) for text in training]
            plan = replace(plan, window=int(min(max(1.0, np.percentile(counts, 95)), LONGEST)) if counts else 1)
        self.plan = plan
        self.vocabulary = TextVectorization(max_tokens=WORDS, output_sequence_length=plan.window)
        if len(training):
            self.vocabulary.adapt(training)
        self.parts = [
            Samples(self._indices(texts[part == number]), numbers[part == number]) for number in range(len(split.PARTS))
        ]
        check_parts(self.parts, table.file, "texts", f"the file has {len(texts):,}; change --split")
        self.common = int(np.bincount(numbers[part == split.TRAINING]).argmax())
        self.texts, self.labels = texts[part == split.TEST], numbers[part == split.TEST]

    def _indices(self, texts: Array) -> Array:
        if not len(texts):
            return np.zeros((0, self.plan.window or 1), np.int64)
        return np.asarray(self.vocabulary(texts))

    def networks(self, size: Size) -> Networks:
        words = Input((self.plan.window,), dtype="int64", name="words")
        embedding = Embedding(len(self.vocabulary.get_vocabulary()), EMBEDDED, mask_zero=True)
        classes = Dense(len(self.plan.classes), activation="softmax", name="classes")(recurrent(size, embedding(words)))
        trained = Model(words, classes)
        texts = Input((1,), dtype="string", name="texts")
        return Networks(trained, Model(texts, trained(self.vocabulary(texts))))

    def outcome(self, predict: Predict) -> Outcome:
        predicted = predict(self.texts[:, np.newaxis])
        return answers.of_classes(predicted, self.labels, self.plan.classes, self.common)


def answer(table: Table, plan: Plan, predict: Predict) -> Answers:
    """The class of each text in a file."""
    texts = _texts(table, plan)
    predicted = predict(texts[:, np.newaxis])
    return Answers({"row": np.arange(len(texts)) + 1, **said(predicted, plan)}, predicted, table.notes)


def _texts(table: Table, plan: Plan) -> Array:
    assert plan.text is not None
    texts = table.require(plan.text, "--text")
    if texts.dtype != object:
        raise ValueError(f"{table.file}, column {plan.text!r}: expected texts, got numbers or times.")
    return texts


def _the_text(table: Table, plan: Plan) -> str:
    """The only column of text beside the target."""
    texts = [name for name, column in table.columns.items() if column.dtype == object and name != plan.target]
    if len(texts) != 1:
        names = ", ".join(map(repr, texts)) or "none"
        raise ValueError(
            f"{table.file}: expected one column of text beside the target, got {names}; name it by --text."
        )
    return texts[0]
