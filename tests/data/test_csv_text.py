"""Texts of one's own: tables, JSON lines and folders; what is learned of each, and which split it is in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zoo.data.csv_text import CsvText
from zoo.data.tables import Csv
from zoo.errors import DataError
from zoo.spec import Classes, MultiLabel, Text, Values

WORDS = ["red", "green", "blue", "grey", "pink", "teal", "gold", "lime", "navy", "rust", "plum", "sand"]


def text(number: int) -> str:
    """A text of its own for each number below 12 ** 4."""
    return "They painted it " + " ".join(WORDS[number // 12**place % 12] for place in range(4))


def read(data: CsvText) -> dict[str, list[tuple[str, object]]]:
    """The texts of each split, as far as words are known, and their targets."""
    data.setup()
    assert isinstance(data.spec.input, Text)
    tokens = ("", "�", *data.spec.input.vocabulary)
    splits: dict[str, list[tuple[str, object]]] = {}
    for split, examples in data.splits.items():
        column, targets = examples.columns
        texts = [" ".join(tokens[code] for code in column[row].tolist()) for row in range(len(examples))]
        splits[split] = list(zip(texts, targets.tolist()))  # type: ignore[union-attr]
    return splits


def write(path: Path, rows: list[tuple[object, ...]], header: str, separator: str = ",") -> str:
    lines = [header, *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_each_class_is_in_each_split_and_no_text_in_two(tmp_path: Path) -> None:
    rows = [(text(n % 150), "rare" if n % 15 == 0 else "usual") for n in range(200)]
    data = CsvText(write(tmp_path / "t.csv", rows, "body,label"))
    splits = read(data)
    assert data.spec.output == Classes(("rare", "usual"))
    texts = {split: {body for body, _ in rows} for split, rows in splits.items()}
    assert not texts["train"] & (texts["val"] | texts["test"])
    assert not texts["val"] & texts["test"]
    assert [len(splits[split]) for split in ("val", "test")] == [len(texts[split]) for split in ("val", "test")]
    assert all({label for _, label in rows} == {0, 1} for rows in splits.values())
    assert any("50 rows repeat the text of another" in note for note in data.notes)
    assert any("'body' holds the texts" in note for note in data.notes)


def test_words_that_only_the_test_has_are_unknown(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", [(text(n), n % 2) for n in range(60)], "text\tlabel", "\t")
    test = write(tmp_path / "test.tsv", [("zebra " + text(n), n % 2) for n in range(100, 110)], "text\tlabel", "\t")
    data = CsvText(train, test_path=test)
    splits = read(data)
    assert "zebra" not in data.spec.input.vocabulary  # type: ignore[union-attr]
    assert all(body.startswith("� they") for body, _ in splits["test"])
    assert len(splits["test"]) == 10


def test_a_text_of_the_test_file_is_not_learned_from(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", [(text(n), n % 2) for n in range(60)], "text,label")
    test = write(tmp_path / "test.csv", [(text(n), n % 2) for n in range(55, 70)], "text,label")
    data = CsvText(train, test_path=test)
    splits = read(data)
    assert len(splits["test"]) == 15
    assert not {body for body, _ in splits["test"]} & {body for body, _ in splits["train"] + splits["val"]}
    assert any("5 texts for training are also in" in note for note in data.notes)


def test_json_lines_with_lists_are_several_labels(tmp_path: Path) -> None:
    rows = [{"text": text(n), "tags": ["a"] * (n % 2 == 0) + ["b, c"] * (n % 3 == 0)} for n in range(60)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    data = CsvText(str(tmp_path / "t.jsonl"), label="tags")
    splits = read(data)
    assert data.spec.output == MultiLabel(("a", "b, c"))
    numbers = {text(n).lower(): [float(n % 2 == 0), float(n % 3 == 0)] for n in range(60)}
    assert all(numbers[body] == marks for rows in splits.values() for body, marks in rows if "�" not in body)


@pytest.mark.parametrize(
    ("cells", "options", "output"),
    [
        ([f"x;y{';z' * (n % 2)}" for n in range(40)], {"label_separator": ";"}, MultiLabel(("x", "y", "z"))),
        ([n % 3 for n in range(40)], {}, Classes(("0", "1", "2"))),
        ([10 - n % 3 for n in range(40)], {}, Classes(("8", "9", "10"))),
        ([n % 3 + 0.5 for n in range(40)], {}, Values),
        ([n % 3 for n in range(40)], {"target_kind": "values"}, Values),
    ],
)
def test_what_is_learned(tmp_path: Path, cells: list[object], options: dict[str, str], output: object) -> None:
    data = CsvText(
        write(tmp_path / "t.csv", [(text(n), cell) for n, cell in enumerate(cells)], "text,label"), **options
    )
    data.setup()
    found = data.spec.output
    assert found == output or type(found) is output


def test_several_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [(text(n), n % 2, n % 3, int(n % 5 == 0)) for n in range(60)], "text,a,b,c")
    data = CsvText(path, label=["a", "c"])
    data.setup()
    assert data.spec.output == MultiLabel(("a", "c"))
    assert torch.equal(data.splits["train"].columns[1].unique(), torch.tensor([0.0, 1.0]))  # type: ignore[union-attr]
    values = CsvText(path, label=["a", "b"])
    values.setup()
    assert isinstance(values.spec.output, Values)


def test_a_folder_of_classes_in_splits(tmp_path: Path) -> None:
    for n in range(40):
        folder = tmp_path / ("test" if n >= 30 else "train") / ("bad", "good")[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{n}.txt").write_text(text(n), encoding="utf-8")
    data = CsvText(str(tmp_path))
    splits = read(data)
    assert data.spec.output == Classes(("bad", "good"))
    assert {body for body, _ in splits["test"] if "�" not in body} <= {text(n).lower() for n in range(30, 40)}
    assert len(splits["test"]) == 10


def test_long_texts_keep_their_last_words(tmp_path: Path) -> None:
    rows = [(f"{text(n)} end {n}", n % 2) for n in range(40)]
    data = CsvText(write(tmp_path / "t.csv", rows, "text,label"), max_length=2)
    assert all(body.startswith("end ") and len(body.split()) == 2 for rows in read(data).values() for body, _ in rows)
    assert any("cut to their last" in note for note in data.notes)


@pytest.mark.parametrize(
    ("rows", "options", "fault"),
    [
        ([(text(n), n % 2) for n in range(30)], {"label": "stars"}, "unknown column 'stars'"),
        ([(text(n), n % 2) for n in range(30)], {"text": "review"}, "unknown column 'review'"),
        ([(text(n), "one") for n in range(30)], {}, "the same for all examples: 'one'"),
        ([(text(n), "ab"[n == 7]) for n in range(30)], {}, "class 'b' has 1 different text"),
        ([(text(n), n % 2) for n in range(5)], {}, "5 texts with a label; at least 10"),
        ([(text(n), "x" if n else "1") for n in range(30)], {"target_kind": "values"}, "row 2: 'label' is 'x'"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, rows: list[tuple[object, ...]], options: dict, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as told:
        CsvText(write(tmp_path / "t.csv", rows, "text,label"), **options).setup()
    assert len(str(told.value)) <= 300


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"text": "a", "label": 1}\n{"text": }\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jsonl, line 2 is no JSON"):
        CsvText(str(tmp_path / "t.jsonl")).setup()


def test_a_table_of_texts_names_the_source_that_learns_from_them(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [(text(n), n % 2) for n in range(60)], "review,stars")
    with pytest.raises(DataError, match=r"use (data=csv_text data\.text=review data\.label=stars)"):
        Csv(path, "stars").setup()
    CsvText(path, text="review", label="stars").setup()  # as it says


def test_subwords_are_learned_from_the_training_split_alone(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    train = write(tmp_path / "train.csv", [(text(n), n % 2) for n in range(60)], "text,label")
    test = write(tmp_path / "test.csv", [("ßßß " + text(n), n % 2) for n in range(100, 110)], "text,label")
    data = CsvText(train, test_path=test, level="subwords", max_vocab=60)
    data.setup()
    learned = data.spec.input
    assert isinstance(learned, Text)
    assert len(learned.vocabulary) == 60
    assert not any("ß" in token for token in learned.vocabulary)
    codes, _ = data.splits["test"].columns
    assert codes[0].equal(learned.encode("ßßß " + text(100)).int())  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="max_vocab"):
        CsvText(train, level="subwords", max_vocab=10**6)
