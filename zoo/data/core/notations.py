"""How the numbers of a table are written: point or comma before fractions, signs between thousands, units.

It is found from all columns together, and asked for where two readings fit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.spec.cells import PLAIN, SPACES, Notation, with_minus
from zoo.spec.delimited import Delimited
from zoo.spec.files import read_file
from zoo.spec.known import Known, known_cells
from zoo.spec.mapped import one_by_one

if TYPE_CHECKING:
    import pandas as pd

_CURRENCIES = ("$", "€", "£", "¥", "₹", "US$", "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD")
AFFIXED = (  # sign, currency, number, currency or unit
    rf"^([+-]?)\s*({'|'.join(map(re.escape, _CURRENCIES))})?\s*"
    rf"([+-]?(?:[0-9][0-9.,{SPACES}]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?)\s*([^\d\s.,+\-:/]\S{{0,11}})?$"
)
_POINT = rf"(?:\d{{1,3}}(?P<p>[,{SPACES}])\d{{3}}(?:(?P=p)\d{{3}})*|\d+)?(?:\.\d*)?"
_COMMA = rf"(?:\d{{1,3}}(?P<c>[.{SPACES}])\d{{3}}(?:(?P=c)\d{{3}})*|\d+)?(?:,\d*)?"


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
    has_commas = False
    columns = (known_cells(cells) for _, cells in one_by_one(frame) if cells.dtype.kind not in "iufMmb")
    for fit in map(reading_of, columns):
        if fit is not None and fit[1] != fit[2]:  # either point or comma
            if fit[1]:
                return False
            has_commas = True
    return has_commas


def notations_of(columns: Mapping[str, Known], decimal: str | None, thousands: str | None) -> dict[str, Notation]:
    """How the numbers of each column of text are written; columns of other cells are left out.

    Raises:
        DataError: 1,571 may be 1571 or 1.571, and nothing else in the table tells.
    """
    import pandas as pd

    fits = {name: fit for name, known in columns.items() if (fit := reading_of(known)) is not None}
    points = [name for name, (unit, point, comma, grouped) in fits.items() if point and not comma]
    commas = [name for name, (unit, point, comma, grouped) in fits.items() if comma and not point]
    has_fractions = any(known.fractions for known in columns.values())
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
            kinds = columns[name].kinds
            cell = next(iter(kinds[kinds.str.contains("[.,]", regex=True)]), "")
            if "," in cell:
                raise DataError(
                    f"column '{name}': '{cell}' may have a comma between thousands or before a fraction; give "
                    'data.decimal="." or data.decimal=","'
                )
            sign = "."
        between = grouped if grouped != sign else ""
        if between and thousands is not None:
            between = thousands
        known = columns[name]
        plain = sign == "." and (known.is_number or pd.to_numeric(known.kinds, errors="coerce").notna().all())
        notations[name] = PLAIN if plain else Notation(sign, between, unit)
    return notations


def reading_of(known: Known) -> tuple[str, bool, bool, str] | None:
    """The unit of a column of numbers, whether all fit with a point and with a comma before fractions, and what stands
    between thousands; None if it is no column of numbers."""
    if known.is_number and len(known.kinds):
        cell = known.kinds.iloc[0]
        return None if "inf" in cell else ("", True, "." not in cell, "")
    if not len(known.kinds) or not known.head.str.contains(r"^\D{0,5}\d", regex=True).mean() > 0.5:
        return None
    found = _reading_of(known.kinds)
    return _reading_of(known.text) if found is not None and re.search(r"\d", found[0]) else found  # of m² written as m2


def _reading_of(known: pd.Series) -> tuple[str, bool, bool, str] | None:
    import pandas as pd

    if pd.to_numeric(known, errors="coerce").notna().all():
        return "", True, not known.str.contains(".", regex=False).any(), ""
    parts = with_minus(known).str.extract(AFFIXED)
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
