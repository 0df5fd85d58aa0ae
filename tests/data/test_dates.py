"""Dates in words: each wording says its date, none has two meanings, and splits share neither dates nor wordings."""

from __future__ import annotations

import datetime
from random import Random

import pytest
from dateutil import parser

from zoo.data.dates import (
    ALPHABET,
    LONGEST,
    NUMERIC,
    TWO_DIGITS,
    Dates,
    Wording,
    all_wordings,
    choose,
    day_in,
    month_wordings,
    split_wordings,
)
from zoo.errors import DataError
from zoo.spec.translation import tokens_of

DAYS = [datetime.date(1978, month, day) for month in range(1, 13) for day in (1, 8, 23)]


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (Wording("en", "", "{d} {m} {y}", "plain", "full"), "4 March 2021"),
        (Wording("en", "on ", "{m} {d}, {y}", "article", "short"), "on Mar the 4th, 2021"),
        (Wording("en", "{w}, ", "{d} of {m} {y}", "words", "full"), "Thursday, the fourth of March 2021"),
        (Wording("de", "", "{d} {m} {y}", "ordinal", "plain"), "4. Maerz 2021"),
        (Wording("de", "{w}, den ", "{d} {m} {y}", "words", "full"), "Donnerstag, den vierten März 2021"),
        (Wording("de", "{s}, ", "{d} {m} {y}", "words", "short"), "Do, vierter März 2021"),
        (Wording("de", "der ", "{d} {m} {y}", "words", "full"), "der vierte März 2021"),
        (Wording("de", "am ", "{a}.{n}.{y}", "", ""), "am 4.3.2021"),
        (Wording("fr", "le {w} ", "{d} {m} {y}", "plain", "full"), "le jeudi 4 mars 2021"),
        (Wording("fr", "", "{dd}/{mm}/{y}", "", ""), "04/03/2021"),
        (Wording("de", "", "{a}. {n}. {yy}", "", ""), "4. 3. 21"),
        (Wording("fr", "le ", "{d} {m} {yy}", "plain", "full"), "le 4 mars 21"),
    ],
)
def test_a_date_in_a_wording(wording: Wording, text: str) -> None:
    assert wording.write(datetime.date(2021, 3, 4)) == text
    assert wording in all_wordings()


@pytest.mark.parametrize(
    ("wording", "text"),
    [
        (Wording("en", "in ", "{m} {y}", "", "full"), "in March 2021"),
        (Wording("en", "", "{y}-{mm}", "", ""), "2021-03"),
        (Wording("de", "im ", "{m} {y}", "", "plain"), "im Maerz 2021"),
        (Wording("fr", "", "{n}/{y}", "", ""), "3/2021"),
    ],
)
def test_a_month_in_a_wording(wording: Wording, text: str) -> None:
    assert wording.write(datetime.date(2021, 3, 1)) == text
    assert wording.iso(datetime.date(2021, 3, 1)) == "2021-03"
    assert wording in month_wordings()


def test_english_ones_are_read_so_by_dateutil() -> None:
    worded = [each for each in all_wordings() if each.language == "en" and each.day not in ("", "words")]
    random = Random(0)
    for wording in random.sample(worded, 60):
        date = random.choice(DAYS)
        text = wording.write(date).removeprefix("on ").replace("the ", "")
        assert parser.parse(text, fuzzy=True).date() == date


def test_numeric_ones_are_read_so_by_datetime() -> None:
    forms = {"dd": "%d", "a": "%d", "mm": "%m", "n": "%m", "y": "%Y", "yy": "%y"}
    for language, orders in NUMERIC.items():
        for order in orders:
            for date in (*DAYS, datetime.date(TWO_DIGITS[0], 2, 3), datetime.date(TWO_DIGITS[-1], 4, 5)):
                text = Wording(language, "", order, "", "").write(date)
                assert datetime.datetime.strptime(text, order.format(**forms)).date() == date


def test_days_in_words_differ() -> None:
    for language in ("en", "de", "fr"):
        assert len({day_in(language, "words", day) for day in range(1, 32)}) == 31
    ordinals = [day_in("en", "ordinal", day) for day in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31)]
    assert ordinals == "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 30th 31st".split()  # noqa: SIM905


def test_no_text_has_two_meanings_and_all_fit_the_alphabet() -> None:
    meanings: dict[str, str] = {}
    for date in (*DAYS, *(date.replace(year=2019) for date in DAYS)):
        written = {(each.write(date).lower(), each.iso(date)) for each in (*all_wordings(), *month_wordings())}
        for text, iso in written:
            assert meanings.setdefault(text, iso) == iso
            assert len(text) <= LONGEST
            assert set(tokens_of(text, "characters", True)) <= set(ALPHABET)


def test_splits_share_no_wording_but_all_parts() -> None:
    splits = split_wordings(0.1, Random(3))
    train, val, test = (set(splits[split]) for split in ("train", "val", "test"))
    assert len(train | val | test) == len(train) + len(val) + len(test) == len(set(all_wordings()))
    assert min(len(val), len(test)) > 30
    for wording in val | test:
        for name, part in wording._asdict().items():
            assert any(getattr(each, name) == part and each.language == wording.language for each in train)
    for date in DAYS:
        texts = [{wording.write(date).lower() for wording in part} for part in (train, val, test)]
        assert len(set.union(*texts)) == sum(map(len, texts))  # none is written as one for training is


def test_years_of_two_digits_and_months_alone_are_of_dates_that_may_be_written_so() -> None:
    dates = [datetime.date(year, 5, day) for year in range(1950, 2090) for day in (1, 2)] * 60
    chosen = list(zip(dates, choose(all_wordings(), dates, Random(0))))
    assert {date.year for date, each in chosen if not each.has_whole_year and each.has_day} == set(TWO_DIGITS)
    months = [date for date, each in chosen if not each.has_day]
    assert {date.day for date in months} == {1}
    assert 0.4 < len(months) / (len(dates) / 2) < 0.6


def test_splits_share_no_date() -> None:
    data = Dates(300, 50, 60)
    data.setup()
    targets = {split: its.columns[1] for split, its in data.splits.items()}
    kept = {split: {tuple(its[row].tolist()) for row in range(len(its))} for split, its in targets.items()}
    assert [len(rows) for rows in kept.values()] == [300, 50, 60]
    assert len(set.union(*kept.values())) == 410
    again = Dates(300, 50, 60)
    again.setup()
    assert again.splits["test"].columns[0].values.equal(data.splits["test"].columns[0].values)


def test_there_are_only_so_many_dates() -> None:
    with pytest.raises(DataError, match="73,049 dates"):
        Dates(80_000).setup()
