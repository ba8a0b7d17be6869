"""What stands in a model file of any Keras: layers, weights, version, decisions, training setup."""

from __future__ import annotations

import argparse
import json

from fastgru.cli.arguments import STOP

EXAMPLE = "fastgru inspect digits.keras --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a model file of any Keras, or of fastgru")
    parser.add_argument("--outputs", **STOP)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")


def run(options: argparse.Namespace) -> None:
    from fastgru.saving.describe import described
    from fastgru.saving.facts_table import print_facts

    facts = described(options.file, options.outputs)
    if options.json:
        print(json.dumps(facts, indent=1, default=str))
    else:
        print_facts(facts)
    if facts["error"]:
        raise ValueError(facts["error"])
