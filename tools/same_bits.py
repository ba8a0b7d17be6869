"""Whether two versions of fastgru compute the same bits: random models, twenty training steps of each, on every way.

    python tools/same_bits.py > before.txt          # with one version installed
    python tools/same_bits.py --against before.txt  # with the other: prints what differs and fails

Each line is an instruction set, a way to multiply, a model's number, and the hash of the model's predictions before and
after training, its history and its weights. Anything that only the public API can tell stays the same between versions.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

STEPS, BATCH, BATCHES = 20, 8, 5


def recurrent(rng: np.random.Generator, sequences: bool, dtype: str) -> Any:
    """A recurrent layer with options drawn at random, perhaps in both directions."""
    from fastgru import layers

    both_ways = bool(rng.random() < 0.25)
    kind = [layers.GRU, layers.GRU, layers.LSTM, layers.SimpleRNN][rng.integers(4)]
    options: dict[str, Any] = {
        "activation": str(rng.choice(["tanh", "relu", "softsign", "elu"])),
        "use_bias": bool(rng.random() < 0.8),
        "bias_initializer": "random_normal",
        "dropout": float(rng.choice([0, 0, 0.3])),
        "recurrent_dropout": float(rng.choice([0, 0, 0, 0.2])),
        "go_backwards": not both_ways and bool(rng.random() < 0.2),
        "zero_output_for_mask": bool(rng.random() < 0.3),
        "kernel_regularizer": [None, "l2"][rng.integers(2)],
        "recurrent_constraint": [None, "max_norm"][rng.integers(2)],
        "seed": int(rng.integers(1000)),
    }
    if kind is not layers.SimpleRNN:
        options["recurrent_activation"] = str(rng.choice(["sigmoid", "hard_sigmoid"]))
    if kind is layers.GRU:
        options["reset_after"] = bool(rng.random() < 0.6)
    layer = kind(int(rng.choice([1, 3, 16, 33, 64])), return_sequences=sequences, dtype=dtype, **options)
    if both_ways:
        return layers.Bidirectional(layer, merge_mode=str(rng.choice(["concat", "sum", "mul", "ave"])), dtype=dtype)
    return layer


def random_model(number: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """A compiled model, inputs and targets."""
    from fastgru import layers, losses, models, optimizers, utils

    utils.set_random_seed(number)
    rng = np.random.default_rng(number)
    dtype = "float64" if rng.random() < 0.2 else "float32"
    count, steps, features = BATCH * BATCHES - 3, int(rng.integers(1, 12)), int(rng.integers(1, 40))
    words = rng.random() < 0.25
    stack: list[Any] = []
    if words:
        x = rng.integers(0, 20, (count, steps))
        stack += [layers.Embedding(20, features, mask_zero=bool(rng.random() < 0.7), dtype=dtype)]
    else:
        x = rng.standard_normal((count, steps, features)).astype(rng.choice(["float32", "float64"]))
        x[rng.random((count, steps)) < 0.2] = 0
        if rng.random() < 0.3:
            stack += [layers.Masking(0.0, dtype=dtype)]
    between = [
        lambda: layers.Dropout(0.2, seed=1, dtype=dtype),
        lambda: layers.LayerNormalization(dtype=dtype),
        lambda: layers.BatchNormalization(dtype=dtype),
        lambda: layers.TimeDistributed(layers.Dense(5, activation="gelu", dtype=dtype), dtype=dtype),
        lambda: layers.Dense(7, activation="swish", dtype=dtype),
        lambda: layers.Conv1D(6, 2, padding="causal", activation="relu", dtype=dtype),
    ]
    for _ in range(rng.integers(0, 3)):
        stack.append(recurrent(rng, True, dtype))
        if rng.random() < 0.5:
            stack.append(between[rng.integers(len(between))]())
    stack.append(recurrent(rng, False, dtype))
    classes = rng.random() < 0.5
    stack.append(layers.Dense(4, activation="softmax" if classes else None, dtype=dtype))
    y = rng.integers(0, 4, count) if classes else rng.standard_normal((count, 4))
    model = models.Sequential([layers.Input(x.shape[1:], dtype="int32" if words else dtype), *stack])
    clip = {} if rng.random() < 0.5 else {"clipnorm": 0.5} if rng.random() < 0.5 else {"global_clipnorm": 1.0}
    optimizer = [
        lambda: optimizers.SGD(0.05, **clip),
        lambda: optimizers.SGD(0.02, momentum=0.9, nesterov=bool(rng.random() < 0.5), **clip),
        lambda: optimizers.RMSprop(0.003, momentum=0.5, centered=bool(rng.random() < 0.5), **clip),
        lambda: optimizers.Adam(0.003, amsgrad=bool(rng.random() < 0.3), weight_decay=0.01, **clip),
        lambda: optimizers.Adam(0.01, **clip),
    ][rng.integers(5)]()
    loss = losses.SparseCategoricalCrossentropy() if classes else losses.MeanSquaredError()
    model.compile(optimizer, loss, metrics=["accuracy"] if classes else ["mae"])
    return model, x, y


def digest(number: int) -> str:
    """The hash of everything that a model shows before and after its training."""
    model, x, y = random_model(number)
    weights = np.random.default_rng(number).random(len(x))
    arrays = [model.predict(x, verbose=0)]
    history = model.fit(x, y, batch_size=BATCH, epochs=STEPS // BATCHES, sample_weight=weights, verbose=0).history
    arrays += [*map(np.asarray, history.values()), np.asarray(model.evaluate(x, y, verbose=0))]
    arrays += [model.predict(x, batch_size=4, verbose=0), model(x[:1]), *model.get_weights()]
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()[:24]


def ways() -> list[tuple[str, str]]:
    """Every instruction set with tiles, and BLAS."""
    from fastgru import kernels

    return [(isa, "tiles") for isa in kernels.available()] + [(kernels.available()[-1], "blas")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--against", type=Path, metavar="FILE", help="what the other version printed")
    parser.add_argument("--here", action="store_true", help="only the way that the environment chooses")
    args = parser.parse_args()
    if args.here:
        for number in range(args.models):
            print(os.environ["FASTGRU_ISA"], os.environ["FASTGRU_PRODUCTS"], number, digest(number), flush=True)
        return 0
    lines: list[str] = []
    for isa, products in ways():
        environment = {**os.environ, "FASTGRU_ISA": isa, "FASTGRU_PRODUCTS": products}
        command = [sys.executable, __file__, "--here", "--models", str(args.models)]
        lines += subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.splitlines()
    if args.against is None:
        print(*lines, sep="\n")
        return 0
    others = args.against.read_text().splitlines()
    differing = sorted({*lines} ^ {*others})
    print(*differing, f"{len(lines)} models, {len(others)} before, {len(differing)} lines differ", sep="\n")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
