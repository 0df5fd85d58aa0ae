"""Documents as word counts: the generated newsletters, and any folder of texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.data import documents
from zoo.data.documents import DocumentData, Newsletters, RtPolarityWords, TextFolder, TwentyNewsgroups
from zoo.errors import DataError


def test_newsletters_are_about_one_or_two_subjects() -> None:
    data = Newsletters(train_size=400, val_size=20, test_size=20)
    data.setup()
    counts = data.splits["train"].columns[0]
    vocabulary = data.spec.input.vocabulary
    lists = {name: set(words.split()) for name, words in data.subjects.items()}
    assert [len(words) for words in lists.values()] == [20] * 8
    assert len(set().union(*lists.values())) == 160  # no word has two subjects
    held = torch.stack([counts[:, [w in words for w in vocabulary]].sum(dim=1) for words in lists.values()], dim=1)
    assert set((held > 0).sum(dim=1).tolist()) <= {1, 2}
    assert ((held > 0).sum(dim=1) == 2).float().mean().item() == pytest.approx(0.5, abs=0.08)
    lengths = counts.sum(dim=1)
    assert 30 <= lengths.min() <= lengths.max() <= 80 == data.spec.input.max_length
    assert (held.sum() / lengths.sum()).item() == pytest.approx(2 / 3, abs=0.02)
    moons, satellites = (counts[:, vocabulary.index(word)].sum().item() for word in ("planet", "supernova"))
    assert moons > 3 * satellites  # the first word of its list, and the last


def test_the_seed_decides_the_newsletters() -> None:
    first, again, other = (Newsletters(20, 5, 5, data_seed=seed).read() for seed in (1, 1, 2))
    assert first == again != other


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty texts about boats, and one that holds nothing that counts."""
    (tmp_path / "deep").mkdir()
    for number in range(20):
        text = f"The mast and the boat number {number}.\nBoats sail, boats1 do not."
        (tmp_path / ("deep" if number % 2 else ".") / f"{number}.txt").write_text(text, encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"no text")
    (tmp_path / "empty.txt").write_bytes(b"")
    return tmp_path


def test_a_folder_of_texts(folder: Path) -> None:
    data = TextFolder(str(folder))
    data.setup()
    assert data.spec.input.vocabulary == ("boat", "boats", "mast", "number", "sail")
    assert {split: len(examples) for split, examples in data.splits.items()} == {"val": 2, "test": 2, "train": 16}
    assert torch.equal(data.splits["test"].columns[0], torch.ones(2, 5, dtype=torch.int32))
    everything = TextFolder(str(folder), stop_words=None, max_vocab=3)
    everything.setup()
    assert everything.spec.input.vocabulary == ("and", "boat", "boats")  # those that most hold, in order


def test_a_file_with_a_document_a_line(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("\n".join(["mast\x0cboat"] * 30 + ["", "the 1 2"]), encoding="utf-8")
    data = TextFolder(str(tmp_path / "lines"))
    data.setup()
    assert sum(len(examples) for examples in data.splits.values()) == 30  # and not that which holds nothing


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (lambda folder: TextFolder(str(folder / "absent")), "no such file: .*absent"),
        (lambda folder: TextFolder(str(folder / "deep"), val_fraction=0.2), None),
        (lambda folder: TextFolder(str(folder / "few")), "2 documents .*at least 10 are needed"),
        (lambda folder: TextFolder(str(folder / "bare")), "0 words"),
    ],
)
def test_a_folder_that_will_not_do(folder: Path, build: Callable[[Path], DocumentData], fault: str | None) -> None:
    for name, texts in {"few": ["a boat"] * 2, "bare": ["the 1"] * 12}.items():
        (folder / name).mkdir()
        for number, text in enumerate(texts):
            (folder / name / f"{number}.txt").write_text(text)
    if fault is None:
        build(folder).setup()
    else:
        with pytest.raises(DataError, match=fault):
            build(folder).setup()


def test_another_encoding_is_told(folder: Path) -> None:
    (folder / "17.txt").write_bytes("Füchse".encode("latin-1"))
    with pytest.raises(DataError, match="is not utf-8"):
        TextFolder(str(folder)).setup()


def test_twenty_newsgroups_by_scikit_learn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What scikit-learn is asked for, and that its parts stay apart; nothing is downloaded."""
    import sklearn.datasets

    asked = []

    class Found:
        def __init__(self, part: str) -> None:
            self.data = [f"{part} boat"] * 30

    def fetch(**options: Any) -> Found:
        asked.append(options)
        if not options["download_if_missing"] and options["data_home"].endswith("absent"):
            raise OSError("Dataset not found")
        return Found(options["subset"])

    monkeypatch.setattr(sklearn.datasets, "fetch_20newsgroups", fetch)
    data = TwentyNewsgroups(str(tmp_path))
    data.prepare_data()
    data.setup()
    assert [options["download_if_missing"] for options in asked] == [True, False, False]
    assert all(options["remove"] == ("headers", "footers", "quotes") for options in asked)
    assert {split: len(examples) for split, examples in data.splits.items()} == {"val": 3, "train": 27, "test": 30}
    assert data.spec.input.vocabulary == ("boat", "train")
    with pytest.raises(DataError, match=r"twenty newsgroups are not in .* set data\.root"):
        TwentyNewsgroups(str(tmp_path / "absent")).setup()


def test_sentences_of_film_reviews(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: .*rt-polarity\.neg; set data\.root"):
        RtPolarityWords(str(tmp_path)).setup()
    (tmp_path / "rt-polarity").mkdir()
    for ending, sentence in {"neg": "a dull boat caf\xe9", "pos": "the bright boat"}.items():
        lines = "\n".join([sentence] * 5_331)
        (tmp_path / "rt-polarity" / f"rt-polarity.{ending}").write_text(lines, encoding="cp1252")
    data = RtPolarityWords(str(tmp_path))
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "val": 1_066,
        "test": 1_066,
        "train": 8_530,
    }
    assert set(data.spec.input.vocabulary) == {"boat", "bright", "café", "dull"}
    counts = torch.cat([examples.columns[0] for examples in data.splits.values()]).sum(dim=0)
    places = {word: place for place, word in enumerate(data.spec.input.vocabulary)}
    assert [counts[places[word]].item() for word in ("boat", "dull", "bright")] == [10_662, 5_331, 5_331]


def test_an_option_out_of_range() -> None:
    with pytest.raises(ValueError, match="unknown stop_words 'engish'; did you mean 'english'"):
        TextFolder("x", stop_words="engish")
    with pytest.raises(ValueError, match="val_fraction and test_fraction are above 0"):
        TextFolder("x", val_fraction=0.0)
    assert documents.STOP_WORDS == ("english",)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_is_no_file_of_documents(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{ending}").write_text('{"text": "one film"}\n' * 30)
    with pytest.raises(DataError, match="is a table, and a document a line is wanted"):
        TextFolder(str(tmp_path / f"a.{ending}")).read()
