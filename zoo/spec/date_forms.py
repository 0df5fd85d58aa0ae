"""How dates are written: by ISO 8601, or as people write them in one place or another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.errors import DataError
from zoo.spec.dialect import Say
from zoo.spec.digits import moments

if TYPE_CHECKING:
    import pandas as pd

ORDERS = ("day_first", "month_first")
MOSTLY = 0.8  # the share of cells by which a column seems to be of dates or numbers, with some that are none
DATED = r"^\d{1,4}([-/.])\w{1,9}\1\d{1,4}(?:[ T].*)?$"
_MONTHS = r"[^\W\d_]{3,9}\.?"
# Of mail, of social networks, of `date`, of web servers; and months
_FIXED = (
    "%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z", "%b %Y", "%B %Y", "%b-%Y", "%m/%Y",
)  # fmt: skip


def date_form(known: pd.Series, name: str, dates: str | None, say: Say, *, must: bool = False) -> str | None:
    """How dates are written, "" if by ISO 8601; None if these are none.

    Args:
        known: the cells as text, without those that are missing.
        name: of the column.
        dates: one of `ORDERS`, where both fit.
        say: is told how they are read.
        must: whether what is no date is an error.

    Raises:
        DataError: the day and the month may be either way round; or there is no such day.
    """
    import pandas as pd

    if _all_parsed(known, "ISO8601"):
        return ""
    forms = _forms(known)
    fitting = [form for form in forms if _all_parsed(known, form)]
    if not fitting and re.search(r"\d", known.iloc[0]):
        fitting = [form for form in _FIXED if _all_parsed(known, form)]
    if {"%d", "%m"} <= {form[:2] for form in fitting} and "." not in fitting[0]:
        if dates is None:
            raise DataError(
                f"column '{name}': '{known.iloc[0]}' may have the day or the month first, as have all its dates; give "
                "data.dates=day_first or data.dates=month_first"
            )
        fitting = [form for form in fitting if form.startswith("%d") == (dates == "day_first")]
    if not fitting:
        _refuse_impossible(known.drop_duplicates(), name, ["ISO8601", *forms, *_FIXED])
        if must:
            raise DataError(f"column '{name}': '{known.iloc[0]}' is no date that is known; write 2024-12-31")
        return None
    form = fitting[0]
    day = pd.to_datetime(known[:1], format=form, utc=True).iloc[0].date().isoformat()
    order = {"%d": "day first", "%m": "month first"}.get(form[:2], form)
    say(f"column '{name}' is read as dates, {order}: '{known.iloc[0]}' is {day}")
    return form


def _forms(known: pd.Series) -> list[str]:
    """Forms that the first date may have."""
    first = known.iloc[0]
    if not (match := re.match(r"(\w+\.?)\s*([/.\-, ])\s*(\w+\.?)(?:\2|,?\s)\s*(\d{2,4})(.*)$", first)):
        return []
    one, sign, two, year, rest = match.groups()
    clock = {"": "", "h": " %H", "m": " %H:%M", "s": " %H:%M:%S"}[_clock(rest)]
    if re.search(r"[ap]m$", rest, re.IGNORECASE):
        clock = clock.replace("%H", "%I") + (" %p" if " " in rest.strip() else "%p")
    clock = clock.replace(" ", rest[0], 1) if clock and rest[0] == "T" else clock
    if len(one) == 4 and one.isdigit():
        return [f"%Y{sign}%m{sign}%d{clock}"]
    years = "%Y" if len(year) == 4 else "%y"
    if one.isdigit() and two.isdigit():
        return [f"{a}{sign}{b}{sign}{years}{clock}" for a, b in (("%d", "%m"), ("%m", "%d"))]
    if one.isdigit() and re.fullmatch(_MONTHS, two):
        return [f"%d{sign}{month}{sign}{years}{clock}" for month in ("%b", "%B")]
    if re.fullmatch(_MONTHS, one) and two.rstrip(",").isdigit():
        return [f"{month} %d{comma} {years}{clock}" for month in ("%b", "%B") for comma in (",", "")]
    return []


def _clock(rest: str) -> str:
    return "" if not rest.strip() else {0: "h", 1: "m"}.get(rest.count(":"), "s")


def _all_parsed(known: pd.Series, form: str) -> bool:
    """Whether all are dates in this form; mostly the first ones tell."""
    return all(_parsed(part, form).all() for part in (known[:1], known[:1000], known))


def _parsed(known: pd.Series, form: str) -> pd.Series:
    """Whether each is a date in this form."""
    import pandas as pd

    if form == "ISO8601":
        return pd.to_datetime(known, format=form, errors="coerce", utc=True).notna()
    return pd.Series(moments(known, form), known.index).notna()


def _refuse_impossible(known: pd.Series, name: str, forms: Sequence[str]) -> None:
    """Refuse what looks like dates, of which some are no day, such as 2024-02-30; it would be a category."""
    if not known.str.match(DATED).all():
        return
    for form in forms:
        is_date = _parsed(known, form)
        if MOSTLY <= is_date.mean() < 1:
            odd = known[~is_date].iloc[0][:40]
            raise DataError(
                f"column '{name}': '{odd}' is no date, and {is_date.sum()} of {len(known)} different cells are; "
                f"mend it, or give data.na_values=['{odd}']"
            )
    _refuse_several(known, name, forms)


def _refuse_several(known: pd.Series, name: str, forms: Sequence[str]) -> None:
    """Refuse dates of which some are written in one way and others in another; they would be categories."""
    one = max((_parsed(known, form) for form in forms), key=lambda fits: int(fits.sum()))
    if one.any() and any(_parsed(known[~one], form).all() for form in ["ISO8601", *_forms(known[~one])]):
        raise DataError(
            f"column '{name}' has dates in two forms, '{known[one].iloc[0]}' and '{known[~one].iloc[0]}'; write all in "
            f"one, or give data.kinds={{{name}: category}}"
        )
