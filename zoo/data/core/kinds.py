"""The kinds of a table's columns, found from their cells: number, category, boolean, date, time of day, or none.

What is found is said; what is unclear is asked for in one line, with the setting that decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.data.core.notations import AFFIXED, notations_of
from zoo.errors import DataError
from zoo.spec.cells import (
    FALSE_WORDS,
    MISSING_NAMES,
    PLAIN,
    TIME_OF_DAY,
    TRUE_WORDS,
    Notation,
    distinct,
    exact_words,
    is_missing,
    is_plain,
    with_minus,
    words,
    written_plainly,
)
from zoo.spec.date_forms import DATED, MOSTLY, date_form
from zoo.spec.dialect import Say
from zoo.spec.digits import Texts
from zoo.spec.known import Known, are_whole, known_cells
from zoo.spec.mapped import one_by_one

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "category", "boolean", "date", "time", "ignore")
SHOWN = 3  # cells in a message
FEW = 20  # different words, which are a category however few rows there are
TEXT_WORDS = 3  # words a cell, on average, from which cells are texts
_IDENTIFIER = re.compile(r"(.*[ _.-])?(id|uuid|guid|index|key|row|nr|no|number|serial)|unnamed: \d+|column_1|[a-z]+ID")
_COUNTRY = r"[A-Z]{2}"


@dataclass(frozen=True)
class Kind:
    """What a column's cells are, and how they are written: `notation` of numbers, `form` of dates, `exact` names."""

    name: str
    notation: Notation = PLAIN
    form: str = ""
    exact: bool = False


IGNORED = Kind("ignore")


def known_columns(frame: pd.DataFrame) -> dict[str, Known]:
    """What is known of each column's cells, by name."""
    return {str(name): known_cells(cells) for name, cells in one_by_one(frame)}


def find(
    frame: pd.DataFrame,
    given: Mapping[str, str],
    say: Say,
    columns: Mapping[str, Known] | None = None,
    /,
    *,
    targets: Sequence[str] = (),
    decimal: str | None = None,
    thousands: str | None = None,
    dates: str | None = None,
) -> dict[str, Kind]:
    """The kind of each column.

    Args:
        frame: the whole table; how cells are written may show in one row alone.
        given: kinds that the user has given, by column.
        say: is told what was found, where it is not plain.
        columns: what is known of the cells of each; None to find it.
        targets: columns to predict, which are numbers or classes.
        decimal, thousands: how numbers are written, where it is known.
        dates: `day_first` or `month_first`, where 03/04/2021 may be either.

    Raises:
        DataError: it is unclear how a column is to be read, or most cells are numbers and some are none.
    """
    columns = known_columns(frame) if columns is None else columns
    notations = notations_of(columns, decimal, thousands)
    plain = Notation(decimal or ".")  # of columns that were read as numbers
    found = {}
    for (name, known), (_, cells) in zip(columns.items(), one_by_one(frame)):
        notation = notations.get(name)
        kind = given.get(name)
        if name in targets:
            found[name] = _find_target(cells, known, name, notation, plain, say)
        elif kind in ("ignore", "boolean", "time"):
            found[name] = Kind(kind)
        elif kind == "number":
            found[name] = Kind("number", notation or plain)
            _say_missing(cells, _missing(cells, known), known.missing, name, kind, say)
        elif kind == "date":
            found[name] = Kind("date", form=date_form(known, name, dates, say, must=True) or "")
        elif kind == "category":
            found[name] = Kind("category", exact=_is_exact(known.text))
        else:
            found[name] = _find(cells, known, name, notation, plain, dates, say)
    return found


def _find(
    cells: pd.Series,
    known: Known,
    name: str,
    notation: Notation | None,
    plain: Notation,
    dates: str | None,
    say: Say,
) -> Kind:
    """The kind of a column; `known` are its cells as text, without those that are missing."""
    if not len(known.kinds):
        return IGNORED if cells.dtype == object or cells.dtype.kind not in "iuf" else Kind("number", plain)
    if cells.dtype.kind in "iuf":
        return _find_of_numbers(cells, name, plain, say)
    if cells.dtype.kind == "M":
        return Kind("date")
    truths = TRUE_WORDS + FALSE_WORDS
    if cells.dtype.kind == "b" or (
        known.head.str.lower().isin(truths).all() and known.text.str.lower().isin(truths).all()
    ):
        _say_missing(cells, _missing(cells, known), known.missing, name, "boolean", say)
        return Kind("boolean")
    if notation is not None:
        return _find_written(cells, known, name, notation, say)
    form = date_form(known, name, dates, say)
    if form is not None:
        _say_missing(cells, _missing(cells, known), known.missing, name, "date", say)
        return Kind("date", form=form)
    if known.kinds.str.fullmatch(TIME_OF_DAY).all():
        hours = known.text.str.extract(r"^(\d+)")[0].astype("int64")
        if hours.max() > 23:
            longest = known.text.iloc[int(hours.argmax())]
            say(f"column '{name}' is left out: '{longest}' is no time of day; write a duration as a number")
            return IGNORED
        _say_missing(cells, _missing(cells, known), known.missing, name, "time of day", say)
        say(f"column '{name}' is read as times of day, which turn with the day")
        return Kind("time")
    if len(known.different) > FEW:
        _refuse_odd_ones(cells, name)
    return _find_of_words(cells, known, name, say)


