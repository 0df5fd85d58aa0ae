"""Dates and months in many wordings of three languages, and the same in ISO 8601; all are generated.

A wording is a language, what stands before the date, the order of its parts, and how its day and its month are written.
Numeric dates follow one rule for each separator, so that none has two meanings: 4.3.2021 (German) and 4/3/2021 (French)
begin with the day, 2021-03-04 and 2021/03/04 with the year. A year of two digits is one from 1969 to 2068, as POSIX has
it.
"""

from __future__ import annotations

import datetime
import unicodedata
from collections import Counter
from collections.abc import Sequence
from itertools import product
from random import Random
from typing import NamedTuple

from zoo import check
from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples, Ragged
from zoo.data.core.splits import split_sizes
from zoo.errors import DataError
from zoo.spec import SourceText, Spec, TargetText

TWO_DIGITS = range(1969, 2069)  # years that may be written so
FIRST, LAST = datetime.date(1900, 1, 1).toordinal(), datetime.date(2099, 12, 31).toordinal()
ISO = 10  # characters of a date in ISO 8601
LONGEST = 60  # characters of a date in words, with some to spare
LANGUAGES = ("en", "de", "fr")
ALPHABET = " ,-./0123456789abcdefghijklmnopqrstuvwxyzßäéöûü"  # of all wordings, in small letters

NAMES = {
    "en": {
        "months": "January February March April May June July August September October November December",
        "short months": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "weekdays": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "short weekdays": "Mon Tue Wed Thu Fri Sat Sun",
        "days": "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
        "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth",
    },
    "de": {
        "months": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "short months": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
        "weekdays": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
        "short weekdays": "Mo Di Mi Do Fr Sa So",
        "days": "erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte dreizehnte "
        "vierzehnte fünfzehnte sechzehnte siebzehnte achtzehnte neunzehnte",
        "units": "ein zwei drei vier fünf sechs sieben acht neun",
    },
    "fr": {
        "months": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "short months": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
        "weekdays": "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "short weekdays": "lun. mar. mer. jeu. ven. sam. dim.",
        "days": "premier deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize "
        "dix-sept dix-huit dix-neuf vingt",
    },
}
OPENINGS = {  # {w}: the day of the week; {s}: in short
    "en": ("", "on ", "{w}, ", "{w} ", "{s}, ", "{s} "),
    "de": ("", "am ", "der ", "{w}, ", "{w}, den ", "{s}, ", "{s} "),
    "fr": ("", "le ", "{w} ", "le {w} ", "{s} "),
}
ORDERS = {  # {d}: the day; {m}: the month; {y}: the year
    "en": ("{d} {m} {y}", "{m} {d}, {y}", "{m} {d} {y}", "{d} of {m} {y}", "{d} {m}, {y}", "{y}, {m} {d}"),
    "de": ("{d} {m} {y}", "{d} {m}, {y}", "{y}, {d} {m}", "{d} {m} {yy}"),
    "fr": ("{d} {m} {y}", "{d} {m}, {y}", "{y}, {d} {m}", "{d} {m} {yy}"),
}
NUMERIC = {
    "en": ("{y}-{mm}-{dd}", "{y}/{mm}/{dd}", "{y}-{n}-{a}"),
    "de": ("{dd}.{mm}.{y}", "{a}.{n}.{y}", "{a}. {n}. {y}", "{dd}. {mm}. {y}", "{dd}.{mm}.{yy}", "{a}. {n}. {yy}"),
    "fr": ("{dd}/{mm}/{y}", "{a}/{n}/{y}", "{dd} / {mm} / {y}", "{dd}/{mm}/{yy}", "{dd} / {mm} / {yy}"),
}
MONTH_OPENINGS = {"en": ("", "in "), "de": ("", "im "), "fr": ("", "en ")}
MONTH_ORDERS = {"en": ("{m} {y}", "{m}, {y}", "{m} of {y}"), "de": ("{m} {y}",), "fr": ("{m} {y}",)}
MONTH_NUMERIC = {"en": ("{y}-{mm}",), "de": ("{mm}.{y}", "{n}.{y}"), "fr": ("{mm}/{y}", "{n}/{y}")}
DAY_FORMS = {
    "en": ("plain", "padded", "ordinal", "article", "words"),
    "de": ("ordinal", "padded", "words"),
    "fr": ("plain", "padded", "words"),
}
NUMBERS = {"en": ("plain", "padded"), "de": ("ordinal", "padded"), "fr": ("plain", "padded")}  # alike from the 10th on
MONTH_FORMS = {  # plain: without accents, as März is Maerz, and août is aout
    "en": ("full", "short", "dotted"),
    "de": ("full", "short", "plain"),
    "fr": ("full", "short", "plain"),
}

ENDINGS_DE = {"am ": "n", "{w}, den ": "n", "der ": ""}  # of an ordinal in words, by what is before it; otherwise r


