"""The 1,797 handwritten digits of the UCI repository, 8x8 pixels each, shipped inside the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fastgru.types import Array

__all__ = ["load_data"]

_FILE = Path(__file__).with_name("digits.npz")
_TRAIN = 1415


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """The digits, split by order: the first 1,415 to train on, the last 382 to test on.

    The file does not name the writers. Its labels repeat about every 130 samples, the fields of one form: 14 forms,
    by 13 people according to the repository, which does not say who filled in two. The split falls between two
    forms, so no form has digits in both parts and at least two of the test part's three forms are by writers whose
    digits are not trained on.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: (1415, 8, 8) and (382, 8, 8) uint8, 0 (paper) to 16 (ink); y: (1415,) and (382,) uint8, 0 to 9.

    Notes
    -----
    E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
    https://doi.org/10.24432/C50P49, CC BY 4.0; see digits.LICENSE beside this file.
    """
    with np.load(_FILE, allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    return (images[:_TRAIN], labels[:_TRAIN]), (images[_TRAIN:], labels[_TRAIN:])


def __dir__() -> list[str]:
    return __all__