def _find_target(
    cells: pd.Series, known: Known, name: str, notation: Notation | None, plain: Notation, say: Say
) -> Kind:
    if cells.dtype.kind in "iuf":
        return Kind("number", plain)
    if notation is None or _is_exact(known.text):
        return Kind("category")
    return _find_written(cells, known, name, notation, say)


# Numbers


def _find_of_numbers(cells: pd.Series, name: str, plain: Notation, say: Say) -> Kind:
    """The kind of a column that holds numbers alone: they may be counters, dates or codes."""
    missing = not is_plain(cells)
    known = cells.dropna() if missing else cells
    low, high = known.to_numpy().min(), known.to_numpy().max()
    whole = are_whole(known)
    if whole and len(known) > FEW and _IDENTIFIER.fullmatch(name.lower()) and known.is_unique:
        say(f"column '{name}' is left out: each row has its own number; {_setting(name, 'number')} keeps it")
        return IGNORED
    if whole and 19_000_101 <= low < high <= 21_001_231:
        import pandas as pd

        text = pd.Series(known.astype("int64").unique()).astype(str)
        if pd.to_datetime(text, format="%Y%m%d", errors="coerce").notna().all():
            say(f"column '{name}' is read as dates: {text[0]} is {text[0][:4]}-{text[0][4:6]}-{text[0][6:]}")
            return Kind("date")
    _say_codes(cells, low, high, name, say)
    if missing:
        _say_missing(cells, cells.isna(), [], name, "number", say)
    return Kind("number", plain)


def _find_written(cells: pd.Series, known: Known, name: str, notation: Notation, say: Say) -> Kind:
    """The kind of a column of numbers that are written in some way, or among words for missing ones."""
    import pandas as pd

    if notation == PLAIN and _is_exact(known.text):
        exact = known.different[_looks_exact(known.different)]
        say(
            f"column '{name}' is read as a category, since {_listed(exact)} has a leading zero or "
            f"is no plain number; {_setting(name, 'number')} makes it a number"
        )
        return Kind("category", exact=True)
    signed = known.kinds[with_minus(known.kinds) != known.kinds]  # by other signs than -
    example = next(iter(signed if len(signed) and notation == PLAIN else known.kinds))
    value = float(written_plainly(pd.Series([example], dtype="string"), notation).iloc[0])
    if notation != PLAIN or len(signed):
        say(f"column '{name}' is read as numbers: '{example}' is {value:.12g}{_unit(notation)}")
    _say_missing(cells, _missing(cells, known), known.missing, name, "number", say)
    return Kind("number", notation)


def _unit(notation: Notation) -> str:
    return f" ({notation.unit})" if notation.unit else ""


def _is_exact(known: pd.Series) -> bool:
    """Whether numbers are names: some have leading zeros, or whole ones are written with and without an exponent."""
    if known[known.str.startswith(("0", "+0", "-0"))].str.contains(r"^[+-]?0\d", regex=True).any():
        return True
    if not known.str.contains("e", case=False, regex=False).any():
        return False
    powers = known.str.fullmatch(r"\d+[eE]\d+")
    return bool(powers.any() and known.str.fullmatch(r"\d+|\d+[eE]\d+").all())


def _looks_exact(known: pd.Series) -> pd.Series:
    return known.str.contains(r"^[+-]?0\d|^\d+[eE]\d+$", regex=True).astype(bool)


def _refuse_odd_ones(cells: pd.Series, name: str) -> None:
    """Refuse a column of numbers with some cells that are none, which would be a category of all those numbers."""
    import numpy as np
    import pandas as pd

    places, different = pd.factorize(cells)  # -1 is missing
    known = pd.Series(different)
    known = exact_words(known).mask(is_missing(known))
    counts = np.bincount(places[places >= 0], minlength=len(known)) * known.notna().to_numpy(bool)
    is_number = pd.to_numeric(known, errors="coerce").notna()
    texts = Texts(known.fillna(""))
    is_like_one = known.notna() & texts.each(lambda some: some.str.match(AFFIXED) | some.str.match(DATED)).astype(bool)
    for what, fitting in (("a number", is_number), ("a number, an amount or a date", is_like_one)):
        fits = counts[fitting.to_numpy(bool)].sum()
        if MOSTLY <= fits / counts.sum() < 1 and known[fitting].nunique() > FEW:
            odd = np.append(~fitting & known.notna(), False)  # the last one is of missing cells
            place = int(odd[places].argmax())
            cell, row = known[places[place]][:40], cells.index[place]
            mend = f"mend it, or give data.na_values=['{cell}'] or {_setting(name, 'category')}"
            if cell == name:  # as where two files were joined
                mend = "the row repeats the header: remove it"
            raise DataError(
                f"column '{name}', row {row}: '{cell}' is not {what}, and {fits} of {counts.sum()} cells are; {mend}"
            )


