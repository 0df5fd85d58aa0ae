"""Sentences with translations in files: what is read, split and known, and what is refused."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from zoo.data.parallel_text import Multi30k, ParallelText
from zoo.errors import DataError
from zoo.spec import SourceText, TargetText

SOURCES = [f"The dog {n} runs." for n in range(40)]
TARGETS = [f"Der Hund {n} rennt." for n in range(40)]


def write(path: Path, lines: list[str]) -> str:
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return str(path)


def setup(*args: Any, **options: Any) -> ParallelText:
    data = ParallelText(*args, **options)
    data.setup()
    return data


def texts(data: ParallelText, split: str) -> list[tuple[str, str]]:
    """The pairs of a split as texts."""
    source, target = data.splits[split].columns
    assert isinstance(data.spec.input, SourceText)
    assert isinstance(data.spec.output, TargetText)
    known = TargetText(data.spec.input.vocabulary, data.level, 99)
    return [
        (known.read(source[row][None])[0], data.spec.output.read(target[row][None])[0]) for row in range(len(source))
    ]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_files(tmp_path: Path, ending: str) -> None:
    en, de = write(tmp_path / f"a.en{ending}", SOURCES), write(tmp_path / f"a.de{ending}", TARGETS)
    data = setup(en, target_path=de, min_freq=1)
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [32, 4, 4]
    for source, target in texts(data, "train"):
        number = source.split()[2]
        assert (source, target) == (f"the dog {number} runs.", f"der hund {number} rennt.")
    unknown = texts(data, "test")[0]
    assert unknown == ("the dog � runs.", "der hund � rennt.")  # its number occurs in no sentence for training


@pytest.mark.parametrize(
    ("name", "separator", "header", "options"),
    [
        ("a.tsv", "\t", None, {}),
        ("a.tsv.gz", "\t", "English\tGerman", {}),
        ("a.csv", ",", "en,de", {"source": "de", "target": "en"}),
        ("a.csv", ";", None, {"source": 2, "target": 1}),
    ],
)
def test_a_table(tmp_path: Path, name: str, separator: str, header: str | None, options: dict[str, Any]) -> None:
    rows = [f"{one}{separator}{other.replace('.', '!')}{separator}CC-BY" for one, other in zip(SOURCES, TARGETS)]
    data = setup(write(tmp_path / name, [header] * (header is not None) + rows), **options)
    assert sum(map(len, data.splits.values())) == 40
    source, target = texts(data, "train")[0]
    swapped = bool(options)
    assert source.split()[0] == ("der" if swapped else "the")
    assert target.split()[-1] == ("runs." if swapped else "rennt!")


def test_numbers_of_sentences_are_passed_over(tmp_path: Path) -> None:
    rows = [f"{n}\t{one}\t{n + 9}\t{other}" for n, (one, other) in enumerate(zip(SOURCES, TARGETS))]
    data = setup(write(tmp_path / "a.tsv", rows))
    assert texts(data, "train")[0][0].startswith("the dog")
    assert texts(data, "train")[0][1].endswith("rennt.")
    assert any("column 2 is the source, and column 4 its translation" in note for note in data.notes)
    named = setup(write(tmp_path / "b.tsv", ["id\tenglish\tn\tgerman", *rows]))
    assert texts(named, "train") == texts(data, "train")


@pytest.mark.parametrize("nested", [False, True])
def test_lines_of_json(nested: bool, tmp_path: Path) -> None:
    rows = [{"id": n, "en": one, "de": other} for n, (one, other) in enumerate(zip(SOURCES, TARGETS))]
    lines = [json.dumps({"translation": row} if nested else row) for row in rows]
    data = setup(write(tmp_path / "a.jsonl", lines), source="en", target="de")
    assert sum(map(len, data.splits.values())) == 40
    assert texts(data, "train")[0][1].endswith("rennt.")


def test_empty_lines_at_the_end_of_one_file(tmp_path: Path) -> None:
    en, de = write(tmp_path / "a.en", SOURCES), write(tmp_path / "a.de", [*TARGETS, "", ""])
    assert sum(map(len, setup(en, target_path=de).splits.values())) == 40


def test_quotes_of_a_table_of_tabs_are_part_of_its_texts(tmp_path: Path) -> None:
    data = setup(write(tmp_path / "a.tsv", [f'"{one}\tEr sagt "{other}"' for one, other in zip(SOURCES, TARGETS)]))
    assert texts(data, "train")[0][0].startswith('" the dog')


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_quotes_that_a_program_wrote_between_tabs_are_none_of_the_text(tmp_path: Path, quoting: Any) -> None:
    with (tmp_path / "a.tsv").open("w", encoding="utf-8") as file:
        csv.writer(file, "excel-tab", quoting=quoting).writerows([f'"{n}" is', f"{n} ist"] for n in range(40))
    assert texts(setup(str(tmp_path / "a.tsv"), min_freq=1), "train")[0][0].count('"') == 2


@pytest.mark.parametrize("separator", ["\t", ","])
def test_rows_of_another_width_are_told_with_their_line(tmp_path: Path, separator: str) -> None:
    rows = [f"{one}{separator}{other}" for one, other in zip(SOURCES, TARGETS)]
    for row, message in ((f"The{separator} {rows[7]}", "3 columns, and 2 are needed"), ("The dog", "1 columns, and 2")):
        with pytest.raises(DataError, match=f"a.csv, line 9 has {message}"):
            setup(write(tmp_path / "a.csv", [*rows[:7], "", row, *rows[8:]]))


def test_a_quote_that_is_not_closed_takes_no_rows_away(tmp_path: Path) -> None:
    rows = [f"{one},{other}" for one, other in zip(SOURCES, TARGETS)]
    rows[5], rows[9] = f'"{rows[5]}', f'"{SOURCES[9]}",{TARGETS[9]}'
    with pytest.raises(DataError, match="line 6 has a quote that is not closed"):
        setup(write(tmp_path / "a.csv", rows))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"en": one} for one in SOURCES], "one column, 'en'"),
        ([{"en": one, "de": "" if n == 7 else "x"} for n, one in enumerate(SOURCES)], "line 8: the translation of"),
        ([{"en": one, "de": [one]} for one in SOURCES], "row 1: .* is no text"),
        ([{"en": one, "de": one} for one in SOURCES], "is the very sentence that is to be translated"),
    ],
)
def test_bad_lines_of_json(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        setup(write(tmp_path / "a.jsonl", [json.dumps(row) for row in rows]))


def test_numbers_in_json_are_texts(tmp_path: Path) -> None:
    rows = [json.dumps({"roman": "x" * n, "arabic": n}) for n in range(1, 41)]
    data = setup(write(tmp_path / "a.jsonl", rows), level="characters")
    assert all(len(one) == int(other) for one, other in texts(data, "train") if "�" not in other)


def test_two_files_have_one_encoding(tmp_path: Path) -> None:
    fr, de = write(tmp_path / "a.fr", [f"L'été {n}" for n in range(40)]), tmp_path / "a.de"
    de.write_text("\n".join(f"Der Frühling {n}" for n in range(40)), encoding="cp1252")
    with pytest.raises(DataError, match=r"a.de is not utf-8 .* give data.encoding=cp1252"):
        setup(fr, target_path=str(de))
    with pytest.raises(DataError, match=r"a.fr is utf-8 and not cp1252"):
        setup(fr, target_path=str(de), encoding="cp1252")


def test_columns_are_of_a_table(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="source and target are columns of a table"):
        ParallelText("a.en", target_path="a.de", source=1)


def test_splits_of_their_own_and_no_source_in_two(tmp_path: Path) -> None:
    rows = [f"{one}\t{other}" for one, other in zip(SOURCES, TARGETS)]
    train, test = write(tmp_path / "train.tsv", rows * 2), write(tmp_path / "test.tsv", rows[:5])
    data = setup(train, test_path=test)
    assert len(data.splits["test"]) == 5
    assert any("sources for training are also in" in note for note in data.notes)
    (tmp_path / "more.tsv").write_text("".join(f"{a}\tx{n}\n" for n in range(3) for a in SOURCES))
    data = setup(str(tmp_path / "more.tsv"), min_freq=1, level="characters")
    sources = [{source for source, _ in texts(data, split)} for split in ("train", "val", "test")]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 40


def test_vocabularies(tmp_path: Path) -> None:
    en, de = write(tmp_path / "a.en", SOURCES), write(tmp_path / "a.de", TARGETS)
    few = setup(en, target_path=de)
    assert few.spec.input.vocabulary == (".", "dog", "runs", "the")  # type: ignore[union-attr]
    fewer = setup(en, target_path=de, max_vocab=2, lowercase=False)
    assert fewer.spec.output.vocabulary == (".", "Der")  # type: ignore[union-attr]


def test_long_pairs_are_left_out_and_said(tmp_path: Path) -> None:
    en, de = write(tmp_path / "a.en", [*SOURCES, "a " * 30]), write(tmp_path / "a.de", [*TARGETS, "ein"])
    data = setup(en, target_path=de, max_length=20)
    assert sum(map(len, data.splits.values())) == 40
    assert any("1 pairs" in note and "more than 20 words" in note for note in data.notes)


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (SOURCES, TARGETS[:-1], "a.en has 40 lines and a.de 39"),
        ([*SOURCES[:7], "  ", *SOURCES[8:]], TARGETS, "a.en, line 8: the source of 'Der Hund 7 rennt.' is empty"),
        (SOURCES, [*TARGETS[:7], "", *TARGETS[8:]], "a.de, line 8: the translation of 'The dog 7 runs.' is empty"),
        (SOURCES[:5], TARGETS[:5], "5 different sources"),
        ([str(n) for n in range(40)], TARGETS, "no words of the source occur 2 times"),
    ],
)
def test_bad_files(tmp_path: Path, sources: list[str], targets: list[str], message: str) -> None:
    en, de = write(tmp_path / "a.en", sources), write(tmp_path / "a.de", targets)
    with pytest.raises(DataError, match=message.replace(".", r"\.")) as error:
        setup(en, target_path=de)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (SOURCES, {}, "has no tab, comma or semicolon; give the file of the translations"),
        (["a\tb", "c"] * 20, {}, "line 2 has 1 columns"),
        (["a\tb"] * 20, {"source": "en"}, "unknown column 'en'"),
        (["a\tb"] * 20, {"target": 3}, "no column 3"),
    ],
)
def test_bad_tables(tmp_path: Path, lines: list[str], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        setup(write(tmp_path / "a.tsv", lines), **options)


def test_a_damaged_archive_and_options_that_do_not_fit(tmp_path: Path) -> None:
    damaged = tmp_path / "a.tsv.gz"
    damaged.write_bytes(gzip.compress("\n".join(SOURCES).encode())[:-20])
    with pytest.raises(DataError, match="cannot read"):
        setup(str(damaged))
    with pytest.raises(ValueError, match="val_path"):
        ParallelText("a", val_target_path="b")
    with pytest.raises(ValueError, match="twice"):
        Multi30k("a", target="en")
    with pytest.raises(DataError, match="no such file"):
        Multi30k(str(tmp_path)).setup()


@pytest.mark.skipif("ZOO_DATA" not in os.environ, reason="ZOO_DATA names no folder of data")
def test_multi30k() -> None:
    data = Multi30k(os.environ["ZOO_DATA"])
    data.setup()
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [28_999, 1_014, 1_000]
    assert data.splits["train"].lengths is not None


def test_subwords_of_each_side(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    en, de = (
        write(tmp_path / "a.en", [*SOURCES, "It is " + "very " * 30 + "long."]),
        write(tmp_path / "a.de", [*TARGETS, "Er ist lang."]),
    )
    data = setup(en, target_path=de, level="subwords", max_vocab=40, max_length=20)
    pairs = [pair for split in ("train", "val", "test") for pair in texts(data, split)]
    assert sorted(pairs) == sorted((one.lower(), other.lower()) for one, other in zip(SOURCES, TARGETS))
    assert any("1 pairs of" in note and "more than 20" in note for note in data.notes)
    source, _ = data.splits["val"].columns
    assert isinstance(data.spec.input, SourceText)
    first = texts(data, "val")[0][0]
    assert source[0].equal(data.spec.input.encode(first).int())  # type: ignore[union-attr]