class Wording(NamedTuple):
    """How a date or its month is written; a part that an order does not have is empty."""

    language: str
    opening: str
    order: str
    day: str
    month: str

    @property
    def pattern(self) -> tuple[str, ...]:
        """What is the same in wordings that write some dates alike, as 14 is 14 with zeros, and Mai is Mai in short."""
        order = self.order.replace("{a}", "{dd}").replace("{n}", "{mm}")
        day = "number" if self.day in NUMBERS[self.language] else self.day
        alike = day == "number" and not self.opening and self.language != "de"  # 4 oct. 2021 is English and French
        return "en, fr" if alike else self.language, self.opening, order, day

    @property
    def has_day(self) -> bool:
        """Whether it says the day, and not the month alone."""
        return any(day in self.order for day in ("{d}", "{dd}", "{a}"))

    @property
    def has_whole_year(self) -> bool:
        """Whether it says the century too."""
        return "{y}" in self.order

    def iso(self, date: datetime.date) -> str:
        """What this wording says of a date, in ISO 8601: the day, or its month."""
        return date.isoformat() if self.has_day else date.isoformat()[:7]

    def write(self, date: datetime.date) -> str:
        """The date in this wording."""
        language, weekday = self.language, date.weekday()
        full, short = (_name(language, kind, weekday) for kind in ("weekdays", "short weekdays"))
        opening = self.opening.format(w=full, s=short)
        numbers = {"a": date.day, "dd": f"{date.day:02}", "n": date.month, "mm": f"{date.month:02}", "y": date.year}
        numbers |= {"yy": f"{date.year % 100:02}"}
        if self.month:
            numbers |= {"m": _month(language, self.month, date.month)}
        if self.day:
            day = day_in(language, self.day, date.day)
            if language == "de" and self.day == "words":
                day += ENDINGS_DE.get(self.opening, "r")
            numbers |= {"d": day}
        return opening + self.order.format(**numbers)


def all_wordings() -> list[Wording]:
    """Every wording of a date in the three languages."""
    found = []
    for language in LANGUAGES:
        worded = product(OPENINGS[language], ORDERS[language], DAY_FORMS[language], MONTH_FORMS[language])
        found += [Wording(language, *parts) for parts in worded if not (parts[0] and parts[1].startswith("{y}"))]
        found += [Wording(language, *parts, "", "") for parts in product(OPENINGS[language], NUMERIC[language])]
    return found


def month_wordings() -> list[Wording]:
    """Every wording of a month alone."""
    found = []
    for language in LANGUAGES:
        openings = MONTH_OPENINGS[language]
        worded = product(openings, MONTH_ORDERS[language], [""], MONTH_FORMS[language])
        found += [Wording(language, *parts) for parts in worded]
        found += [Wording(language, *parts, "", "") for parts in product(openings, MONTH_NUMERIC[language])]
    return found


def day_in(language: str, form: str, day: int) -> str:
    """A day of the month: `plain` 4, `padded` 04, `ordinal` 4th or 4., with an `article` the 4th, or in `words`."""
    if form == "words":
        return {"en": _ordinal_en, "de": _ordinal_de, "fr": _cardinal_fr}[language](day)
    number = f"{day:02}" if form == "padded" else str(day)
    if language == "de":
        return f"{number}."
    if language == "fr":
        return "1er" if day == 1 and form == "plain" else number
    if form in ("plain", "padded"):
        return number
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{'the ' * (form == 'article')}{day}{ending}"


def _name(language: str, kind: str, place: int) -> str:
    """One of the names of a kind, by its place from 0."""
    return NAMES[language][kind].split()[place]


