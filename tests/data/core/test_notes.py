"""Many notes of one kind become one line."""

from __future__ import annotations

import pandas as pd

from zoo.data.arrays import Frame
from zoo.data.core.notes import Note, joined, listed


def test_notes_that_differ_in_column_and_cells_alone_are_joined() -> None:
    missing = [
        Note(f"column 'm{n}' is a number: {n + 1} of 60 cells are missing ('-'), first in row 3") for n in range(9)
    ]
    dropped = [Note(f"column 'd{n}' is dropped: it never changes") for n in range(5)]
    off = [Note(f"{n + 2} steps without a number of sales", warn=n == 7) for n in range(8)]
    other = Note("its encoding is cp1252")
    assert joined([missing[0], other, *dropped, *missing[1:], *off]) == [
        Note(f"{missing[0].text}; likewise 8 other columns ('m1', 'm2', 'm3', …)"),
        other,
        *dropped,  # so few are said one by one
        Note(f"{off[0].text}; likewise 7 more times", warn=True),
    ]


def test_a_list_of_names_is_short() -> None:
    assert listed(["a", "b", "c"]) == "a, b, c"
    assert listed([*"abcdef"]) == "a, b, c, … (6)"


def test_a_wide_table_is_told_of_in_few_lines() -> None:
    rows = range(40)
    frame = pd.DataFrame({"x": rows, "y": [row % 3 for row in rows], **{f"c{n}": [7] * 40 for n in range(177)}})
    data = Frame(frame, target="y")
    data.setup()
    assert data.notes == ["column 'c0' is dropped: it never changes; likewise 176 other columns ('c1', 'c2', 'c3', …)"]
