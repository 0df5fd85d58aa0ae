"""Language modelling as a task: baselines by hand, and short runs that beat them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.data.text import ReviewText
from zoo.errors import SpecError
from zoo.models.rnn import LanguageModel
from zoo.spec import Spec, Text, Tokens
from zoo.tasks.sequence import LanguageModelling
from zoo.training import report
from zoo.training.report import Evaluation

BUILD = partial(models.build, "lstm", hidden_size=48, embedding_dim=16)
ADAM = partial(torch.optim.AdamW, lr=1e-2)


def test_bits_of_the_baselines_are_those_of_the_counts() -> None:
    """Four characters in turn: alone each costs two bits, after two others none."""
    letters = Text(("a", "b", "c", "d"), "characters")
    task = LanguageModelling(Spec(letters, Tokens(letters.vocabulary, "characters", 9)), BUILD, ADAM)
    windows = letters.encode("abcd" * 1000).view(-1, 20)
    splits = {"train": Examples(windows), "test": Examples(windows[:2])}
    found = report.baselines(task, Evaluation(task, splits, 64))
    assert found["bits by frequency"] == pytest.approx(2, abs=0.01)
    assert found["bits by the two before"] == pytest.approx(0, abs=0.01)


def test_a_short_run_on_sentences(trainer: Callable[..., L.Trainer]) -> None:
    L.seed_everything(0, verbose=False)
    data = ReviewText(sentences=600, context_length=64, batch_size=16)
    data.setup()
    task = LanguageModelling(data.spec, BUILD, ADAM)
    run = trainer(max_epochs=6, limit_val_batches=0)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    evaluation = Evaluation(task, data.splits, 64)
    baselines = report.baselines(task, evaluation)
    assert baselines["bits by frequency"] > baselines["bits by the two before"]
    assert run.callback_metrics["test/bits"] < baselines["bits by frequency"] - 1
    notes = report.notes(task, evaluation)
    assert notes[0] == "## Sample"
    assert "▸" in notes[2]


@torch.inference_mode()
def test_bits_are_those_of_the_tokens_one_by_one() -> None:
    torch.manual_seed(0)
    letters = Text(("a", "b", "c"), "characters")
    task = LanguageModelling(Spec(letters, Tokens(letters.vocabulary, "characters", 9)), BUILD, ADAM).eval()
    codes = torch.randint(2, 5, (2, 6))
    total = 0.0
    for row in codes:
        for place in range(1, 6):
            logits = task.network(row[None, :place])[0, -1]
            total -= logits.log_softmax(0)[row[place]].item() / math.log(2)
    task.eval_step((codes,), 0, "val")
    assert task.bits.compute().item() == pytest.approx(total / 10, rel=1e-5)


@torch.inference_mode()
def test_prompts_of_unequal_length_go_on_as_each_alone() -> None:
    torch.manual_seed(0)
    network = LanguageModel("lstm", 6, embedding_dim=8, hidden_size=8, num_layers=2).eval()
    codes, lengths = torch.randint(2, 6, (3, 5)), torch.tensor([5, 1, 3])
    together, likelihoods = network.generate(codes, lengths, length=7, temperature=0.0)
    for row, length in enumerate(lengths):
        alone, likelihood = network.generate(
            codes[row : row + 1, :length], lengths[row : row + 1], length=7, temperature=0.0
        )
        assert torch.equal(together[row : row + 1], alone)
        torch.testing.assert_close(likelihoods[row : row + 1], likelihood)


def test_data_that_does_not_fit_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="language_modelling needs"):
        LanguageModelling(digits.spec, BUILD, ADAM)
    with pytest.raises(SpecError, match="these are two vocabularies"):
        models.build("gru", Spec(Text(("a",), "words"), Tokens(("b",), "words", 3)))
