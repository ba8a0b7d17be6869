"""Write a model file of any Keras, or an ONNX file, as one that Keras 3 opens, or as ONNX, with the same numbers."""

from __future__ import annotations

import argparse

from fastgru.cli.arguments import STOP, file_named

EXAMPLE = "fastgru convert old.h5 new.keras"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", help="a model file of any Keras")
    parser.add_argument(
        "new",
        type=file_named(".keras", ".h5", ".weights.h5", ".onnx", ".safetensors"),
        metavar="NEW",
        help="*.keras, *.h5, *.weights.h5, *.onnx or *.safetensors",
    )
    parser.add_argument("--outputs", **STOP)
    parser.add_argument("--force", action="store_true", help="write also what Keras 3 would compute otherwise")


def run(options: argparse.Namespace) -> None:
    from fastgru.models import load_model
    from fastgru.saving.convert import without_old_hard_sigmoid
    from fastgru.text import printable

    model = load_model(options.old, outputs=options.outputs)
    changed, unchanged = without_old_hard_sigmoid(model)
    if unchanged and not options.force:
        raise ValueError(
            f"{options.old}: hard_sigmoid had another slope up to Keras 2, which Keras 3 cannot keep in layer "
            f"{printable(', '.join(unchanged))}; --force writes the file all the same, for fastgru alone."
        )
    for decision in model.load_report:
        print(decision)
    if changed:
        names = printable(", ".join(changed))
        print(f"Weights before hard_sigmoid are multiplied by 1.2, for Keras 3's slope: {names}.")
    if options.new.endswith(".weights.h5"):
        model.save_weights(options.new)
    elif options.new.endswith((".onnx", ".safetensors")):
        model.export(options.new)
    else:
        # the optimizer's state belongs to the weights as they were
        model.save(options.new, include_optimizer=not changed)
    print(f"Saved: {options.new}")
