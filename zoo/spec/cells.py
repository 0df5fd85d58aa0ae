"""Cells of tables to words, numbers, days and times of day; each does so alone, whatever its column is like elsewhere.

What is learned from a file and what is asked for later, in a file, a stream or a dict, thus mean the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import SpecError
from zoo.spec.digits import Texts, dated, decimal, moment

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

TRUE_WORDS = ("true", "yes", "t", "y", "1")
FALSE_WORDS = ("false", "no", "f", "n", "0")
STATES = {**dict.fromkeys(TRUE_WORDS, 1.0), **dict.fromkeys(FALSE_WORDS, 0.0)}
# Words that are missing cells in any column, as they stand; names are told from them by nothing
NOT_A_WORD = frozenset(
    {"", "?", "#N/A", "#N/A N/A", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"}
)
# The same of columns of names, in lower case, unless a category has that name, as NA among the codes of countries
MISSING_NAMES = frozenset({*map(str.lower, NOT_A_WORD), "na", "n/a", "#na", "nan", "null", "none"})
# The same of columns of numbers, dates and booleans
MISSING_WORDS = MISSING_NAMES | {
    "-", "--", "---", "–", "—", ".", "..", "...", "missing", "unknown", "n.a.", "k.a.", "nil", "#value!",
    "#div/0!", "#ref!", "#null!", "#num!", "not available", "not known", "unbekannt",
}  # fmt: skip
FIRST = 10_000  # cells that tell whether many are alike
SPACES = " \u00a0\u202f\u2009'’"  # between thousands
_NUMBER = re.compile(r"\+?(?P<minus>-?)(?=\.?\d)0*(?P<whole>\d*)(?:\.(?P<fraction>\d*?)0*)?", re.ASCII)


class Notation(NamedTuple):
    """How numbers are written: "." or "," before the fraction, what stands between thousands ("" for nothing), and a
    unit, such as "$", "%" or "kg", before or after the number ("" for none)."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""


PLAIN = Notation()
TIME_OF_DAY = r"^(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?(?:\s*([AaPp])\.?[Mm]\.?)?$"
_OTHER_MINUS = "[(\u2212]|(?s:.)-"
_IN_BRACKETS = re.compile(r"^\s*\(([^()+-]*\d[^()+-]*)\)\s*\Z", re.ASCII)
_MINUS_BEHIND = re.compile(r"^\s*([^()+-]*\d)\s*-\s*\Z", re.ASCII)


def plain_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """A table with NumPy's types, text and dates alone, as files have them.

    A length of time becomes seconds, a month or quarter its first day, and a list or an object within a cell JSON.
    """
    plain = [_plain_column(frame.iloc[:, place]) for place in range(frame.shape[1])]
    changed = {place: cells for place, cells in enumerate(plain) if cells is not None}
    if not changed:
        return frame
    import pandas as pd

    columns = [changed.get(place, frame.iloc[:, place]) for place in range(frame.shape[1])]
    return pd.concat(columns, axis=1).set_axis(frame.columns, axis=1)


def _plain_column(cells: pd.Series) -> pd.Series | None:
    """A column of plain types; None if it is one."""
    import pandas as pd

    if isinstance(cells.dtype, pd.ArrowDtype):
        numeric = cells.dtype.kind in "iufb"
        cells = (
            cells.convert_dtypes(dtype_backend="numpy_nullable") if numeric else cells.astype(object).infer_objects()
        )
        return cells if (plain := _plain_column(cells)) is None else plain
    if isinstance(cells.dtype, pd.PeriodDtype):
        return cells.dt.to_timestamp()
    if cells.dtype.kind == "m":
        return cells.dt.total_seconds()
    if cells.dtype == object and not cells.map(lambda cell: isinstance(cell, Hashable)).all():
        return cells.map(lambda cell: cell if isinstance(cell, Hashable) else _json(cell))
    return None


def _json(cell: Any) -> str:
    return json.dumps(
        cell, ensure_ascii=False, default=lambda part: part.tolist() if hasattr(part, "tolist") else str(part)
    )


