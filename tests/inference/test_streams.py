"""What is wrong with one line of a stream costs that line alone, and is told by its number."""

from __future__ import annotations

import io

import pytest

from zoo.errors import DataError
from zoo.inference.streams import MAX_LINE, TableStream, lines_of
from zoo.spec.dialect import Dialect


def lines(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8", errors="surrogateescape")


Found = tuple[list[tuple[int, int, list[object]]], list[str]]


def table(data: bytes, rows: int = 2, dialect: Dialect = Dialect()) -> Found:  # noqa: B008
    """Number, line and cells of each row, and what was refused."""
    found, refused = [], []
    stream = TableStream(lines_of(lines(data), dialect.encoding), dialect, "it", ["column_2"])
    for frame, numbers in stream.tables(rows, refused.append):
        found += zip(frame.index, numbers, frame.astype(object).where(frame.notna(), None).values.tolist())
    return found, refused


def test_lines_that_are_no_text_or_too_long() -> None:
    data = "\ufeffone\r\n".encode() + b"sch\xf6n\n" + b"x" * (2 * MAX_LINE + 5) + b"\nlast"
    found = list(lines_of(lines(data)))
    assert [(line.number, line.text) for line in found] == [(1, "one"), (2, ""), (3, ""), (4, "last")]
    assert "not utf-8" in found[1].fault
    assert "0xf6" in found[1].fault
    assert "longer than" in found[2].fault


@pytest.mark.parametrize("rows", [1, 2, 64])
def test_each_fault_costs_its_row(rows: int) -> None:
    long = b"x" * 200_000
    data = b'a,b\n1,2\n"3,4\n5,6\n7,' + long + b"\n8\n9,\xe9\n\n10,11\n"
    found, refused = table(data, rows)
    assert found == [(1, 2, ["1", "2"]), (3, 4, ["5", "6"]), (7, 9, ["10", "11"])]
    assert [line.partition(":")[0] for line in sorted(refused)] == ["line 3", "line 5", "line 6", "line 7"]
    assert all(len(line) <= 300 for line in refused)


def test_a_quoted_cell_goes_on_over_lines() -> None:
    data = b'a,b\r\n"one\r\ntwo, three","say ""so"""\r\n1,2\r\n'
    assert table(data) == ([(1, 2, ["one\ntwo, three", 'say "so"']), (2, 4, ["1", "2"])], [])
    assert table(b'a;b\n"1;\n2";3\n', dialect=Dialect(";")) == ([(1, 2, ["1;\n2", "3"])], [])


def test_a_quote_that_is_never_closed_swallows_nothing() -> None:
    data = b'a,b\n1,"2\n' + b"3,4\n" * 1500 + b'5,"6"\n'
    found, refused = table(data, rows=64)
    assert len(found) == 1501
    assert refused == ["line 2: row 1 has a quote that is not closed"]


def test_a_cell_is_the_same_whatever_stands_beside_it() -> None:
    data = b"a,b\n1,TRUE\n1.50,2\n,?\n"
    assert [row for *_, row in table(data, 1)[0]] == [row for *_, row in table(data, 3)[0]] == [
        ["1", "TRUE"], ["1.50", "2"], [None, None],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "fault"), [(b"", "empty"), (b"a,a\n", "two columns"), (b'"a,b\n', "line 1"), (b"\xff\n", "line 1")]
)
def test_no_header(data: bytes, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        table(data)


@pytest.mark.parametrize("data", [b"1,2\n\n3,\xe9\n", b"\xef\xbb\xbf\n1, 2\r\n\n3,\xe9", b"1\n\n1,2\n3,\xc3\xa9\n"])
def test_a_stream_without_a_header_and_in_two_encodings(data: bytes) -> None:
    found, refused = table(data, dialect=Dialect(",", "latin-1", header=False))
    assert [row for *_, row in found] == [["1", "2"], ["3", "é"]]
    assert len(refused) == data.startswith(b"1\n")
    with pytest.raises(DataError, match="no row of the columns column_2"):
        table(b"1\n2\n", dialect=Dialect(header=False))


def test_a_stream_without_a_header_each_row_of_which_has_several_lines() -> None:
    data = b'1,"a\nb"\n\n3,"c\n\nd"\n5,"e\nf"\n'
    expected = [(1, 1, ["1", "a\nb"]), (2, 4, ["3", "c\n\nd"]), (3, 7, ["5", "e\nf"])]
    assert table(data, dialect=Dialect(header=False)) == (expected, [])
    open_quote = b'1,"a\n' + b'2,"b\nc"\n'
    found, refused = table(open_quote, dialect=Dialect(header=False))
    assert [row for *_, row in found] == [["2", "b\nc"]]
    assert len(refused) == 1


@pytest.mark.parametrize("header", [True, False])
def test_a_header_without_rows_is_told(header: bool) -> None:
    with pytest.raises(DataError, match="it has a header but no rows"):
        table(b"column_1,column_2\n", dialect=Dialect(header=header))


def test_cells_between_runs_of_blanks() -> None:
    assert table(b"a   b\n 1  2 \n3 4 5\n", dialect=Dialect(" ")) == (
        [(1, 2, ["1", "2"])], ["line 3: row 2 has 3 cells, and the header has 2"],
    )  # fmt: skip


@pytest.mark.parametrize("separator", ["\t", ";", "|", "::"])
def test_a_header_tells_the_separator_where_only_one_gives_the_columns(separator: str) -> None:
    text = "column_2,other,more\n1,2,3\n".replace(",", separator)
    stream = TableStream(lines_of(lines(text.encode())), Dialect(), "it", ["column_2", "more"])
    (frame, _), *_ = stream.tables(4, pytest.fail)
    assert frame.to_dict("list") == {"column_2": ["1"], "other": ["2"], "more": ["3"]}


@pytest.mark.parametrize("above", ["sep=;\n", "Sales 2024\n\n", "Sales\nby region\nsep=;\n"])
def test_what_stands_above_the_header_of_a_file_may_do_so_in_a_stream(above: str) -> None:
    stream = TableStream(lines_of(lines(f"{above}one;two\n1;2\n".encode())), Dialect(";"), "it", ["one", "two"])
    ((frame, _),) = stream.tables(4, pytest.fail)
    assert frame.to_dict("list") == {"one": ["1"], "two": ["2"]}


def test_a_header_that_names_nothing_expected_is_the_first_line() -> None:
    for rows in ("1;2\n", "2\n" * 20, ""):
        stream = TableStream(lines_of(lines(f"three\n{rows}".encode())), Dialect(";"), "it", ["one", "two"])
        assert stream.names == ["three"]


def test_rows_of_json_are_told_where_they_go() -> None:
    for given in (
        b'{"column_2": 1}\n{"column_2": 3}\n',
        b'[ {"column_2": 1} ]',
        b'[\n  {\n    "column_2": 1\n  }\n]\n',
    ):
        with pytest.raises(DataError, match=r"line 1 of it is JSON; .*input=FILE\.jsonl"):
            table(given)


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"\x89PNG\r\n\x1a\n\0\0", "an image"), (b"\x1f\x8b\x08\x00", "packed"), (b"PAR1\x15\x04", "a Parquet file")],
)
def test_what_has_no_lines_is_one_message(data: bytes, what: str) -> None:
    with pytest.raises(DataError, match=f"standard input is {what}; give a file"):
        list(lines_of(lines(data + b"\n\xff" * 9)))
