"""Texts that differ in their digits alone: a pattern that takes all digits alike fits all of them, or none.

A column of prices has a million different cells, and some ten ways to place digits, points and signs. What is to be
known of all cells is found from one for each way; and their numbers, dates and times are read from the places at which
that one has its digits, for all together.

Shape letters: N texts, K kinds of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Read = Callable[[pd.Series], np.ndarray]
    Meaning = Callable[[Sequence[np.ndarray]], np.ndarray]
    # How many digits each number has that texts of one kind hold, and what these numbers mean
    Rule = tuple[Sequence[int], Meaning]

AT_ONCE = 2**18  # texts that are looked at together
FEW = 1000  # texts that take less time one by one
EXACT = 15  # digits of whole numbers all of which float64 has
YEARS = 1700, 2200  # within what all units of time have
_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_NUMBER = re.compile(r"\s*([+-]?)(\d*)\.?(\d*)\s*", re.ASCII)
_FIELDS = {"%Y": r"(\d{4})", "%y": r"(\d\d)", **dict.fromkeys(("%d", "%m", "%H", "%M", "%S"), r"(\d\d?)")}
_DIGIT, _YEAR = re.compile(r"(?s:.*)\d"), re.compile(r"\s*\d{4}", re.ASCII)
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?", re.ASCII)


class Texts:
    """Texts, some of which may be missing, and how they are alike.

    Args:
        text: the texts (N,), of a type of pandas for strings.
    """

    def __init__(self, text: pd.Series) -> None:
        self.text = text

    @property
    def first(self) -> pd.Series:
        """The first text of each kind, in order (K,)."""
        return self._kinds[1]

    @property
    def places(self) -> np.ndarray:
        """The place of each text among the first ones of all kinds (N,), K if it is missing; unsigned."""
        return self._kinds[0]

    @cached_property
    def _kinds(self) -> tuple[np.ndarray, pd.Series]:
        import numpy as np
        import pandas as pd

        parts = [_kinds(part) for _, part in self._parts()]
        if len(parts) == 1:
            return parts[0]
        together, first = _kinds(pd.concat([first for _, first in parts]))
        together = np.append(together, len(first)).astype(np.min_scalar_type(len(first)))
        ends = accumulate((len(first) for _, first in parts), initial=0)
        kinds = [np.append(together[low:high], together[-1]) for low, high in pairwise(ends)]
        return np.concatenate([kind[places] for kind, (places, _) in zip(kinds, parts)]), first

    def _parts(self) -> Iterator[tuple[slice, pd.Series]]:
        for start in range(0, max(len(self.text), 1), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            yield rows, self.text.iloc[rows]

    def each(self, function: Callable[[pd.Series], pd.Series]) -> pd.Series:
        """What a function gives for each text (N,), of which none is missing, found from the first of each kind."""
        import pandas as pd

        return pd.Series(function(self.first).array.take(self.places), self.text.index)

    def decimals(self, read: Read, plainly: Callable[[pd.Series], pd.Series]) -> np.ndarray:
        """Numbers as float64 (N,): what `read` gives, in less time.

        Args:
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

        return self._read(read, lambda: map(rule, plainly(self.first)), np.float64("nan"))

    def moments(self, form: str) -> np.ndarray:
        """Dates and times, as pandas reads them by a form of strptime, "" for ISO 8601: datetime64[us] (N,), UTC, or
        not a time."""
        import numpy as np
        import pandas as pd

        names, pattern = _pattern(form)

        def read(text: pd.Series) -> np.ndarray:
            given = text.map(lambda cell: dated(cell, form), na_action="ignore")
            times = pd.to_datetime(given, format=form or "ISO8601", errors="coerce", utc=True)
            return times.dt.tz_localize(None).dt.as_unit("us").to_numpy()

        def rule(example: str) -> Rule | None:
            match = pattern.fullmatch(example.strip()) if pattern else None
            lengths = [len(field) for field in match.groups() if field] if match else []
            return (lengths, lambda numbers: _moments(dict(zip(names, numbers)))) if lengths else None

        return self._read(read, lambda: map(rule, self.first), np.datetime64("NaT", "us"))

    def _read(self, read: Read, rules: Callable[[], Iterable[Rule | None]], missing: Any) -> np.ndarray:
        """What `read` gives for each text: by the rule of its kind, if that gives the same for the first of them.

        What has no rule, or becomes missing by it, is read by itself.
        """
        import numpy as np
        import pandas as pd

        if len(self.text) < FEW:
            return read(self.text)
        values, digits = read(self.first), [_digits(example) for example in self.first]
        ways = [*map(_way, self.first, digits, rules(), values), None]
        differ = np.array([*map(bool, digits), False])
        found = np.where(differ, missing, np.append(values, missing))[self.places]
        for rows, part in self._parts():
            places, given = self.places[rows], found[rows]
            data, starts = _bytes(part)
            for kind, alike in _grouped(places):
                if (way := ways[kind]) is not None:
                    numbers, meaning = way
                    given[alike] = meaning([_whole(data, starts[alike], number) for number in numbers])
            left = np.flatnonzero((given != given) & differ[places])  # missing numbers and times are not as they are
            if len(left):
                places, different = pd.factorize(part.iloc[left])
                given[left] = read(pd.Series(different))[places]
        return found


