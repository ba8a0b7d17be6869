"""A file of data as a table, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from fastgru.tables import array_files, csv_file
from fastgru.tables.table import Table, Wording

READERS = {
    ".csv": csv_file.read,
    ".tsv": csv_file.read,
    ".txt": csv_file.read,
    ".npz": array_files.read_arrays,
    ".npy": array_files.read_arrays,
    ".parquet": array_files.read_parquet,
}


def read(file: str, wording: Wording) -> Table:
    """The columns of a file.

    Raises
    ------
    ValueError
        The file is of no known kind, or not what its name says.
    OSError
        It cannot be read.
    """
    path = Path(file)
    if path.suffix.lower() not in READERS:
        raise ValueError(f"{file}: expected a file named {', '.join(f'*{suffix}' for suffix in READERS)}.")
    table = READERS[path.suffix.lower()](path, wording)
    if not len(table):
        raise ValueError(f"{file}: has no rows.")
    return table
