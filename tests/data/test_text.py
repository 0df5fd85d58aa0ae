"""Texts with classes: the generated reviews against an evaluator of their own, and sentence polarity."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread

import pytest
import torch

from zoo.data import text as sources
from zoo.data.core.examples import Ragged
from zoo.data.reviews import AROUND, INNERMOST, PRAISE, VERBS, generate_fragments, generate_reviews
from zoo.data.text import Imdb, Reviews, ReviewText, RtPolarity, TextFile
from zoo.errors import DataError
from zoo.spec.files import read_text

RT = os.environ.get("ZOO_DATA")


@pytest.fixture(scope="module")
def reviews() -> Reviews:
    data = Reviews(train_size=2_000, val_size=300, test_size=300)
    data.setup()
    return data


def texts(data: Reviews, split: str) -> list[str]:
    column = data.splits[split].columns[0]
    assert isinstance(column, Ragged)
    words = ("", "�", *data.spec.input.vocabulary)
    return [" ".join(words[code] for code in column[row].tolist()) for row in range(len(column))]


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        (r"the \w+ is not (\w+ )?(bad|dull|awful|boring)", True),
        (r"the \w+ is far from perfect", False),
        (r"i wanted to love the \w+", False),
        (r"nobody will hate the \w+", True),
        (r"i doubt that the \w+ (is|felt) ((very|truly|quite|rather|really) )?(dull|boring|bad|awful)", True),
        (r"i doubt that i wanted to love the \w+", True),
    ],
)
def test_simple_sentences_mean_what_a_reader_takes_them_to(text: str, positive: bool) -> None:
    sentences = generate_reviews(10_000, Random(5), depths=(0, 1), reserved=False)
    found = [sentence for sentence in sentences if re.fullmatch(text + r" \.", sentence.text)]
    assert found
    assert all(sentence.positive == positive for sentence in found)


def test_polarity_is_the_product_of_the_constructions() -> None:
    """Each construction keeps or turns the polarity of its part, and the innermost that of its word."""
    from zoo.data.reviews import BLAME, PRAISE, VERBS

    good, bad = {*PRAISE, *VERBS[True]}, {*BLAME, *VERBS[False]}
    checked = 0
    for sentence in generate_reviews(3_000, Random(1), depths=(0, 1, 2, 3), reserved=True):
        *around, innermost = sentence.constructions
        if "contrast" in around:
            continue  # holds a second judgement
        words = [word for word in sentence.text.split() if word in good | bad]
        assert len(words) == 1
        turns = sum(not AROUND[name][1] for name in around) + (not INNERMOST[innermost][1])
        assert sentence.positive == ((words[0] in good) == (turns % 2 == 0))
        checked += 1
    assert checked > 1_000


def test_words_alone_tell_little() -> None:
    sentences = generate_reviews(6_000, Random(2), depths=(0, 1, 2), reserved=False)
    for word in ("not", "but", "wanted", "brilliant", "awful", "very"):
        holding = [s.positive for s in sentences if f" {word} " in f" {s.text} "]
        assert 0.25 < sum(holding) / len(holding) < 0.75, word


def test_the_test_split_is_longer_and_of_unseen_pairs(reviews: Reviews) -> None:
    lengths = {split: reviews.splits[split].lengths.float().mean() for split in reviews.splits}
    assert lengths["test"] > 1.3 * lengths["train"]
    negated = {split: set(re.findall(r"is never (\w+)", " ".join(texts(reviews, split)))) for split in reviews.splits}
    assert negated["test"]
    assert not negated["test"] & negated["train"]
    assert not negated["val"] & negated["test"]


def test_no_sentence_is_in_two_splits(reviews: Reviews) -> None:
    sets = [set(texts(reviews, split)) for split in ("train", "val", "test")]
    assert [len(part) for part in sets] == [2_000, 300, 300]
    assert not sets[0] & sets[1]
    assert not (sets[0] | sets[1]) & sets[2]


def test_the_vocabulary_is_that_of_training_and_of_some_size(reviews: Reviews) -> None:
    assert set(reviews.spec.input.vocabulary) == set(" ".join(texts(reviews, "train")).split())
    assert len(reviews.spec.input.vocabulary) > 250


def test_labels_are_balanced(reviews: Reviews) -> None:
    for split in reviews.splits.values():
        assert 0.4 < split.columns[1].float().mean() < 0.6


def test_the_seed_decides_the_reviews() -> None:
    def load(seed: int) -> list[str]:
        data = Reviews(50, 5, 5, data_seed=seed)
        data.setup()
        return texts(data, "train")

    assert load(1) == load(1)
    assert load(1) != load(2)


@pytest.mark.skipif(not RT, reason="needs ZOO_DATA")
def test_a_fold_is_tested_on_and_the_rest_trained_on() -> None:
    tested = []
    for fold in (0, 9):
        data = RtPolarity(str(RT), fold=fold)
        data.setup()
        sizes = {split: len(examples) for split, examples in data.splits.items()}
        assert sum(sizes.values()) == 10_662
        assert sizes["test"] in (1_066, 1_067)
        tested.append(texts(data, "test"))
        assert data.splits["test"].columns[1].float().mean() == pytest.approx(0.5, abs=0.001)
        words = data.splits["train"].columns[0].values
        assert int(words.min()) == 2  # nothing is unknown where the vocabulary comes from
        assert (data.splits["test"].columns[0].values == 1).any()
    assert not set(tested[0]) & set(tested[1])


def test_fragments_join_the_training_split_alone(tmp_path: Path) -> None:
    real = "".join(f"sentence {number}\n" for number in range(5_331)).encode()
    data = RtPolarity(folder(tmp_path, real, real), fragments=100)
    data.setup()
    assert sum(len(examples) for examples in data.splits.values()) == 10_662 + 100
    added = [text for text in texts(data, "train") if not text.startswith("sentence ")]
    assert len(added) == 100


def test_each_fourth_fragment_negates_and_its_words_say_the_opposite() -> None:
    for index, (text, positive) in enumerate(generate_fragments(200, Random(0))):
        praised = any(word in PRAISE + VERBS[True] for word in text.split())
        assert praised == (positive if index % 4 < 3 else not positive), text


def folder(tmp_path: Path, positive: bytes, negative: bytes) -> str:
    (tmp_path / "rt-polarity").mkdir()
    (tmp_path / "rt-polarity" / "rt-polarity.pos").write_bytes(positive)
    (tmp_path / "rt-polarity" / "rt-polarity.neg").write_bytes(negative)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("negative", "message"),
    [
        (b"dull\n" * 5_330, "rt-polarity.neg has 5330 sentences, and sentence polarity v1.0 has 5331"),
        (b"dull \x81\n" * 5_331, r"is not cp1252 \(.* at byte 5\); it may be latin-1"),
        (b"", "rt-polarity.neg is empty"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, negative: bytes, message: str) -> None:
    data = RtPolarity(folder(tmp_path, b"fine\n" * 5_331, negative))
    with pytest.raises(DataError, match=message):
        data.setup()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file: .*rt-polarity.neg"):
        RtPolarity(str(tmp_path)).setup()


@pytest.mark.parametrize(
    ("data", "encoding", "seems"),
    [
        ("schön".encode("cp1252"), "utf-8", "cp1252"),
        ("schön".encode("utf-16"), "utf-8", "utf-16"),
        ("schön ☃".encode(), "ascii", "utf-8"),
    ],
)
def test_another_encoding_is_named(tmp_path: Path, data: bytes, encoding: str, seems: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"is not {encoding} .* it may be {seems}"):
        read_text(path, encoding=encoding)
    assert read_text(path, encoding=seems).startswith("schön")


def test_a_text_that_is_not_utf8_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("schön".encode("latin-1"))
    with pytest.raises(DataError, match="save it as UTF-8: iconv -f cp1252 -t utf-8 FILE > NEW"):
        read_text(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fold": 10}, "fold must be a whole number from 0 to 9, got 10"),
        ({"min_freq": 0}, "min_freq must be a whole number of at least 1, got 0"),
        ({"val_fraction": 1.0}, "val_fraction must be above 0 and below 1, got 1.0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RtPolarity("data", **options)


def test_a_batch_holds_texts_of_like_length(reviews: Reviews) -> None:
    padding = [(codes == 0).float().mean() for (codes, _), _ in reviews.train_dataloader()]
    assert torch.stack(padding).mean() < 0.1


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small archive laid out as IMDB's, served from this machine."""
    source = tmp_path / "source" / "aclImdb"
    for part in ("train", "test"):
        for kind, word in (("neg", "dull"), ("pos", "fine")):
            (source / part / kind).mkdir(parents=True)
            for number in range(4):
                review = f"a long way to go .<br /><br />{part} {number} was {word}"
                (source / part / kind / f"{number}_1.txt").write_text(review)
    packed = tmp_path / "source" / "aclImdb_v1.tar.gz"
    with tarfile.open(packed, "w:gz") as file:
        file.add(source, "aclImdb")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=packed.parent))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(sources, "IMDB_URL", f"http://127.0.0.1:{server.server_port}/{packed.name}")
    monkeypatch.setattr(sources, "IMDB_MD5", hashlib.md5(packed.read_bytes()).hexdigest())
    monkeypatch.setattr(sources, "IMDB_FILES", 4)
    yield packed
    server.shutdown()
    server.server_close()


