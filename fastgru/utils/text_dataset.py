"""Texts in files, one to a file, whose folders are their classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastgru.types import Array
from fastgru.utils.dataset import SEEDS, Dataset
from fastgru.utils.numerical import to_categorical

__all__ = ["text_dataset_from_directory"]

SUBSETS = ("training", "validation", "both", None)
LABEL_MODES = ("int", "categorical", "binary", None)


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the texts in the ``.txt`` files of a folder, which are read when their batch is asked for.

    Parameters
    ----------
    directory : path
        With a folder for each class, where the labels are inferred.
    labels : "inferred", None or list of int
        The folder that a file is in, none, or one for each file in the order of their paths.
    label_mode : {"int", "categorical", "binary"} or None
        (batch,) int32, (batch, classes) float32, (batch, 1) float32 of 0 and 1, or no labels.
    class_names : list of str, optional
        The folders in the order of their labels; sorted by name where absent.
    batch_size : int, optional
        None: single texts.
    max_length : int, optional
        Bytes of a text that are used.
    shuffle : bool
        Draw a new order for each pass; else the files come in the order of their paths.
    seed : int, optional
        For the order, and with `validation_split` for which files are held out: those that Keras holds out.
    validation_split : float, optional
        Part of the files, the last ones after the first shuffling, that is held out.
    subset : {"training", "validation", "both"}, optional
        Which part to return; with "both" a list of the two.
    follow_links : bool
        Look into folders that are links, too.
    format : {"tf", "grain"}
        In Keras's signature; the data set is fastgru's own either way.
    verbose : bool
        Print how many files there are.

    Returns
    -------
    Dataset
        Of ``(texts, labels)`` or ``texts``: a (batch,) array of str. Its `class_names` are what the labels mean.

    Raises
    ------
    ValueError
        An argument is not one of those above, or there is no file.
    """
    _check(labels, label_mode, format)
    _check_split(validation_split, subset, shuffle, seed)
    if labels is None or label_mode is None:
        labels = label_mode = None
    files, numbers, names = _listed(Path(directory), labels, class_names, follow_links)
    if verbose:
        classes = f" belonging to {len(names)} classes" if names is not None else ""
        print(f"Found {len(files)} files{classes}.")
    order = np.arange(len(files))
    if shuffle:
        # as Keras draws it, so that the same files are held out
        random = np.random.RandomState(np.random.randint(SEEDS) if seed is None else seed)  # noqa: NPY002
        random.shuffle(order)
    parts = _parts(order, validation_split, subset, verbose)
    targets = None if numbers is None else _targets(numbers, label_mode, len(names or ()))
    datasets = []
    for rows, mixed in zip(parts, (shuffle, False), strict=False):
        element = _reader(files, targets, rows, batch_size is None, max_length)
        datasets.append(Dataset(len(rows), element, batch_size, mixed, seed, names))
    return datasets if subset == "both" else datasets[0]


def _reader(
    files: list[Path], targets: Array | None, rows: Array, single: bool, max_length: int | None
) -> Callable[[Any], Any]:
    """What reads the texts with these numbers, or the one with this number, and their labels."""

    def element(places: Any) -> Any:
        chosen = rows[places]
        texts = _text(files[chosen], max_length) if single else _texts(files, chosen, max_length)
        return texts if targets is None else (texts, targets[chosen])

    return element


def _check(labels: Any, label_mode: str | None, format: str) -> None:
    if labels not in ("inferred", None) and not isinstance(labels, (list, tuple, np.ndarray)):
        raise ValueError(
            "text_dataset_from_directory: `labels` argument should be a list/tuple of integer labels, one for each "
            f'file, or "inferred" or None, got {labels!r}.'
        )
    if label_mode not in LABEL_MODES:
        raise ValueError(
            'text_dataset_from_directory: `label_mode` argument must be one of "int", "categorical", "binary", '
            f"or None, got {label_mode!r}."
        )
    if format not in ("tf", "grain"):
        raise ValueError(f'text_dataset_from_directory: `format` should be either "tf" or "grain", got {format!r}.')


def _check_split(fraction: float | None, subset: str | None, shuffle: bool, seed: int | None) -> None:
    if fraction and not 0 < fraction < 1:
        raise ValueError(f"`validation_split` must be between 0 and 1, got {fraction}.")
    if bool(fraction) != bool(subset):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in SUBSETS:
        raise ValueError(f'`subset` must be either "training", "validation" or "both", got {subset!r}.')
    if fraction and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` argument, "
            "or the two parts overlap."
        )


def _listed(
    directory: Path, labels: Any, class_names: Sequence[str] | None, follow_links: bool
) -> tuple[list[Path], Array | None, list[str] | None]:
    """The files in order, their labels, and what these mean."""
    if not isinstance(labels, str):
        if class_names is not None:
            raise ValueError(
                'You can only pass `class_names` if `labels="inferred"`, '
                f"got labels={labels!r} and class_names={class_names!r}."
            )
        files = list(_text_files(directory, follow_links))
        if labels is None:
            return files, None, None
        if len(labels) != len(files):
            raise ValueError(
                "Expected the lengths of `labels` to match the number of files in the target directory, "
                f"got {len(labels)} labels for {len(files)} files."
            )
        return files, np.asarray(labels, "int32"), [str(label) for label in sorted(set(labels))]
    folders = sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    names = folders if class_names is None else list(class_names)
    if not set(names) <= set(folders):
        raise ValueError(
            "The `class_names` passed did not match the names of the subdirectories of the target directory: "
            f"expected {folders} or some of them, got {names}."
        )
    by_class = [list(_text_files(directory / name, follow_links)) for name in names]
    numbers = np.repeat(np.arange(len(names), dtype="int32"), [len(files) for files in by_class])
    return [file for files in by_class for file in files], numbers, names


def _text_files(directory: Path, follow_links: bool) -> Iterator[Path]:
    for folder, _, files in sorted(os.walk(directory, followlinks=follow_links)):
        yield from (Path(folder, file) for file in sorted(files) if file.lower().endswith(".txt"))


def _parts(order: Array, fraction: float | None, subset: str | None, verbose: bool) -> list[Array]:
    """The numbers of the files in each data set that is returned."""
    if not fraction:
        return _not_empty([order])
    at = len(order) - int(fraction * len(order))
    training, validation = order[:at], order[at:]
    if verbose and subset != "validation":
        print(f"Using {len(training)} files for training.")
    if verbose and subset != "training":
        print(f"Using {len(validation)} files for validation.")
    return _not_empty({"training": [training], "validation": [validation]}.get(str(subset), [training, validation]))


def _not_empty(parts: list[Array]) -> list[Array]:
    if not all(map(len, parts)):
        raise ValueError("text_dataset_from_directory: No text files found for a part. Allowed format: .txt")
    return parts


def _targets(labels: Array, mode: str | None, classes: int) -> Array:
    if mode == "binary":
        if classes != 2:
            raise ValueError(
                'text_dataset_from_directory: When passing `label_mode="binary"`, there must be exactly 2 class_names, '
                f"got {classes}."
            )
        return labels.astype("float32")[:, np.newaxis]
    return to_categorical(labels, classes).astype("float32") if mode == "categorical" else labels


def _text(file: Path, max_length: int | None) -> str:
    with file.open("rb") as stream:
        return stream.read(-1 if max_length is None else max_length).decode(errors="replace")


def _texts(files: list[Path], rows: Array, max_length: int | None) -> Array:
    return np.array([_text(files[row], max_length) for row in rows], dtype=object)