def _month(language: str, form: str, month: int) -> str:
    name = _name(language, "months" if form in ("full", "plain") else "short months", month - 1)
    if form != "plain":
        return f"{name}." if form == "dotted" else name
    decomposed = unicodedata.normalize("NFD", name.replace("ä", "ae"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _ordinal_en(day: int) -> str:
    """the fourth, the twenty-first."""
    if day <= 20 or day == 30:
        return "the " + (_name("en", "days", day - 1) if day <= 20 else "thirtieth")
    return f"the {'twenty' if day < 30 else 'thirty'}-{_name('en', 'days', day % 10 - 1)}"


def _ordinal_de(day: int) -> str:
    """vierte, einundzwanzigste."""
    if day < 20:
        return _name("de", "days", day - 1)
    tens = ("zwanzig", "dreißig")[day // 10 - 2]
    return f"{_name('de', 'units', day % 10 - 1)}und{tens}ste" if day % 10 else f"{tens}ste"


def _cardinal_fr(day: int) -> str:
    """quatre, vingt et un."""
    if day <= 20:
        return _name("fr", "days", day - 1)
    tens, unit = ("vingt", "trente")[day // 10 - 2], day % 10
    if unit < 2:
        return f"{tens} et un" if unit else tens
    return f"{tens}-{_name('fr', 'days', unit - 1)}"


class Dates(DataModule):
    """Dates from 1900 to 2099 in English, German and French, and the same in ISO 8601 (2021-03-04), by characters.

    Some half of the firsts of a month are written as the month alone (March 2021, 2021-03).

    No date is in two splits, and no pattern of wordings: those of validation and test combine openings, orders and
    forms of days that all occur in training, but never together. Of months alone there are few wordings, which all
    splits share.

    Args:
        train_size, val_size, test_size: dates in each split.
        held_out: fraction of the patterns of wordings for validation, and the same for test.
        batch_size: dates a batch.
        data_seed: seed of dates and wordings.

    Raises:
        ValueError: a size is below 1, or another option out of range.
        DataError: there are not so many dates.
    """

    def __init__(
        self,
        train_size: int = 24_000,
        val_size: int = 1_000,
        test_size: int = 2_000,
        held_out: float = 0.1,
        batch_size: int = 64,
        data_seed: int = 0,
    ) -> None:
        super().__init__(batch_size)
        self.sizes = split_sizes(train_size, val_size, test_size)
        self.held_out = check.fraction("held_out", held_out, zero=False, one=False)
        self.data_seed = check.seed("data_seed", data_seed)

    def expected_specs(self) -> Sequence[Spec]:
        return [Spec(SourceText(("1",), "characters", max_length=LONGEST), TargetText(("1",), "characters", ISO))]

    def load(self) -> tuple[Spec, dict[str, Examples]]:
        if (count := sum(self.sizes.values())) > LAST - FIRST + 1:
            raise DataError(f"there are {LAST - FIRST + 1:,} dates from 1900 to 2099, and not {count:,}")
        random = Random(self.data_seed)
        wordings = split_wordings(self.held_out, random)
        days = iter(random.sample(range(FIRST, LAST + 1), count))
        pairs: dict[str, list[tuple[str, str]]] = {}
        for split, size in self.sizes.items():
            dates = [datetime.date.fromordinal(next(days)) for _ in range(size)]
            chosen = choose(wordings[split], dates, random)
            pairs[split] = [(each.write(date), each.iso(date)) for each, date in zip(chosen, dates)]
        parts = ", ".join(f"{len(found)} for {split}" for split, found in wordings.items())
        self.note(f"wordings: {parts}; no date is in two splits, and no wording that writes any date alike")
        source = SourceText(tuple(ALPHABET), "characters", closed=True, max_length=LONGEST, such_as="4 March 2021")
        target = TargetText(tuple("-0123456789"), "characters", ISO)
        splits = {
            split: Examples(
                Ragged.of([source.encode(text).int() for text, _ in found]),
                Ragged.of([target.as_input.encode(iso).int() for _, iso in found]),
            )
            for split, found in pairs.items()
        }
        return Spec(source, target), splits


def choose(wordings: Sequence[Wording], dates: Sequence[datetime.date], random: Random) -> list[Wording]:
    """A wording for each date: each language is as likely as another, and each order of one."""
    days, months = by_order(wordings), by_order(month_wordings())
    whole_years = by_order([each for each in wordings if each.has_whole_year])
    chosen = []
    for date in dates:
        groups = days if date.year in TWO_DIGITS else whole_years
        if date.day == 1 and random.random() < 0.5:
            groups = months
        chosen.append(random.choice(random.choice(random.choice(groups))))
    return chosen


def by_order(wordings: Sequence[Wording]) -> list[list[list[Wording]]]:
    """Wordings by language, and within it by the order of their parts."""
    groups: dict[str, dict[str, list[Wording]]] = {}
    for wording in wordings:
        groups.setdefault(wording.language, {}).setdefault(wording.order, []).append(wording)
    return [list(orders.values()) for orders in groups.values()]


def split_wordings(held_out: float, random: Random) -> dict[str, list[Wording]]:
    """The wordings of each split, drawn by their patterns; each part of one is in two of those for training."""
    wordings = all_wordings()
    patterns = list(dict.fromkeys(wording.pattern for wording in wordings))
    left = Counter(part for pattern in patterns for part in _parts(pattern))
    random.shuffle(patterns)
    size = max(1, int(held_out * len(patterns)))
    chosen: dict[str, list[tuple[str, ...]]] = {"val": [], "test": []}
    for pattern in patterns:
        split = "val" if len(chosen["val"]) < size else "test"
        if len(chosen[split]) < size and all(left[part] > 2 for part in _parts(pattern)):
            chosen[split].append(pattern)
            left.subtract(_parts(pattern))
    places = {pattern: split for split, its in chosen.items() for pattern in its}
    return {
        split: [each for each in wordings if places.get(each.pattern, "train") == split]
        for split in ("train", "val", "test")
    }


def _parts(pattern: tuple[str, ...]) -> list[tuple[str, int, str]]:
    """The parts of a pattern, with its language and their places in it."""
    return [(pattern[0], place, part) for place, part in enumerate(pattern) if part]