def test_imdb_is_downloaded_checked_and_read(archive: Path, tmp_path: Path) -> None:
    data = Imdb(str(tmp_path / "data"), min_freq=1, max_length=4, val_size=2)
    data.prepare_data()
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 6, "val": 2, "test": 8}
    assert texts(data, "test")[0] == "� 0 was dull"  # the last four words; training has no "test"
    assert data.splits["test"].columns[1].tolist() == [0] * 4 + [1] * 4
    archive.unlink()
    data.prepare_data()  # is there already


def test_a_damaged_download_is_refused(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "IMDB_MD5", "0" * 32)
    with pytest.raises(DataError, match=r"aclImdb is not in .* could not be downloaded"):
        Imdb(str(tmp_path / "data"), val_size=2).prepare_data()


def test_missing_reviews_are_told(archive: Path, tmp_path: Path) -> None:
    data = Imdb(str(tmp_path / "data"), min_freq=1, val_size=2)
    data.prepare_data()
    next((tmp_path / "data" / "aclImdb" / "test" / "pos").iterdir()).unlink()
    with pytest.raises(DataError, match="has 3 reviews, not 4"):
        data.setup()


def test_a_text_file_is_cut_into_windows(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("".join(chr(97 + place % 26) for place in range(2_000)) + "é", encoding="utf-8")
    data = TextFile(str(path), context_length=20)
    data.setup()
    (windows,) = data.splits["train"].columns
    assert windows.shape == (79, 21)
    assert data.spec.output.read(windows[:2]) == ["abcdefghijklmnopqrstu", "uvwxyzabcdefghijklmno"]
    assert "é" not in data.spec.input.vocabulary  # which only the last part holds
    with pytest.raises(DataError, match=r"2001 characters is too short.*context_length=500"):
        TextFile(str(path), context_length=500).setup()


def test_the_text_of_reviews_is_a_line_each() -> None:
    data = ReviewText(sentences=50, context_length=30)
    assert len(data.read().splitlines()) == 50
    with pytest.raises(ValueError, match="sentences must be a whole number of at least 1"):
        ReviewText(sentences=0)
    with pytest.raises(ValueError, match="context_length must be a whole number of at least 1"):
        ReviewText(context_length=0)
