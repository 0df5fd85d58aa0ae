"""Files of labelled words: the formats that are known, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zoo.data.conll import Conll
from zoo.errors import DataError
from zoo.spec import Labels, Sentence

NAMES = ("Anna", "Bert", "Carla", "Dora", "Emil", "Fritz", "Gerd", "Hans")


def conll(path: Path, count: int = 60, start: int = 0) -> str:
    sentences = ["-DOCSTART- -X- O O\n"]
    for n in range(start, start + count):
        first, second = NAMES[n % 8], NAMES[n // 8 % 8]
        sentences.append(f"{first} NNP I-NP B-PER\nmet VBD I-VP O\n{second} NNP I-NP B-PER\n{n} CD I-NP O\n. . O O\n")
    path.write_text("\n".join(sentences), encoding="utf-8")
    return str(path)


def test_conll_2003(tmp_path: Path) -> None:
    data = Conll(conll(tmp_path / "a.conll"))
    data.setup()
    assert isinstance(data.spec.input, Sentence)
    assert data.spec.output == Labels(("B-PER", "O"))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [48, 6, 6]
    words, labels = data.splits["train"].columns
    assert words[0].shape == (5, 21)
    assert labels[0].tolist() == [0, 1, 0, 1, 1]
    assert data.spec.input.encode(["met", "Met", "7", "8"])[:, 0].unique().numel() == 2  # case and digits apart
    assert data.spec.input.encode(["met", "Met"])[:, 1].unique().numel() == 2  # letters tell them


def test_another_column_and_files_of_their_own(tmp_path: Path) -> None:
    test = conll(tmp_path / "test.conll", 20, start=55)
    data = Conll(conll(tmp_path / "a.conll"), column=2, test_path=test)
    data.setup()
    assert data.spec.output == Labels((".", "CD", "NNP", "VBD"))
    assert len(data.splits["test"]) == 20
    assert any("5 sentences for training are also in" in note for note in data.notes)


def test_conll_u(tmp_path: Path) -> None:
    rows = []
    for n in range(30):
        rows += [f"# sent_id = {n}", f"1-2\t{n}isn't" + "\t_" * 8]
        rows += [f"1\tis{n}\tbe\tAUX\tVBZ" + "\t_" * 5, "2\tn't\tnot\tPART\tRB" + "\t_" * 5, "2.1\tx" + "\t_" * 8, ""]
    (tmp_path / "a.conllu").write_text("\n".join(rows), encoding="utf-8")
    data = Conll(str(tmp_path / "a.conllu"))
    data.setup()
    assert data.spec.output == Labels(("AUX", "PART"))
    assert data.splits["train"].columns[0][0].shape == (2, 21)
    fine = Conll(str(tmp_path / "a.conllu"), column="xpos")
    fine.setup()
    assert fine.spec.output == Labels(("RB", "VBZ"))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a X\nb\n", r"a\.conll, line 2 has 1 columns, and the first has 2"),
        ("a\nb\n", r"a\.conll has 1 columns"),
        ("word,tag\na,O\nb,O\n", r"a\.conll has 1 columns.*CSV file.*Sentence and Word"),
        ("a X\n\nb X\n", "2 different sentences; at least 10"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "a.conll").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=fault):
        Conll(str(tmp_path / "a.conll")).setup()


def test_a_word_may_be_the_sign_of_comments(tmp_path: Path) -> None:
    """In CoNLL-2000 it stands for pounds: # 300 million."""
    file = tmp_path / "chunks.txt"
    file.write_text("\n\n".join(f"# by hand\nabout{n} IN B-NP\n# # B-NP\n# made up\n{n} CD I-NP" for n in range(20)))
    data = Conll(str(file), min_freq=1)
    data.setup()
    assert isinstance(data.spec.input, Sentence)
    assert "#" in data.spec.input.vocabulary
    assert data.spec.output.names == ("B-NP", "I-NP")
    assert len(data.splits["test"][0][0]) == 3


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_csv_file_with_a_row_for_each_word(everywhere: bool, tmp_path: Path) -> None:
    rows = ["Sentence #,Word,POS,Tag"]
    for n in range(20):
        tagged = [(NAMES[n % 8], "NNP", "B-per"), ('","', '","', "O"), ("né", "VBN", "O"), (str(n), "CD", "O")]
        rows += [f"{f'Sentence: {n}' if everywhere or not at else ''},{','.join(row)}" for at, row in enumerate(tagged)]
    file = tmp_path / "ner.csv"
    file.write_bytes("\r\n".join(rows).encode("cp1252"))
    with pytest.raises(DataError, match=r"not utf-8 .*data\.encoding=cp1252"):
        Conll(str(file)).setup()
    data = Conll(str(file), encoding="cp1252", min_freq=1)
    data.setup()
    assert data.spec.output == Labels(("B-per", "O"))
    assert sum(map(len, data.splits.values())) == 20
    assert data.splits["train"].columns[0][0].shape[0] == 4
    assert {",", "né"} <= {*data.spec.input.vocabulary}
    speech = Conll(str(file), column="POS", encoding="cp1252")
    speech.setup()
    assert speech.spec.output == Labels((",", "CD", "NNP", "VBN"))
    with pytest.raises(DataError, match=r"unknown column 'Tags'.*word"):
        Conll(str(file), column="Tags", encoding="cp1252").setup()
    file.write_text("Sentence #,Word,Tag\n1,a,O\n,b\n")
    with pytest.raises(DataError, match=r"line 3 has 2 cells, and the header 3"):
        Conll(str(file)).setup()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_csv_file_of_other_separators(separator: str, tmp_path: Path) -> None:
    rows = [("sentence_id", "word", "tag"), *((n // 4, f"w{n}", "AB"[n % 2]) for n in range(80))]
    (tmp_path / "a.csv").write_text("\n".join(separator.join(map(str, row)) for row in rows))
    data = Conll(str(tmp_path / "a.csv"))
    data.setup()
    assert data.spec.output == Labels(("A", "B"))
    assert sum(map(len, data.splits.values())) == 20


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"text": "Anna met Bert", "label": 0}\n', r"a sentence in it is such as .*tokens.*ner_tags"),
        ('{"tokens": ["a"], "ner_tags": [0]}\n{"tokens": ["a", "b"], "ner_tags": [0]}', "sentence 2: .* one length"),
        ("word" * 50_000, "has 1 columns"),
        ("a O\nb O\n" * 30, "1 different sentences; .* an empty line ends each"),
        ("".join(f"w{n} O\n\n" for n in range(30)), "have the label 'O'"),
    ],
)
def test_what_is_no_such_file_says_so(text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(DataError, match=fault):
        Conll(str(tmp_path / "a.txt")).setup()


def test_json_lines_of_the_hub(tmp_path: Path) -> None:
    """The same sentences as in CoNLL's form give the same examples."""
    rows = [
        {"id": str(n), "tokens": [NAMES[n % 8], "met", str(n)], "pos_tags": [1, 2, 3], "ner_tags": ["B-PER", "O", "O"]}
        for n in range(40)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "all.json").write_text(json.dumps([*rows, {"tokens": [], "pos_tags": [], "ner_tags": []}], indent=2))
    lines = [zip(row["tokens"], row["ner_tags"]) for row in rows]
    (tmp_path / "a.conll").write_text("\n\n".join("\n".join(map(" ".join, pairs)) for pairs in lines))
    found = [Conll(str(tmp_path / name)) for name in ("a.jsonl", "all.json", "a.conll")]
    for data in reversed(found):
        data.setup()
        assert data.spec == found[-1].spec
        for ours, theirs in zip(data.splits["train"].columns, found[-1].splits["train"].columns):
            assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
    assert found[0].notes[0] == "a.jsonl: learned is its column ner_tags"
    speech = Conll(str(tmp_path / "a.jsonl"), column="pos_tags")
    speech.setup()
    assert speech.spec.output == Labels(("1", "2", "3"))
    with pytest.raises(DataError, match="none of them beside the word"):
        Conll(str(tmp_path / "a.jsonl"), column=1).setup()