def _setting(name: str, kind: str) -> str:
    return f"data.kinds={{{name if name.isidentifier() else repr(name)}: {kind}}}"


def _say_codes(cells: pd.Series, low: float, high: float, name: str, say: Say) -> None:
    """Say that the lowest or highest number, if far from all others as -999 is, seems to stand for missing ones."""
    for extreme in (low, high):
        if abs(extreme) > 1e12 or set(f"{abs(extreme):.12g}") != {"9"}:
            continue
        known = cells.dropna()
        others, count = known[known != extreme], int((known == extreme).sum())
        if count < 2 or not len(others):
            continue
        low, high = others.min(), others.max()
        if min(abs(low - extreme), abs(high - extreme)) > high - low > 0:
            say(
                f"column '{name}': {extreme:.12g} stands in {count} rows, far from all others, and looks like a code "
                f"for missing cells; it is read as a number, unless data.na_values=[{extreme:.12g}]"
            )


def _missing(cells: pd.Series, known: Known) -> pd.Series:
    """Whether cells are missing, or words for that, as `known_cells` found them."""
    import pandas as pd

    if cells.dtype == object or cells.dtype.kind == "b":
        return is_missing(cells)
    if known.is_whole:
        return pd.Series(known.is_missing, cells.index)
    return cells.isna() | cells.isin(known.missing) if known.missing else cells.isna()


def _say_missing(cells: pd.Series, missing: pd.Series, written: list[str], name: str, kind: str, say: Say) -> None:
    """Say how many cells are missing, and the words for that."""
    if missing.any():
        shown = f" ({', '.join(map(repr, sorted(written)[: 2 * SHOWN]))})" if written else ""
        say(
            f"column '{name}' is a {kind}: {missing.sum()} of {len(cells)} cells are missing{shown}, first in row "
            f"{cells.index[int(missing.to_numpy().argmax())]}"
        )


# Words


def _find_of_words(cells: pd.Series, about: Known, name: str, say: Say) -> Kind:
    """The kind of a column of words: a category, unless most rows have their own."""
    import pandas as pd

    known, count = about.different, int(cells.notna().sum())
    if len(known) > FEW and len(known) > count / 4 and is_text(known):
        say(f"column '{name}' is left out: it holds {len(known)} different texts; data=csv_text learns from texts")
        return IGNORED
    if len(known) > FEW and len(known) > count / 4 and about.kinds.str.match(AFFIXED).all():
        say(f"column '{name}' is left out: its numbers are written in several ways ({_listed(known)})")
        return IGNORED
    if len(known) == count and count > 1:
        say(f"column '{name}' is dropped: it is text, and no two rows have the same")
        return IGNORED
    if len(known) > 3 * FEW / 2 and len(known) > count / 2:
        say(
            f"column '{name}' is left out: it has {len(known)} different words in {count} rows; "
            f"{_setting(name, 'category')} keeps it"
        )
        return IGNORED
    different = words(pd.Series(cells.dropna().unique()))
    codes = different.isin(["NA"]).any() and known.str.fullmatch(_COUNTRY).all()
    if codes:
        say(f"column '{name}': NA is read as a code like the others ({_listed(known)}), not as a missing cell")
    if cells.isna().any() or different.str.lower().isin(MISSING_NAMES - ({"na"} if codes else set())).any():

        def is_name(some: pd.Series) -> pd.Series:
            text = words(some)
            found = text.str.lower().isin(MISSING_NAMES)
            return found & (text != "NA") if codes else found

        missing = (is_name(cells) if cells.dtype == object else distinct(cells, is_name)).fillna(False).astype(bool)
        if missing.any():
            written = list(set(map(str, cells[missing].unique())))
            _say_missing(cells, missing | cells.isna(), written, name, "category", say)
    return Kind("category")


def is_text(known: pd.Series) -> bool:
    """Whether cells are texts of several words each."""
    return float(known.head(1000).str.count(r"\S+").mean()) >= TEXT_WORDS


def names_of(cells: pd.Series, kind: Kind) -> list[str]:
    """The different names of a category in order, numbers by value; without words for missing cells."""
    text = (exact_words if kind.exact else words)(cells).dropna()
    different = text.drop_duplicates()
    missing = different.str.lower().isin(MISSING_NAMES)
    codes = "NA" in set(different) and different[~missing].str.fullmatch(_COUNTRY).all() and (~missing).any()
    kept: Sequence[str] = different[~missing | ((different == "NA") & codes)].tolist()
    try:
        return sorted(kept, key=lambda word: (float(word), word))
    except ValueError:
        return sorted(kept)


def _listed(known: pd.Series) -> str:
    return ", ".join(map(repr, known.head(SHOWN)))