def distinct(cells: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """What a function of each cell gives, computed once for each distinct one; missing cells stay missing."""
    import pandas as pd

    places, different = factorized(cells)
    return pd.Series(function(different).array.take(places, allow_fill=True), index=cells.index, name=cells.name)


def factorized(cells: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """The place of each cell (N,) among the distinct ones, -1 if it is missing, and these."""
    import pandas as pd

    places, different = pd.factorize(cells)
    categories = getattr(different, "categories", None)
    return places, pd.Series(different if categories is None else different.astype(categories.dtype))


def compact(cells: pd.Series) -> pd.Series:
    """A column of text with many cells alike as pandas' categories, which take less memory, and less time later on."""
    import pandas as pd

    if mostly_differ(cells):
        return cells
    places, different = pd.factorize(cells)
    if len(different) > len(cells) / 2:
        return cells
    return pd.Series(pd.Categorical.from_codes(places, different), cells.index, name=cells.name, copy=False)


def mostly_differ(cells: pd.Series) -> bool:
    """Whether most of the first cells of text have a word of their own."""
    import pandas as pd

    return isinstance(cells.dtype, pd.StringDtype) and cells.iloc[:FIRST].nunique() > min(len(cells), FIRST) / 2


def is_plain(cells: pd.Series) -> bool:
    """Whether these are some numbers of NumPy's types, none of them missing."""
    import numpy as np

    if not len(cells) or not isinstance(cells.dtype, np.dtype) or cells.dtype.kind not in "iuf":
        return False
    return cells.dtype.kind != "f" or not math.isnan(cells.to_numpy().min())  # of which one makes it one


def words(cells: pd.Series) -> pd.Series:
    """Cells as text without surrounding spaces; 1, 1.0, "01" and "1" are the same word, and so are True and "TRUE".

    It must not depend on the other cells of a column, from which pandas infers the column's type.
    """
    if cells.dtype == object:  # True and 1 are one key, but not one word
        return _words(cells)
    return distinct(cells, _words).astype("string")


def _words(cells: pd.Series) -> pd.Series:
    text = exact_words(cells)
    return text.map({word: plain_word(word) for word in text.dropna().unique()}, na_action="ignore").astype("string")


def exact_words(cells: pd.Series) -> pd.Series:
    """Cells as text without surrounding spaces, and no more: "01" is not "1"."""
    return cells.astype("string").str.strip()


def plain_word(word: str) -> str:
    """A number without redundant zeros, True or False with a capital, and other words unchanged."""
    if match := _NUMBER.fullmatch(word):
        whole, fraction = match["whole"] or "0", match["fraction"]
        return match["minus"] + whole + (f".{fraction}" if fraction else "")
    return word.capitalize() if word.lower() in ("true", "false") else word


def numbers(cells: pd.Series, name: str, notation: Notation = PLAIN) -> pd.Series:
    """Cells as float64, NaN if they are missing or a word for that.

    Raises:
        SpecError: one is not a number, or not finite.
    """
    import numpy as np

    if cells.dtype.kind in "Mmc":
        raise SpecError(f"column '{name}' has {cells.dtype}, not numbers")
    if cells.dtype.kind in "iufb":
        values = cells.astype("float64")
    else:
        one_by_one = cells.dtype == object or mostly_differ(cells)  # True and 1 are one key
        values = _numbers(cells, notation) if one_by_one else distinct(cells, lambda part: _numbers(part, notation))
        wrong = values.isna() & cells.notna()
        if wrong.any():
            refuse(cells[wrong], ~is_missing(cells[wrong]), name, "not a number")
    refuse(cells, np.isinf(values.to_numpy()), name, "not finite; an unknown number is an empty cell")
    return values


def _numbers(cells: pd.Series, notation: Notation) -> pd.Series:
    """Cells as float64, NaN if they are no numbers."""
    import pandas as pd

    if isinstance(cells.dtype, pd.StringDtype):
        return pd.Series(read_numbers(Texts(cells), notation), cells.index)
    if cells.dtype == object and notation != PLAIN:  # numbers as such, beside text
        is_text = cells.map(lambda cell: isinstance(cell, str)).astype(bool)
        values = _floats(cells.mask(is_text))
        values[is_text] = _numbers(cells[is_text].astype("string"), notation)
        return values
    return _read(cells, notation)


def read_numbers(texts: Texts, notation: Notation) -> np.ndarray:
    """Texts as float64 (N,), NaN if they are missing or no numbers, and infinite if they are too large."""
    return texts.decimals(lambda part: _read(part, notation).to_numpy(), lambda part: written_plainly(part, notation))


def _read(cells: pd.Series, notation: Notation) -> pd.Series:
    """The same, of texts one by one."""
    values = _floats(cells if notation == PLAIN else written_plainly(cells.astype("string"), notation))
    if notation == PLAIN and (left := values.isna() & cells.notna()).any():
        values[left] = _floats(with_minus(cells[left].astype("string")))
    return values


def _floats(cells: pd.Series) -> pd.Series:
    """Cells in plain notation as float64, NaN if they are no numbers, and infinite if they are too large."""
    import pandas as pd

    try:
        return pd.Series(pd.to_numeric(cells, errors="coerce")).astype("float64")
    except OverflowError:  # by a whole number of Python, which has no bounds
        return pd.Series(pd.to_numeric(cells.astype("str"), errors="coerce")).astype("float64")


def with_minus(text: pd.Series) -> pd.Series:
    """Numbers below zero, as accounts and typesetters write them: (12.50), 12.50- and \u221212.50 are -12.50."""
    other = text.str.contains(_OTHER_MINUS, regex=True).fillna(False).astype(bool)
    if not other.any():
        return text
    text = text.copy()
    text[other] = text[other].map(_with_minus)
    return text


def _with_minus(text: str) -> str:
    if not re.search(_OTHER_MINUS, text):
        return text
    text = _IN_BRACKETS.sub(r"-\1", text.replace("\u2212", "-"))
    return _MINUS_BEHIND.sub(r"-\1", text)


def written_plainly(text: pd.Series, notation: Notation) -> pd.Series:
    """Numbers in a notation, as Python writes them; what is not in this notation becomes missing."""
    import pandas as pd

    write = _writer(notation)  # text by text, since pandas takes milliseconds for a single one
    return pd.Series([write(cell) if isinstance(cell, str) else None for cell in text], text.index, dtype="string")


@lru_cache(maxsize=64)
def _writer(notation: Notation) -> Callable[[str], str | None]:
    """`written_plainly`, of one text."""
    decimal, thousands, unit = map(re.escape, notation)
    between = re.compile(f"[{SPACES}]" if notation.thousands in SPACES else thousands)
    before, behind = re.compile(rf"^\s*([+-]?)\s*{unit}\s*"), re.compile(rf"\s*{unit}\s*\Z")  # "5,90\u00a0€"
    grouped = re.compile(rf"\s*[+-]?\d{{1,3}}(?:{between.pattern}\d{{3}})+(?:{decimal}\d*)?\s*", re.ASCII)

    def write(text: str) -> str | None:
        text = _with_minus(text)
        if notation.unit:
            text = behind.sub("", before.sub(r"\1", text))
        if notation.thousands and grouped.fullmatch(text):
            text = between.sub("", text)
        if notation.decimal == ",":
            return None if "." in text else text.replace(",", ".")
        return text

    return write


def number_of(text: str, notation: Notation = PLAIN) -> float | None:
    """A number as `numbers` reads it; None where a text may be none, or has more than 15 digits."""
    plain = _writer(notation)(text)
    return None if plain is None else decimal(plain)


def is_missing(cells: pd.Series) -> pd.Series:
    """Whether cells are missing, or words for a missing number, date or boolean."""
    if cells.dtype != object:
        return distinct(cells, _are_missing).fillna(True).astype(bool)
    return _are_missing(cells) | cells.isna()


def _are_missing(cells: pd.Series) -> pd.Series:
    return exact_words(cells).str.lower().isin(MISSING_WORDS).astype("boolean")


def days(cells: pd.Series, name: str, form: str = "") -> pd.Series:
    """Dates, or text, as days since 1970 (float64, UTC), NaN if they are missing or a word for that.

    Args:
        cells, name, form: as in `times`.

    Raises:
        SpecError: one is not a date.
    """
    import pandas as pd

    return (times(cells, name, form) - pd.Timestamp(0, tz="UTC").as_unit("us")) / pd.Timedelta(days=1)


def times(cells: pd.Series, name: str, form: str = "") -> pd.Series:
    """The same as pandas' times: microseconds, UTC, some of them missing.

    Args:
        cells: dates; or text, ISO 8601 or as `form` says.
        name: of the column.
        form: as of strptime, such as %d.%m.%Y; "" for ISO 8601 alone.

    Raises:
        SpecError: one is not a date.
    """
    text = words(cells) if cells.dtype.kind in "iufb" else cells  # 20241231
    # Nanoseconds end in 2262, and some tables have 9999-12-31 for "for ever"
    one_by_one = text.dtype == object or text.dtype.kind == "M" or mostly_differ(text)
    found = _times(text, form) if one_by_one else distinct(text, lambda different: _times(different, form))
    wrong = found.isna() & cells.notna()
    if wrong.any():
        shown = f" (read as {form})" if form else " such as 2024-12-31 or 2024-12-31 18:30"
        refuse(cells[wrong], ~is_missing(cells[wrong]), name, f"not a date{shown}")
    return found.dt.as_unit("us")


def days_of(text: str, form: str = "") -> float | None:
    """A date as `days` reads it; None where a text may be none, or has more than the numbers of the form."""
    found = moment(text, form)
    return None if found is None else found / 86_400_000_000


def _times(text: pd.Series, form: str) -> pd.Series:
    import pandas as pd

    if text.dtype.kind == "M" or (not form and not isinstance(text.dtype, pd.StringDtype)):
        if text.dtype == object:
            cells = [dated(cell) if isinstance(cell, str) else cell for cell in text]
            text = pd.Series(cells, text.index, dtype=object)
        return pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    found = pd.Series(Texts(text.astype("string")).moments(form), text.index).dt.tz_localize("UTC")
    if form and (left := found.isna() & text.notna()).any():
        found[left] = _times(text[left], "").dt.as_unit("us")
    return found


def minutes(cells: pd.Series, name: str) -> np.ndarray:
    """Times of day, such as 13:27, 13:27:05 or 1:27 PM, as minutes since midnight (float64), NaN if they are missing.

    Raises:
        SpecError: one is not a time of day.
    """
    import numpy as np
    import pandas as pd

    places, different = pd.factorize(exact_words(cells))  # -1 is missing
    found = np.array([*map(minutes_of, different), None], dtype=np.float64)[places]  # None becomes NaN
    wrong = np.isnan(found)
    if wrong.any():
        refuse(cells, wrong & ~is_missing(cells).to_numpy(bool), name, "not a time of day such as 13:27")
    return found


def minutes_of(text: str) -> float | None:
    """A time of day as `minutes` reads it; None where a text is none."""
    match = re.fullmatch(TIME_OF_DAY, text)
    if match is None:
        return None
    hour, minute, second, half = int(match[1]), int(match[2]), float(match[3] or 0), match[4]
    if half:
        hour = hour % 12 + 12 * (half in "Pp")
    return hour * 60 + minute + second / 60 if hour < 24 and minute < 60 and second < 60 else None


def booleans(cells: pd.Series, name: str) -> np.ndarray:
    """True, yes and 1 as 1.0, False, no and 0 as 0.0, NaN if they are missing.

    Raises:
        SpecError: one is none of these.
    """

    def state(cells: pd.Series) -> pd.Series:
        return words(cells).str.lower().map(STATES).astype("Float64")

    encoded = state(cells) if cells.dtype == object else distinct(cells, state)
    wrong = encoded.isna() & cells.notna()
    if wrong.any():
        refuse(cells, wrong & ~is_missing(cells), name, "not a boolean (true, false, yes, no, 1, 0)")
    array: np.ndarray = encoded.to_numpy("float64", na_value=float("nan"))
    return array


def refuse(cells: pd.Series, wrong: pd.Series | np.ndarray, name: str, fault: str) -> None:
    """Raise a SpecError for the first wrong cell."""
    import numpy as np

    if wrong.any():
        position = int(np.asarray(wrong).argmax())
        cell = str(cells.iloc[position])
        raise SpecError(
            f"column '{name}', row {cells.index[position]}: '{cell[:60]}{'…' if len(cell) > 60 else ''}' is {fault}"
        )
