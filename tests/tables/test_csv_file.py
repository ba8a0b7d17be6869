"""A CSV is read as it was meant, or one sentence says what stands where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastgru.tables.reading import read
from fastgru.tables.table import Table, Wording


@pytest.fixture
def table(tmp_path: Path):
    """Reads a text, or bytes, as a CSV file."""

    def of(content: str | bytes, **wording) -> Table:
        file = tmp_path / "data.csv"
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return read(str(file), Wording(**wording))

    return of


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_told_by_the_first_lines(table, separator: str) -> None:
    columns = table("a,b c,d\n1,x y,3.5\n2,z,-1e3\n".replace(",", separator)).columns
    np.testing.assert_array_equal(columns["a"], [1, 2])
    assert columns["b c"].tolist() == ["x y", "z"]
    np.testing.assert_array_equal(columns["d"], [3.5, -1000])


def test_quoted_cells_hold_separators_quotes_and_line_ends(table) -> None:
    columns = table('text,n\n"one, ""two""\nthree",1\nfour,2\n').columns
    assert columns["text"].tolist() == ['one, "two"\nthree', "four"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_encodings(table, encoding: str) -> None:
    named = "gbk" if encoding == "gbk" else "utf-8"  # the others say it themselves
    columns = table("城市,值\n北京,1\n上海,2\n".encode(encoding), encoding=named).columns
    assert columns["城市"].tolist() == ["北京", "上海"]
    np.testing.assert_array_equal(columns["值"], [1, 2])


@pytest.mark.parametrize("empty", ["", "NA", "nan", "NULL", " n/a "])
def test_empty_cells_are_missing(table, empty: str) -> None:
    np.testing.assert_array_equal(table(f"a,b\n1,2\n{empty},3\n").columns["a"], [1, np.nan])


def test_blank_lines_and_the_unnamed_index_of_a_frame(table) -> None:
    columns = table(",a\n0,5\n\n1,6\n\n").columns
    assert [*columns] == ["index", "a"]
    np.testing.assert_array_equal(columns["a"], [5, 6])


def test_decimal_commas(table) -> None:
    text = "a;b\n1,5;x\n1.234,25;y\n"
    np.testing.assert_array_equal(table(text, decimal=",").columns["a"], [1.5, 1234.25])
    with pytest.raises(ValueError, match=r"line 2, column 'a': expected a number, got '1,5'; .* --decimal ','"):
        table(text).require("a", "--target")


@pytest.mark.parametrize(
    ("cell", "number"), [("1.5", 1.5), ("1.234", 1234), ("1.234.567,5", 1234567.5), ("-1.234,5", -1234.5)]
)
def test_beside_a_decimal_comma_a_point_is_one_of_thousands_before_three_digits(table, cell, number) -> None:
    assert table(f"a;b\n{cell};x\n2,5;y\n", decimal=",").columns["a"].tolist() == [number, 2.5]


def test_what_is_named_as_text_is_text(table) -> None:
    assert table("a,b\n007,1\n8,2\n", text=frozenset("a")).columns["a"].tolist() == ["007", "8"]


def test_rows_behind_the_first_chunk_are_read_alike(table) -> None:
    rows = [f"2026-01-01 00:{i // 60 % 60:02}:{i % 60:02},{i},{'ab'[i % 2]}" for i in range(5000)]
    columns = table("\n".join(["t,n,s", *rows])).columns
    np.testing.assert_array_equal(columns["n"], np.arange(5000))
    assert columns["t"].dtype == "datetime64[us]" and columns["s"][4999] == "b"


def test_a_slip_far_down_is_named_with_its_line_when_the_column_is_asked_for(table) -> None:
    rows = [str(i) for i in range(5000)]
    rows[4321] = "oops"
    read_table = table("\n".join(["t", *rows]))
    with pytest.raises(ValueError, match=r"data.csv, line 4,323, column 't': expected a number, got 'oops'"):
        read_table.require("t", "--target")


@pytest.mark.parametrize("far", [0, 3000], ids=["near", "in a later chunk"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_count_blank_ones_and_breaks_inside_quotes(table, far: int, end: str) -> None:
    rows = ["t,remark", "", '1,"two', 'lines"', "", *["1,x"] * far, '2,"a', "", 'b"', "oops,y", "", "3"]
    with pytest.raises(ValueError, match=rf"data.csv, line {11 + far:,}: expected 2 cells as in the header, got 1"):
        table(end.join(rows))
    read_table = table(end.join(rows[:-1]))
    assert [read_table.line(row) for row in (0, far + 1, far + 2)] == [
        "line 3", f"line {far + 6:,}", f"line {far + 9:,}"
    ]  # fmt: skip
    with pytest.raises(ValueError, match=rf"data.csv, line {far + 9:,}, column 't': expected a number, got 'oops'"):
        read_table.require("t", "--target")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("1,2\n3,4\n", "expected the names of the columns in the first line, got '1', '2'"),
        ("2026-01-01,2\n2026-01-02,4\n", "expected the names of the columns"),
        ("a,a\n1,2\n", "a name of its own for each column, got 'a' twice"),
        ("a,b\n1,2\n1\n", "line 3: expected 2 cells as in the header, got 1"),
        ("a,b\n", "has a header and no rows"),
        ("", "expected the names of the columns in the first line, got nothing"),
        (b"a,b\n\xff\xfe,1\n", "is not text in utf-8"),
        (b"PK\x03\x04\0\0\0", "got bytes that are none"),
        ('a,b\n"1,2\n', "is not a CSV file"),
    ],
)
def test_what_is_wrong_is_one_sentence(table, content, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"data\.csv") as caught:
        table(content)
    assert complaint in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_an_encoding_that_is_none(table) -> None:
    with pytest.raises(ValueError, match="--encoding: Python knows none that is called 'klingon'"):
        table("a,b\n1,2\n", encoding="klingon")


def test_a_column_that_is_not_there_is_named_with_its_neighbours(table) -> None:
    complaint = r"--target: data.csv has no column 'demnd', but demand, b; did you mean 'demand'\?"
    with pytest.raises(ValueError, match=complaint):
        table("demand,b\n1,2\n").require("demnd", "--target")
