"""How dates are written: by ISO 8601, or as people write them in one place or another."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.errors import DataError
from zoo.spec.dialect import Say

if TYPE_CHECKING:
    import pandas as pd

ORDERS = ("day_first", "month_first")
_MONTHS = r"[^\W\d_]{3,9}\.?"


def date_form(known: pd.Series, name: str, dates: str | None, say: Say, *, must: bool = False) -> str | None:
    """How dates are written, "" if by ISO 8601; None if these are none.

    Raises:
        DataError: the day and the month may be either way round.
    """
    import pandas as pd

    if pd.to_datetime(known, format="ISO8601", errors="coerce", utc=True).notna().all():
        return ""
    fitting = [form for form in _forms(known) if _parse(known, form)]
    if len(fitting) > 1 and fitting[0][:2] != fitting[1][:2] and "." not in fitting[0]:
        if dates is None:
            raise DataError(
                f"column '{name}': '{known.iloc[0]}' may have the day or the month first, as have all its dates; give "
                "data.dates=day_first or data.dates=month_first"
            )
        fitting = [form for form in fitting if form.startswith("%d") == (dates == "day_first")]
    if not fitting:
        if must:
            raise DataError(f"column '{name}': '{known.iloc[0]}' is no date that is known; write 2024-12-31")
        return None
    form = fitting[0]
    day = pd.to_datetime(known[:1], format=form).iloc[0].date().isoformat()
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


def _parse(known: pd.Series, form: str) -> bool:
    import pandas as pd

    return bool(pd.to_datetime(known, format=form, errors="coerce").notna().all())