def decimal(text: str) -> float | None:
    """A number in plain notation; None where a text is none, or has more digits than float64 holds exactly."""
    match = _NUMBER.fullmatch(text)
    return float(text) if match and 0 < len(match[2] + match[3]) <= EXACT else None


def dated(text: str, form: str = "") -> str | None:
    """A text without surrounding spaces that may be a date; pandas takes "now", and for ISO 8601 "-5", for one, too."""
    return text.strip() if (_DIGIT if form else _YEAR).match(text) else None


def moment(text: str, form: str = "") -> int | None:
    """A date and time, as `Texts.moments` reads it, in microseconds since 1970; None where pandas may know better."""
    import numpy as np

    names, pattern = _pattern(form)
    match = pattern.fullmatch(text) if pattern else None
    if match is None:
        return None
    fields = {name: np.array([int(field)]) for name, field in zip(names, match.groups()) if field}
    (found,) = _moments(fields)
    return None if np.isnat(found) else int(found.astype(np.int64))


def _kinds(text: pd.Series) -> tuple[np.ndarray, pd.Series]:
    """As `Texts.places` and `Texts.first`."""
    import numpy as np

    codes, count = _codes(text)
    first = np.searchsorted(np.maximum.accumulate(codes), np.arange(count, dtype=codes.dtype))
    places = codes.astype(np.min_scalar_type(count))
    places[codes < 0] = count
    return places, text.iloc[first]


def _codes(text: pd.Series) -> tuple[np.ndarray, int]:
    """The kind of each text (N,), in order, -1 if it is missing, and their number."""
    import pandas as pd

    data, starts = _bytes(text)
    alike = bytes(data).translate(_ALIKE)
    if _is_arrow(text):
        import pyarrow as pa

        known = text.notna().to_numpy(bool)
        buffers = [None if known.all() else pa.array(known).buffers()[1], pa.py_buffer(starts), pa.py_buffer(alike)]
        kinds = pa.Array.from_buffers(pa.large_string(), len(text), buffers).dictionary_encode()
        return kinds.indices.fill_null(-1).to_numpy(), len(kinds.dictionary)
    texts = pd.Series([alike[low:high] for low, high in pairwise(starts.tolist())], text.index, dtype=object)
    places, different = pd.factorize(texts.where(text.notna(), None))
    return places, len(different)


def _is_arrow(text: pd.Series) -> bool:
    return getattr(text.dtype, "storage", "") == "pyarrow"


