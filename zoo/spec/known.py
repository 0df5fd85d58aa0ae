"""What is known of a column's cells, as found from the first of each kind: of those that differ in their digits alone.

Shape letters: N cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.spec.cells import FIRST, MISSING_WORDS, Notation, exact_words, is_plain, mostly_differ, read_numbers
from zoo.spec.digits import Texts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


@dataclass
class Known:
    """The cells of a column as text: of a column of numbers, one; of one whose words recur, each word once.

    Args:
        texts: these cells (N,), missing ones among them.
        is_whole: whether they are all cells, in order.
        kinds: the first of each kind that is not missing, in order.
        missing: words for missing cells.
        is_number: whether the column holds numbers as such.
        fractions: whether some of these have fractions.
    """

    texts: Texts
    is_whole: bool
    kinds: pd.Series
    missing: list[str] = field(default_factory=list)
    is_number: bool = False
    fractions: bool = False
    _times: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def is_missing(self) -> np.ndarray:
        """Whether cells are missing, or words for that (N,)."""
        import numpy as np

        cells = self.texts.text
        if any("#" in word for word in self.missing):  # others of their kind may not be
            return (cells.isna() | cells.isin(self.missing)).to_numpy(bool)
        return np.append(self.texts.first.isin(self.missing), True)[self.texts.places]

    @cached_property
    def text(self) -> pd.Series:
        """The cells that are not missing."""
        return exact_words(self.texts.text[~self.is_missing])

    @cached_property
    def different(self) -> pd.Series:
        """The different ones of these, in order."""
        return self.text.drop_duplicates(ignore_index=True)

    @cached_property
    def head(self) -> pd.Series:
        """The first hundred of these."""
        import numpy as np

        known = np.flatnonzero(self.texts.text.notna())[:FIRST]
        cells = self.texts.text.iloc[: known.max(initial=-1) + 1].dropna()
        return exact_words(cells[~cells.isin(self.missing)]).drop_duplicates()[:100]

    def are_dates(self, form: str) -> bool:
        """Whether all are dates in a form of strptime, "" for ISO 8601; mostly some tell."""
        import numpy as np

        some = (Texts(part).moments(form) for part in (self.kinds[:1], self.kinds[:100], self.head))
        return not any(np.isnat(part).any() for part in some) and self.times(form) is not None

    def times(self, form: str) -> np.ndarray | None:
        """Dates and times as datetime64[us] (N,), UTC, some of them missing; None if a cell is none.

        They are kept: what form they have is found by reading them all.
        """
        import numpy as np

        if form not in self._times:
            found = self.texts.moments(form)
            if (np.isnat(found) & ~self.is_missing).any():
                return None
            self._times = {form: found}
        return self._times[form]

    def numbers(self, notation: Notation) -> np.ndarray | None:
        """Numbers as float64 (N,), NaN if they are missing; None if a cell is none, or infinite."""
        import numpy as np

        found = read_numbers(self.texts, notation)
        return None if (~np.isfinite(found) & ~(np.isnan(found) & self.is_missing)).any() else found


def known_cells(cells: pd.Series) -> Known:
    """What is known of a column's cells."""
    import pandas as pd

    if cells.dtype.kind in "iufMmb":
        first = cells.iloc[:1] if is_plain(cells.iloc[:1]) else cells.dropna().iloc[:1]
        one = pd.Series([str(first.iloc[0])] if len(first) else [], dtype="string")  # in less time than of text
        is_number = cells.dtype.kind in "iuf"
        return Known(Texts(one), False, one, [], is_number, cells.dtype.kind == "f" and not are_whole(cells))
    is_whole = mostly_differ(cells)
    texts = Texts((cells if is_whole else pd.Series(cells.dropna().unique())).astype("string"))
    raw = texts.first
    if raw.str.contains("#", regex=False).any():  # #DIV/0! is missing, and #DIV/1! is not
        raw = texts.text.dropna().drop_duplicates()
    text = exact_words(raw)
    missing = text.str.lower().isin(MISSING_WORDS).astype(bool)
    return Known(texts, is_whole, text[~missing].drop_duplicates(), raw[missing].tolist())


def are_whole(cells: pd.Series) -> bool:
    """Whether numbers have no fractions; those that are missing apart."""
    import numpy as np

    if cells.dtype.kind in "iu":
        return True
    values = cells.to_numpy() if isinstance(cells.dtype, np.dtype) else cells.dropna().to_numpy("float64")
    for part in (values[:1000], values):  # mostly the first ones tell
        known = part[~np.isnan(part)]
        with np.errstate(invalid="ignore"):
            if (known - np.trunc(known) != 0).any():  # of infinite ones it is NaN
                return False
    return True
