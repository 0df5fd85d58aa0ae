"""Texts that differ in their digits alone: a pattern that takes all digits alike fits all of them, or none.

A column of prices has a million different cells, and some ten ways to place digits, points and signs. What is to be
known of all cells is found from one for each way; and their numbers, dates and times are read from the places at which
that one has its digits, for all together.

Shape letters: N texts, K kinds of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Read = Callable[[pd.Series], np.ndarray]
    # How many digits each number has that texts of one kind hold, and what these numbers mean
    Rule = tuple[Sequence[int], Callable[[Sequence[np.ndarray]], np.ndarray]]

AT_ONCE = 2**20  # texts that are looked at together
FEW = 1000  # texts that take less time one by one
EXACT = 15  # digits of whole numbers all of which float64 has
YEARS = 1700, 2200  # within what all units of time have
_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_NUMBER = re.compile(r"\s*([+-]?)(\d*)\.?(\d*)\s*", re.ASCII)
_FIELDS = {"%Y": r"(\d{4})", "%y": r"(\d\d)", **dict.fromkeys(("%d", "%m", "%H", "%M", "%S"), r"(\d\d?)")}


class Texts:
    """The bytes of texts, and how they are alike. No text is missing.

    Args:
        text: the texts (N,).

    Attributes:
        places: of each text among the first ones of their kind (N,).
        first: these (K,).
    """

    def __init__(self, text: pd.Series) -> None:
        import numpy as np

        self._data, self._starts, self.places, count = _from_arrow(text) or _from_python(text)
        first = np.empty(count, np.int64)
        first[self.places[::-1]] = np.arange(len(text))[::-1]  # the last one that is written is the first
        self.first = text.iloc[first]

    def kinds(self) -> Iterator[tuple[str, np.ndarray]]:
        """The first text of each kind, and the places of all of them."""
        import numpy as np

        places = self.places.astype(np.min_scalar_type(len(self.first)))  # which are sorted in less time
        ends = np.bincount(places, minlength=len(self.first)).cumsum()
        yield from zip(self.first, np.split(np.argsort(places, kind="stable"), ends[:-1]))

    def whole(self, rows: np.ndarray, digits: Sequence[int]) -> np.ndarray:
        """The whole numbers of some digits, by their places in each text: int64."""
        import numpy as np

        starts, found = self._starts[rows], np.zeros(len(rows), np.int64)
        for place in digits:
            found *= 10
            found += self._data[starts + place] - ord("0")
        return found


def _from_arrow(text: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray, int] | None:
    """Bytes, where each text begins, its kind, and their number; None if pandas keeps texts in another way."""
    if getattr(text.dtype, "storage", "") != "pyarrow":
        return None
    import numpy as np
    import pyarrow as pa

    given = pa.array(text.array)
    given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    given = given.cast(pa.large_string())
    if not len(given):
        return None
    starts = np.frombuffer(given.buffers()[1], np.int64)[given.offset :][: len(given) + 1]
    data = memoryview(given.buffers()[2] or b"")[starts[0] : starts[-1]]
    starts = starts - starts[0]
    alike = bytes(data).translate(_ALIKE)
    kinds = pa.LargeStringArray.from_buffers(len(given), pa.py_buffer(starts), pa.py_buffer(alike)).dictionary_encode()
    return np.frombuffer(data, np.uint8), starts, kinds.indices.to_numpy(), len(kinds.dictionary)


def _from_python(text: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """The same of Python's texts."""
    import numpy as np
    import pandas as pd

    texts = [each.encode("utf-8", "surrogatepass") for each in text.tolist()]
    starts = np.cumsum([0, *map(len, texts)])
    alike = np.array([each.translate(_ALIKE) for each in texts] + [None], dtype=object)[:-1]
    places, kinds = pd.factorize(alike)
    return np.frombuffer(b"".join(texts), np.uint8), starts, places, len(kinds)


def first_alike(text: pd.Series) -> pd.Series:
    """The first text of each kind, in order (K,). No text is missing."""
    import pandas as pd

    parts = [Texts(text.iloc[start : start + AT_ONCE]).first for start in range(0, len(text), AT_ONCE)]
    return parts[0] if len(parts) == 1 else Texts(pd.concat([text.iloc[:0], *parts])).first