def _bytes(text: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of texts, end to end, and where each of them begins, and the last one ends (N + 1,)."""
    import numpy as np

    if not _is_arrow(text):
        texts = [each.encode("utf-8", "surrogatepass") if isinstance(each, str) else b"" for each in text.tolist()]
        return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])
    import pyarrow as pa

    given = pa.array(text.array)
    given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
    given = given.cast(pa.large_string())
    if not len(given):
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    starts = np.frombuffer(given.buffers()[1], np.int64)[given.offset :][: len(given) + 1]
    return np.frombuffer(given.buffers()[2] or b"", np.uint8)[starts[0] : starts[-1]], starts - starts[0]


def _grouped(places: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each kind that is there, and the rows of its texts."""
    import numpy as np

    counts = np.bincount(places)
    order = np.argsort(places, kind="stable")
    for kind, rows in enumerate(np.split(order, counts.cumsum()[:-1])):
        if len(rows):
            yield kind, rows


def _digits(example: str) -> list[int]:
    """The places of digits among the bytes of a text."""
    return [place for place, byte in enumerate(example.encode("utf-8", "surrogatepass")) if byte in b"0123456789"]


def _way(example: str, digits: list[int], rule: Rule | None, value: Any) -> tuple[list[list[int]], Meaning] | None:
    """The places of the digits of each number of a kind, and what the numbers mean, if that is right for its first."""
    import numpy as np

    lengths, meaning = rule or ([0], None)
    if meaning is None or sum(lengths) != len(digits) or not 0 < max(lengths) <= EXACT:
        return None
    numbers = [digits[low:high] for low, high in pairwise(accumulate(lengths, initial=0))]
    data = np.frombuffer(example.encode("utf-8", "surrogatepass"), np.uint8)
    meant = meaning([_whole(data, np.zeros(1, np.int64), number) for number in numbers])
    return (numbers, meaning) if meant[0] == value else None


def _whole(data: np.ndarray, starts: np.ndarray, digits: Sequence[int]) -> np.ndarray:
    """The whole numbers of some digits, by their places in texts that begin there: int64."""
    import numpy as np

    found = np.zeros(len(starts), np.int64)
    for place in digits:
        found *= 10
        found += data[starts + place] - ord("0")
    return found


def _pattern(form: str) -> tuple[list[str], re.Pattern[str] | None]:
    """The fields of dates, and a pattern in which each is a group; none for forms that have more than numbers."""
    if not form:
        return ["%Y", "%m", "%d", "%H", "%M", "%S"], _ISO
    names = re.findall("%.", form)
    if not {"%d", "%m"} < {*names} <= {*_FIELDS} or len({*names}) < len(names):
        return names, None
    parts = map(re.escape, re.split("%.", form))
    return names, re.compile("".join(part + _FIELDS.get(name, "") for part, name in zip(parts, [*names, ""])), re.ASCII)


def _moments(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    """Dates and times of some years; all others are not a time."""
    import numpy as np

    year = fields["%Y"] if "%Y" in fields else fields["%y"] + np.where(fields["%y"] > 68, 1900, 2000)
    month, day = fields["%m"], fields["%d"]
    hour, minute, second = (fields.get(name, 0) for name in ("%H", "%M", "%S"))
    first = (
        np.arange(f"{YEARS[0]}-01", f"{YEARS[1]}-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
    )
    place = 12 * (year - YEARS[0]) + month - 1
    fits = (place >= 0) & (place < len(first) - 1) & (month > 0) & (month < 13) & (day > 0)
    place = np.where(fits, place, 0)
    days = first[place] + day
    fits &= (days <= first[place + 1]) & (hour < 24) & (minute < 60) & (second < 60)
    seconds = 86400 * (days - 1) + 3600 * hour + 60 * minute + second
    return np.where(fits, (1_000_000 * seconds).astype("datetime64[us]"), np.datetime64("NaT", "us"))
