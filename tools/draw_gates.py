"""Draws docs/images/gates.png: a digit of MNIST, what the playground's GRU computes as it reads it, and its answer.

    python tools/draw_gates.py
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

import fastgru
from fastgru import plot
from fastgru.datasets import mnist
from fastgru.models import load_model

ROOT = Path(__file__).resolve().parents[1]
DIGIT = 15  # of the test images: one for which the answer changes on the way


def figure() -> Figure:
    """Four panels: what the GRU reads, its update gate, its state, and the answer after each row."""
    model = load_model(Path(fastgru.__file__).parent / "playground/mnist.keras")
    x = mnist.load_data()[1][0][DIGIT : DIGIT + 1] / 255
    (gates,) = model.explain(x).values()
    drawn = Figure(figsize=(11, 2.7), layout="constrained")
    image, update, state, answers = drawn.subplots(1, 4, width_ratios=(0.8, 1.15, 1.15, 1.2))
    image.imshow(x[0], cmap="Greys")
    image.set(title="read row by row", ylabel="step", xticks=[])
    plot.gate(gates["update"], "update", ax=update)
    plot.gate(gates["state"], "state", ax=state)
    plot.answers(model.predict_prefixes(x), top=3, ax=answers)
    answers.set_title("answer")
    return drawn


if __name__ == "__main__":
    figure().savefig(ROOT / "docs/images/gates.png", dpi=110)
