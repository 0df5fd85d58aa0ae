"""How dates are written: by ISO 8601, or as people write them in one place or another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoo.errors import DataError
from zoo.spec.dialect import Say
from zoo.spec.digits import Texts

if TYPE_CHECKING:
    import pandas as pd

    from zoo.spec.known import Known

ORDERS = ("day_first", "month_first")
MOSTLY = 0.8  # the share of cells by which a column seems to be of dates or numbers, with some that are none
DATED = r"^\d{1,4}([-/.])\w{1,9}\1\d{1,4}(?:[ T].*)?$"
_MONTHS = r"[^\W\d_]{3,9}\.?"
# Of mail, of social networks, of `date`, of web servers; and months
_FIXED = (
    "%a, %d %b %Y %H:%M:%S %Z", "%a, %d %b %Y %H:%M:%S %z", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S %z", "%b %Y", "%B %Y", "%b-%Y", "%m/%Y",
)  # fmt: skip


def date_form(known: Known, name: str, dates: str | None, say: Say, *, must: bool = False) -> str | None:
    """How dates are written, "" if by ISO 8601; None if these are none.

    Args:
        known: the cells, at least one of which is not missing.
        name: of the column.
        dates: one of `ORDERS`, where both fit.
        say: is told how they are read.
        must: whether what is no date is an error.

    Raises:
        DataError: the day and the month may be either way round; or there is no such day.
    """
    import pandas as pd

    if known.are_dates(""):
        return ""
    first = known.kinds.iloc[0]
    forms = _forms(first)
    fitting = [form for form in forms if known.are_dates(form)]
    if not fitting and re.search(r"\d", first):
        fitting = [form for form in _FIXED if known.are_dates(form)]
    if {"%d", "%m"} <= {form[:2] for form in fitting} and "." not in fitting[0]:
        if dates is None:
            raise DataError(
                f"column '{name}': '{first}' may have the day or the month first, as have all its dates; give "
                "data.dates=day_first or data.dates=month_first"
            )
        fitting = [form for form in fitting if form.startswith("%d") == (dates == "day_first")]
    if not fitting:
        _refuse_impossible(known, name, ["", *forms, *_FIXED])
        if must:
            raise DataError(f"column '{name}': '{first}' is no date that is known; write 2024-12-31")
        return None
    form = fitting[0]
    day = pd.to_datetime(first, format=form, utc=True).date().isoformat()
    order = {"%d": "day first", "%m": "month first"}.get(form[:2], form)
    say(f"column '{name}' is read as dates, {order}: '{first}' is {day}")
    return form


def _forms(first: str) -> list[str]:
    """Forms that a date may have."""
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


def _parsed(text: pd.Series, form: str) -> pd.Series:
    """Whether each text is a date in a form of strptime, "" for ISO 8601."""
    import pandas as pd

    return pd.Series(Texts(text).moments(form), text.index).notna()


def _refuse_impossible(cells: Known, name: str, forms: Sequence[str]) -> None:
    """Refuse what looks like dates, of which some are no day, such as 2024-02-30; it would be a category."""
    if not cells.kinds.str.match(DATED).all():
        return
    known = cells.different
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
    if one.any() and any(_parsed(known[~one], form).all() for form in ["", *_forms(known[~one].iloc[0])]):
        raise DataError(
            f"column '{name}' has dates in two forms, '{known[one].iloc[0]}' and '{known[~one].iloc[0]}'; write all in "
            f"one, or give data.kinds={{{name}: category}}"
        )
