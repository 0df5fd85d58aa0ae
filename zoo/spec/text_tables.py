"""Texts in a table: which of its columns holds them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DataError
from zoo.files import quoted
from zoo.spec import json_files
from zoo.spec.files import PARQUET_ENDINGS, read_table

if TYPE_CHECKING:
    import pandas as pd

TEXT = "text"  # the name of a column that holds the texts, whatever the others do
ENDINGS = (".csv", ".tsv", *json_files.ENDINGS, *PARQUET_ENDINGS)
CLEARLY = 2  # times as many words as any other column has the one that holds the texts


def words_by_column(frame: pd.DataFrame) -> dict[str, float]:
    """The mean number of words in a cell of each column that holds no numbers or dates."""
    return {
        str(name): float(cells.dropna().astype("string").head(1000).str.count(r"\S+").mean())
        for name, cells in frame.items()
        if cells.dtype.kind not in "iufbM" and cells.notna().any()
    }


def read_texts(path: str) -> pd.Series:
    """The texts of a table, by row: its column `text`, or else the one that has clearly more words than the others.

    Raises:
        DataError: the file cannot be read, or no column or several may hold the texts.
    """
    frame = read_table(path, text=[TEXT]).rename(columns=str)
    counts = words_by_column(frame)
    if not counts:
        raise DataError(f"{Path(path).name} has no column of texts")
    most = max(counts, key=counts.__getitem__)
    rivals = [name for name, count in counts.items() if count * CLEARLY > counts[most]]
    if TEXT not in counts and len(rivals) > 1:
        raise DataError(
            f"{Path(path).name}: each of {', '.join(map(quoted, rivals))} may be the column of texts; "
            f"call it '{TEXT}', or give a file of it alone"
        )
    texts: pd.Series = frame[TEXT if TEXT in counts else most].astype("string").fillna("")
    return texts