def by_kind(text: pd.Series, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
    """What a function gives for each text, found from one for each way to place digits; a boolean or the like."""
    import pandas as pd

    texts = Texts(text)
    return pd.Series(function(texts.first).array.take(texts.places), text.index)


def decimals(text: pd.Series, read: Read, plainly: Callable[[pd.Series], pd.Series]) -> np.ndarray:
    """Numbers as float64 (N,): what `read` gives, in less time.

    Args:
        text: the texts (N,), some of which may be missing.
        read: turns texts into float64, NaN if they are no numbers.
        plainly: writes the same numbers in other texts, most of which are a sign, digits, and a point among these.
    """
    import numpy as np
    import pandas as pd

    def rule(plain: Any) -> Rule | None:
        match = None if pd.isna(plain) else _NUMBER.fullmatch(plain)
        if match is None:
            return None
        sign, whole, fraction = match.groups()
        power = -(10.0 ** len(fraction)) if sign == "-" else 10.0 ** len(fraction)
        return [len(whole + fraction)], lambda numbers: numbers[0] / power

    return _by_kind(text, read, lambda first: map(rule, plainly(first)), np.float64("nan"))


def moments(text: pd.Series, form: str) -> np.ndarray:
    """Dates and times, as pandas reads texts (N,) of a form of strptime: datetime64[us] (N,), UTC, or not a time."""
    import numpy as np
    import pandas as pd

    names = re.findall("%.", form)
    parts = map(re.escape, re.split("%.", form))
    pattern = re.compile("".join(part + _FIELDS.get(name, "") for part, name in zip(parts, [*names, ""])), re.ASCII)
    is_plain = {*names} <= {*_FIELDS} and len({*names}) == len(names) and {"%d", "%m"} < {*names}

    def read(text: pd.Series) -> np.ndarray:
        times = pd.to_datetime(text, format=form, errors="coerce", utc=True)
        return times.dt.tz_localize(None).dt.as_unit("us").to_numpy()

    def rule(example: str) -> Rule | None:
        match = pattern.fullmatch(example.strip()) if is_plain else None
        return match and ([*map(len, match.groups())], lambda numbers: _moments(dict(zip(names, numbers))))

    return _by_kind(text, read, lambda first: map(rule, first), np.datetime64("NaT", "us"))


def _moments(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Dates and times of some years; all others are not a time."""
    import numpy as np

    year = fields["%Y"] if "%Y" in fields else fields["%y"] + np.where(fields["%y"] > 68, 1900, 2000)
    month, day = fields["%m"], fields["%d"]
    months = (12 * (year - 1970) + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    hour, minute, second = (fields.get(name, np.zeros_like(day)) for name in ("%H", "%M", "%S"))
    fits = (
        (YEARS[0] <= year) & (year < YEARS[1]) & (month > 0) & (month < 13) & (days.astype("datetime64[M]") == months)
    )
    fits &= (day > 0) & (hour < 24) & (minute < 60) & (second < 60)
    times = days.astype("datetime64[us]") + 1_000_000 * (3600 * hour + 60 * minute + second)
    return np.where(fits, times, np.datetime64("NaT", "us"))


def _by_kind(
    text: pd.Series, read: Read, rules: Callable[[pd.Series], Iterable[Rule | None]], missing: Any
) -> np.ndarray:
    """What `read` gives for each text: by the rule of its kind, if that gives the same for the first of them.

    What has no rule, or becomes missing by it, is read by itself.
    """
    import numpy as np
    import pandas as pd

    if len(text) < FEW:
        return read(text)
    values = np.full(len(text), missing)
    for start in range(0, len(text), AT_ONCE):
        part = text.iloc[start : start + AT_ONCE]
        known = np.flatnonzero(part.notna())
        found, texts = np.full(len(known), missing), Texts(part.iloc[known])
        for (example, rows), rule, value in zip(texts.kinds(), rules(texts.first), read(texts.first)):
            lengths, meaning = rule or ([0], None)
            digits = _digits(example)
            if meaning is None or sum(lengths) != len(digits) or not 0 < max(lengths) <= EXACT:
                continue
            ends = accumulate(lengths, initial=0)
            meant = meaning([texts.whole(rows, digits[low:high]) for low, high in pairwise(ends)])
            if meant[0] == value:
                found[rows] = meant
        left = np.flatnonzero(found != found)  # missing numbers and times are not as they are
        if len(left):
            places, different = pd.factorize(part.iloc[known[left]])
            found[left] = read(pd.Series(different))[places]
        values[start + known] = found
    return values


def _digits(example: str) -> list[int]:
    """The places of digits among the bytes of a text."""
    return [place for place, byte in enumerate(example.encode("utf-8", "surrogatepass")) if byte in b"0123456789"]
