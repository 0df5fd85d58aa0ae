"""The kinds of a table's columns, found from their cells: number, category, boolean, date, time of day, or none.

What is found is said; what is unclear is asked for in one line, with the setting that decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.spec.cells import (
    FALSE_WORDS,
    MISSING_NAMES,
    MISSING_WORDS,
    PLAIN,
    SPACES,
    TIME_OF_DAY,
    TRUE_WORDS,
    Notation,
    exact_words,
    is_missing,
    words,
    written_plainly,
)
from zoo.spec.date_forms import date_form
from zoo.spec.delimited import Delimited
from zoo.spec.dialect import Say
from zoo.spec.files import read_file

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("number", "category", "boolean", "date", "time", "ignore")
SHOWN = 3  # cells in a message
MOSTLY = 0.8  # the share of cells by which a column seems to be of numbers, with some that are none
FEW = 20  # different words, which are a category however few rows there are
TEXT_WORDS = 3  # words a cell, on average, from which cells are texts
_IDENTIFIER = re.compile(r"(.*[ _.-])?(id|uuid|guid|index|key|row|nr|no|number|serial)|unnamed: \d+|column_1|[a-z]+ID")
_COUNTRY = r"[A-Z]{2}"
_CURRENCIES = ("$", "€", "£", "¥", "₹", "US$", "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD")
_AFFIXED = (  # sign, currency, number, currency or unit
    rf"^([+-]?)\s*({'|'.join(map(re.escape, _CURRENCIES))})?\s*"
    rf"([+-]?(?:\d[\d.,{SPACES}]*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*([^\d\s.,+\-]\S{{0,11}})?$"
)
_DATED = r"^\d{1,4}([-/.])\w{1,9}\1\d{1,4}(?:[ T].*)?$"
_POINT = rf"(?:\d{{1,3}}(?P<p>[,{SPACES}])\d{{3}}(?:(?P=p)\d{{3}})*|\d+)?(?:\.\d*)?"
_COMMA = rf"(?:\d{{1,3}}(?P<c>[.{SPACES}])\d{{3}}(?:(?P=c)\d{{3}})*|\d+)?(?:,\d*)?"


@dataclass(frozen=True)
class Kind:
    """What a column's cells are, and how they are written: `notation` of numbers, `form` of dates, `exact` names."""

    name: str
    notation: Notation = PLAIN
    form: str = ""
    exact: bool = False


IGNORED = Kind("ignore")


