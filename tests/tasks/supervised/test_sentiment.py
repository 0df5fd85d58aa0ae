"""Sentiment: an LSTM beside a bag of words, word vectors from a file, and texts of every kind in use."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.images import Digits
from zoo.data.text import Reviews
from zoo.errors import DataError, SpecError
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Spec, Text
from zoo.tasks.supervised import Sentiment
from zoo.tasks.supervised.sentiment import read_vectors
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.classification import words_and_pairs
from zoo.weights.artefact import Artefact, load, save

BUILD = partial(models.build, "lstm", hidden_size=32, embedding_dim=8)
ADAM = partial(torch.optim.AdamW, lr=1e-2)
TEXT = Text(("good", "bad", "film", "not"), "words")
SPEC = Spec(TEXT, Classes(("negative", "positive")))


def test_words_and_pairs_are_counted() -> None:
    assert words_and_pairs([5, 2, 5]) == [(5,), (2,), (5,), (5, 2), (2, 5)]


@pytest.mark.slow
def test_an_lstm_beats_a_bag_of_words_where_order_decides(trainer: Callable[..., L.Trainer]) -> None:
    L.seed_everything(0, verbose=False)
    data = Reviews(train_size=6000, val_size=64, test_size=500)
    data.setup()
    task = Sentiment(data.spec, partial(BUILD, embedding_dim=64), TrainingOptions(ADAM, max_grad_norm=1.0))
    run = trainer(max_epochs=12, limit_val_batches=0)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    bag = report.baselines(task, Evaluation(task, data.splits, 64))["accuracy of a bag of words"]
    assert bag < 0.6  # of about 0.5
    assert run.callback_metrics["test/accuracy"] > bag + 0.3


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text("the 1 2 3 4\nfilm 0.5 -1 2 0\ngood 1 1 1 1e-2\n")
    return path


def test_words_start_from_a_file_of_vectors(vectors: Path) -> None:
    task = Sentiment(
        SPEC, partial(BUILD, embedding_dim=4, ensemble_size=2), TrainingOptions(ADAM, ema=0.9), embeddings=str(vectors)
    )
    tables = [part.weight for part in task.modules() if isinstance(part, torch.nn.Embedding)]
    assert len(tables) == 4  # two members, and the averages of both
    for table in tables:
        assert table[2].tolist() == pytest.approx([1, 1, 1, 0.01])
        assert table[4].tolist() == [0.5, -1, 2, 0]
        assert table[3].abs().max() < 1  # a word that the file does not hold
        assert not table[0].any()


def test_the_first_line_of_word2vec_and_words_with_spaces_are_left_out(vectors: Path) -> None:
    vectors.write_text("3 4\n" + vectors.read_text() + ". . . 1 2 3 4\n")
    codes, numbers = read_vectors(vectors, TEXT)
    assert codes.tolist() == [4, 2]
    assert numbers.shape == (2, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("good 1 2\nfilm 1\n", "line 2: a word and 2 numbers are expected"),
        ("good 1 x\n", "is not a file of word vectors"),
        ("le 1 2\n", "holds none of the 4 words"),
    ],
)
def test_other_files_are_refused(vectors: Path, text: str, message: str) -> None:
    vectors.write_text(text)
    with pytest.raises(DataError, match=message):
        read_vectors(vectors, TEXT)


def test_vectors_of_another_length_are_refused(vectors: Path) -> None:
    with pytest.raises(ValueError, match=r"vectors of 4 numbers, and the network's have 8; set model.embedding_dim=4"):
        Sentiment(SPEC, BUILD, ADAM, embeddings=str(vectors))
    with pytest.raises(DataError, match=r"cannot read nowhere.txt: No such file"):
        Sentiment(SPEC, BUILD, ADAM, embeddings="nowhere.txt")


@pytest.fixture
def film(tmp_path: Path) -> Artefact:
    torch.manual_seed(0)
    options = {"hidden_size": 32, "embedding_dim": 8, "bidirectional": True}
    save(Artefact("lstm", options, SPEC, models.build("lstm", SPEC, **options)), tmp_path / "model.safetensors")
    return load(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        "good film",
        "good \x00 film",
        "not bad " * 50_000,
    ],
    ids=["known", "null", "100,000 words"],
)
def test_a_text_of_known_words_is_answered(film: Artefact, text: str) -> None:
    answer = film(text)
    assert answer["label"] in ("negative", "positive")
    assert 0.5 <= answer["probability"] <= 1


@pytest.mark.parametrize(
    "text",
    ["😀😀", "фильм не плохой", "映画", "?!", "x" * 10_000, "\ud800"],
    ids=["emoji", "cyrillic", "japanese", "signs", "a long word", "half a character"],
)
def test_a_text_without_a_known_word_is_refused(film: Artefact, text: str) -> None:
    with pytest.raises(SpecError, match="words are known"):
        film(text)


def test_a_list_is_answered_as_each_alone(film: Artefact) -> None:
    texts = ["good", "not good film", "bad bad bad bad"]
    for text, answer in zip(texts, film(texts)):
        assert answer["probability"] == pytest.approx(film(text)["probability"], abs=1e-5)


@pytest.mark.parametrize("text", ["", " \n", None, 7])
def test_what_is_no_text_is_refused(film: Artefact, text: object) -> None:
    with pytest.raises(SpecError):
        film(text)


def test_data_without_texts_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="sentiment needs data of texts with classes, and this is image → classes"):
        Sentiment(digits.spec, BUILD, ADAM)
