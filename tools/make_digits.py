"""Makes fastgru/datasets/digits.npz from the copy of the UCI digits in scikit-learn's wheel.

Needs scikit-learn; run once as ``python tools/make_digits.py``, the result is kept in the repository.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).resolve().parents[1] / "fastgru/datasets/digits.npz"
# of the images' and then the labels' bytes: the file stays the same whatever wrote the source
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def main() -> None:
    images, labels = load_digits(return_X_y=True)
    arrays = {"images": images.reshape(-1, 8, 8).astype(np.uint8), "labels": labels.astype(np.uint8)}
    if not np.array_equal(arrays["images"].reshape(len(images), 64), images):
        raise SystemExit("The images are not whole numbers that fit one byte.")
    digest = hashlib.sha256(arrays["images"].tobytes() + arrays["labels"].tobytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"scikit-learn's digits have changed: sha256 {digest}, expected {SHA256}.")
    with zipfile.ZipFile(TARGET, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            # a fixed date, so that the same arrays make the same file
            entry = zipfile.ZipInfo(f"{name}.npy", (2026, 1, 1, 0, 0, 0))
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, 9)
    print(f"{TARGET}: {len(labels)} digits, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