def find(
    frame: pd.DataFrame,
    given: Mapping[str, str],
    say: Say,
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
        targets: columns to predict, which are numbers or classes.
        decimal, thousands: how numbers are written, where it is known.
        dates: `day_first` or `month_first`, where 03/04/2021 may be either.

    Raises:
        DataError: it is unclear how a column is to be read, or most cells are numbers and some are none.
    """
    columns = {str(name): _known(cells) for name, cells in frame.items()}
    notations = _notations(columns, decimal, thousands)
    plain = Notation(decimal or ".")  # of columns that were read as numbers
    found = {}
    for (name, known), cells in zip(columns.items(), (frame[name] for name in frame.columns)):
        notation = notations.get(name)
        kind = given.get(name)
        if name in targets:
            found[name] = _find_target(cells, known, name, notation, plain, say)
        elif kind in ("ignore", "boolean", "time"):
            found[name] = Kind(kind)
        elif kind == "number":
            found[name] = Kind("number", notation or plain)
        elif kind == "date":
            found[name] = Kind("date", form=date_form(known, name, dates, say, must=True) or "")
        elif kind == "category":
            found[name] = Kind("category", exact=_is_exact(known))
        else:
            found[name] = _find(cells, known, name, notation, plain, dates, say)
    return found


def _find(
    cells: pd.Series,
    known: pd.Series,
    name: str,
    notation: Notation | None,
    plain: Notation,
    dates: str | None,
    say: Say,
) -> Kind:
    """The kind of a column; `known` are its different cells as text, without those that are missing."""
    if not len(known):
        return IGNORED if cells.dtype == object or cells.dtype.kind not in "iuf" else Kind("number", plain)
    if cells.dtype.kind in "iuf":
        return _find_of_numbers(cells, name, plain, say)
    if cells.dtype.kind == "M":
        return Kind("date")
    if cells.dtype.kind == "b" or known.str.lower().isin(TRUE_WORDS + FALSE_WORDS).all():
        _say_missing(cells, name, "boolean", say)
        return Kind("boolean")
    if notation is not None:
        return _find_written(cells, known, name, notation, say)
    form = date_form(known, name, dates, say)
    if form is not None:
        _say_missing(cells, name, "date", say)
        return Kind("date", form=form)
    if known.str.fullmatch(TIME_OF_DAY).all():
        _say_missing(cells, name, "time of day", say)
        say(f"column '{name}' is read as times of day, which turn with the day")
        return Kind("time")
    if len(known) > FEW:
        _refuse_odd_ones(cells, name)
    return _find_of_words(cells, known, name, say)


def _find_target(
    cells: pd.Series, known: pd.Series, name: str, notation: Notation | None, plain: Notation, say: Say
) -> Kind:
    if cells.dtype.kind in "iuf":
        return Kind("number", plain)
    if notation is None or _is_exact(known):
        return Kind("category")
    return _find_written(cells, known, name, notation, say)


def read_with_decimals(path: str, options: Mapping[str, Any], decimal: str | None) -> Delimited:
    """Read a file, with commas before fractions if its numbers turn out to have them.

    Args:
        path: the file.
        options: of `read_delimited`.
        decimal: "." or ",", if it is known.

    Raises:
        DataError: as in `read_file`.
    """
    file = read_file(path, **options, decimal=decimal)
    if decimal is None and has_decimal_commas(file.frame):
        file = read_file(path, **options, decimal=",")
        file.notes.append("its numbers have a comma before their fractions")
    return file


def has_decimal_commas(frame: pd.DataFrame) -> bool:
    """Whether a column of text holds numbers with commas before their fractions, and none holds points there."""
    columns = {str(name): _known(cells) for name, cells in frame.items() if cells.dtype.kind not in "iufMmb"}
    fits = [fit for known in columns.values() if (fit := _fits(known)) is not None]
    return any(comma and not point for _, point, comma, _ in fits) and not any(p and not c for _, p, c, _ in fits)


def _known(cells: pd.Series) -> pd.Series:
    """The different cells as text, without words for missing ones; of numbers the first few."""
    import pandas as pd

    if cells.dtype.kind in "iufMmb":
        known = pd.Series(cells.dropna().head(1).astype("string").array)
        known.attrs["fractions"] = cells.dtype.kind == "f" and any(
            bool((part.dropna() % 1 != 0).any()) for part in (cells.head(1000), cells)
        )
        return known
    different = pd.Series(exact_words(pd.Series(cells.dropna().unique())).unique(), dtype="string")
    return different[~different.str.lower().isin(MISSING_WORDS).astype(bool)].reset_index(drop=True)


# Numbers


def _find_of_numbers(cells: pd.Series, name: str, plain: Notation, say: Say) -> Kind:
    """The kind of a column that holds numbers alone: they may be counters, dates or codes."""
    known = cells.dropna()
    whole = cells.dtype.kind in "iu" or all(bool((part % 1 == 0).all()) for part in (known.head(1000), known))
    if whole and len(known) > FEW and _IDENTIFIER.fullmatch(name.lower()) and known.is_unique:
        say(f"column '{name}' is left out: each row has its own number; {_setting(name, 'number')} keeps it")
        return IGNORED
    if whole and known.between(19_000_101, 21_001_231).all() and known.min() < known.max():
        import pandas as pd

        text = pd.Series(known.astype("int64").unique()).astype(str)
        if pd.to_datetime(text, format="%Y%m%d", errors="coerce").notna().all():
            say(f"column '{name}' is read as dates: {text[0]} is {text[0][:4]}-{text[0][4:6]}-{text[0][6:]}")
            return Kind("date")
    _say_codes(known, name, say)
    _say_missing(cells, name, "number", say)
    return Kind("number", plain)


def _find_written(cells: pd.Series, known: pd.Series, name: str, notation: Notation, say: Say) -> Kind:
    """The kind of a column of numbers that are written in some way, or among words for missing ones."""
    if notation == PLAIN and _is_exact(known):
        say(
            f"column '{name}' is read as a category, since {_listed(known[_looks_exact(known)])} has a leading zero or "
            f"is no plain number; {_setting(name, 'number')} makes it a number"
        )
        return Kind("category", exact=True)
    example = known.iloc[0]
    value = float(written_plainly(known[:1], notation).iloc[0])
    if notation != PLAIN:
        say(f"column '{name}' is read as numbers: '{example}' is {value:.12g}{_unit(notation)}")
    _say_missing(cells, name, "number", say)
    return Kind("number", notation)


def _unit(notation: Notation) -> str:
    return f" ({notation.unit})" if notation.unit else ""


def _is_exact(known: pd.Series) -> bool:
    """Whether numbers are names: some have leading zeros, or whole ones are written with and without an exponent."""
    if known.str.contains(r"^[+-]?0\d", regex=True).any():
        return True
    powers = known.str.fullmatch(r"\d+[eE]\d+")
    return bool(powers.any() and known.str.fullmatch(r"\d+|\d+[eE]\d+").all())


def _looks_exact(known: pd.Series) -> pd.Series:
    return known.str.contains(r"^[+-]?0\d|^\d+[eE]\d+$", regex=True).astype(bool)


def _notations(columns: Mapping[str, pd.Series], decimal: str | None, thousands: str | None) -> dict[str, Notation]:
    """How the numbers of each column of text are written; columns of other cells are left out.

    Raises:
        DataError: 1,571 may be 1571 or 1.571, and nothing else in the table tells.
    """
    import pandas as pd

    fits = {name: fit for name, known in columns.items() if (fit := _fits(known)) is not None}
    points = [name for name, (unit, point, comma, grouped) in fits.items() if point and not comma]
    commas = [name for name, (unit, point, comma, grouped) in fits.items() if comma and not point]
    has_fractions = any(known.attrs.get("fractions", False) for known in columns.values())
    if decimal is None and (points or has_fractions) != bool(commas):
        decimal = "," if commas else "."
    if decimal is None and thousands:
        decimal = "," if thousands == "." else "."
    notations = {}
    for name, (unit, point, comma, grouped) in fits.items():
        sign = decimal
        if point != comma:
            sign = "." if point else ","
        if sign is None:
            cell = next(iter(columns[name][columns[name].str.contains("[.,]", regex=True)]), "")
            if "," in cell:
                raise DataError(
                    f"column '{name}': '{cell}' may have a comma between thousands or before a fraction; give "
                    'data.decimal="." or data.decimal=","'
                )
            sign = "."
        between = grouped if grouped != sign else ""
        if between and thousands is not None:
            between = thousands
        plain = pd.to_numeric(columns[name], errors="coerce").notna().all() and sign == "."
        notations[name] = PLAIN if plain else Notation(sign, between, unit)
    return notations


def _fits(known: pd.Series) -> tuple[str, bool, bool, str] | None:
    """The unit of a column of numbers, whether all fit with a point and with a comma before fractions, and what stands
    between thousands; None if it is no column of numbers."""
    import pandas as pd

    if not len(known) or not known.head(100).str.contains(r"^\D{0,5}\d", regex=True).mean() > 0.5:
        return None
    if pd.to_numeric(known, errors="coerce").notna().all():
        return "", True, not known.str.contains(".", regex=False).any(), ""
    parts = known.str.extract(_AFFIXED)
    if parts[2].isna().any():
        return None
    before, after = parts[1].fillna(""), parts[3].fillna("")
    if ((before != "") & (after != "")).any():
        return None
    units = sorted({*before, *after} - {""})
    bare = (before == "") & (after == "")
    if len(units) > 1 or (units and bare.any() and units[0] not in _CURRENCIES):
        return None
    number = parts[2].str.strip().str.lstrip("+-").str.replace(r"[eE][+-]?\d+$", "", regex=True)
    point, comma = bool(number.str.fullmatch(_POINT).all()), bool(number.str.fullmatch(_COMMA).all())
    if not point and not comma:
        return None
    grouped = number.str.extract(rf"\d([.,{SPACES}])\d{{3}}(?:\D|$)")[0].dropna()
    signs = set(grouped) - ({"."} if point and not comma else {","} if comma and not point else set())
    return (units or [""])[0], point, comma, next(iter(signs), "")


def _refuse_odd_ones(cells: pd.Series, name: str) -> None:
    """Refuse a column of numbers with some cells that are none, which would be a category of all those numbers."""
    import pandas as pd

    known = exact_words(cells[~is_missing(cells)])
    is_number = pd.to_numeric(known, errors="coerce").notna()
    is_like_one = known.str.match(_AFFIXED).astype(bool) | known.str.match(_DATED).astype(bool)
    for what, fitting in (("a number", is_number), ("a number, an amount or a date", is_like_one)):
        if MOSTLY <= fitting.mean() < 1 and known[fitting].nunique() > FEW:
            cell, row = known[~fitting].iloc[0][:40], known.index[int((~fitting).to_numpy().argmax())]
            raise DataError(
                f"column '{name}', row {row}: '{cell}' is not {what}, and {fitting.sum()} of {len(known)} cells are; "
                f"mend it, or give data.na_values=['{cell}'] or {_setting(name, 'category')}"
            )


def _setting(name: str, kind: str) -> str:
    return f"data.kinds={{{name if name.isidentifier() else repr(name)}: {kind}}}"


def _say_codes(known: pd.Series, name: str, say: Say) -> None:
    """Say that a number far from all others, such as -999, seems to stand for missing ones."""
    for extreme in (known.min(), known.max()):
        if abs(extreme) > 1e12 or set(f"{abs(extreme):.12g}") != {"9"}:
            continue
        others, count = known[known != extreme], int((known == extreme).sum())
        if count < 2 or not len(others):
            continue
        low, high = others.min(), others.max()
        if min(abs(low - extreme), abs(high - extreme)) > high - low > 0:
            say(
                f"column '{name}': {extreme:.12g} stands in {count} rows, far from all others, and looks like a code "
                f"for missing cells; it is read as a number, unless data.na_values=[{extreme:.12g}]"
            )


def _say_missing(cells: pd.Series, name: str, kind: str, say: Say) -> None:
    missing = cells.isna() if cells.dtype.kind in "iufM" else is_missing(cells)
    if missing.any():
        written = [] if cells.dtype.kind in "iufM" else sorted(set(map(str, cells[missing].dropna())))
        shown = f" ({', '.join(map(repr, written[: 2 * SHOWN]))})" if written else ""
        say(
            f"column '{name}' is a {kind}: {missing.sum()} of {len(cells)} cells are missing{shown}, first in row "
            f"{cells.index[int(missing.to_numpy().argmax())]}"
        )


# Words


def _find_of_words(cells: pd.Series, known: pd.Series, name: str, say: Say) -> Kind:
    """The kind of a column of words: a category, unless most rows have their own."""
    count = int(cells.notna().sum())
    if len(known) > FEW and len(known) > count / 4 and is_text(known):
        say(f"column '{name}' is left out: it holds {len(known)} different texts; data=csv_text learns from texts")
        return IGNORED
    if len(known) > FEW and len(known) > count / 4 and known.str.match(_AFFIXED).all():
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
    text = words(cells)
    missing = text.str.lower().isin(MISSING_NAMES)
    if text.isin(["NA"]).any() and known.str.fullmatch(_COUNTRY).all():
        say(f"column '{name}': NA is read as a code like the others ({_listed(known)}), not as a missing cell")
        missing &= text != "NA"
    if missing.any():
        _say_missing(cells.where(missing | cells.isna(), "known"), name, "category", say)
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
