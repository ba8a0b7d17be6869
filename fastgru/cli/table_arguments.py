"""The options of `train` for a file of data, and what refuses them where there is none."""

from __future__ import annotations

import argparse

from fastgru.cli.arguments import COUNT, divisor, whole_number

TASKS = ("forecast", "classify", "regress", "text")
SCHEDULES = ("constant", "cosine", "exponential", "plateau")
MENDINGS = ("skip", "fill", "refuse")
DOUBLES = ("refuse", "first", "last", "mean")
FILE_HELP = "a table: *.csv, *.tsv, *.npz, *.npy or *.parquet (with the extra [parquet])"


def shares(text: str) -> tuple[float, float, float]:
    try:
        parts = tuple(float(part) for part in text.split(","))
    except ValueError:
        parts = ()
    if len(parts) != 3 or min(parts) <= 0:
        raise argparse.ArgumentTypeError(f"expected three positive numbers such as 70,15,15, got {text!r}")
    return parts


def add_table(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Options that a file of data has; their defaults are None, so that whoever uses one without a file hears of it."""
    columns = parser.add_argument_group("a file of data, and its columns")
    times = parser.add_argument_group("times and windows")
    network = parser.add_argument_group("the network and its training, with a file")
    results = parser.add_argument_group("what comes out, with a file")
    return [
        columns.add_argument("--target", metavar="COLUMN", help="what to predict"),
        columns.add_argument(
            "--task", choices=TASKS, help="forecast numbers, classify, regress (a number) or text (classes of texts)"
        ),
        columns.add_argument(
            "--columns", metavar="COLUMN", nargs="+", help="what to read beside the target (default: all that are left)"
        ),
        columns.add_argument(
            "--known", metavar="COLUMN", nargs="+",
            help="of a forecast: columns whose values ahead are known, say holidays; predict reads them there",
        ),
        columns.add_argument("--text", metavar="COLUMN", help="of --task text (default: the only one of text)"),
        columns.add_argument("--group", metavar="COLUMN", help="tells several series, or sequences, apart"),
        *add_wording(columns),
        times.add_argument("--time", metavar="COLUMN", help="of the times (default: the one that holds some)"),
        times.add_argument(
            "--time-format", metavar="FORMAT", help="of times, such as '%%d.%%m.%%Y %%H:%%M', or unix (default: ISO)"
        ),
        times.add_argument("--window", **COUNT, help="steps, or words of a text, that the model sees"),
        times.add_argument("--horizon", **COUNT, help="steps to forecast (default: 1)"),
        times.add_argument("--stride", **COUNT, help="steps between windows to train on (default: 1)"),
        times.add_argument(
            "--split", type=shares, metavar="A,B,C", help="training, validation and test, in time (default: 70,15,15)"
        ),
        *add_mending(times, "skip", "refuse"),
        network.add_argument("--layers", **COUNT, help="GRUs on top of each other (default: 1)"),
        network.add_argument("--bidirectional", action="store_true", default=None, help="read in both directions"),
        network.add_argument(
            "--learning-rate", type=divisor, metavar="R", help="of Adam, at the beginning (default: 0.001)"
        ),
        network.add_argument("--lr-schedule", choices=SCHEDULES, help="of the learning rate (default: constant)"),
        network.add_argument(
            "--patience", type=whole_number("of at least 0", 0), metavar="N",
            help="stop after so many epochs without improvement, 0 never (default: 5)",
        ),
        results.add_argument("--dry-run", action="store_true", default=None, help="tell model, memory and time"),
        results.add_argument("--report", metavar="DIR", help="write DIR/report.html: curves, baselines, errors"),
    ]  # fmt: skip


def add_wording(parser: argparse._ActionsContainer) -> list[argparse.Action]:
    return [
        parser.add_argument("--decimal", choices=(".", ","), help="the sign in numbers (default: .)"),
        parser.add_argument("--encoding", metavar="NAME", help="of a CSV (default: utf-8)"),
    ]


def add_mending(parser: argparse._ActionsContainer, gaps: str, doubles: str) -> list[argparse.Action]:
    """With what stands for them where nothing is said."""
    return [
        parser.add_argument("--gaps", choices=MENDINGS, help=f"missing rows and values of a table (default: {gaps})"),
        parser.add_argument("--doubles", choices=DOUBLES, help=f"rows of one time in a table (default: {doubles})"),
    ]


def add_reading(parser: argparse.ArgumentParser) -> None:
    """What of a model's way to read tables may be another for a file."""
    add_mending(parser, "as in training", "as in training")
    add_wording(parser)


def named(options: argparse.Namespace, actions: list[argparse.Action]) -> list[str]:
    """Those of some options that somebody gave."""
    return [action.option_strings[0] for action in actions if getattr(options, action.dest) is not None]
