"""Captioning as a task: targets, exact match, and a short run on scenes and on digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.images import Digits
from zoo.data.shapes import Shapes
from zoo.errors import SpecError
from zoo.spec import Classes, Spec, Text
from zoo.tasks.sequence.captioning import Captioning, _tokens, is_one_of, spell

BUILD = partial(models.build, "lstm", hidden_size=16, embedding_dim=8)
ADAM = partial(torch.optim.AdamW, lr=3e-3)


def test_a_caption_is_right_if_it_is_any_of_the_right_ones() -> None:
    captions = torch.tensor([[[2, 3, 0], [4, 0, 0]]] * 5)
    written = torch.tensor([[2, 3], [4, 0], [2, 0], [3, 2], [4, 3]])
    assert is_one_of(written, captions).tolist() == [True, True, False, False, False]
    longer = torch.tensor([[2, 3, 0, 0, 0], [2, 3, 0, 0, 4], [4, 4, 4, 4, 4], [4, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert is_one_of(longer, captions).tolist() == [True, False, False, True, False]


def test_tokens_and_one_end_are_judged() -> None:
    logits = torch.zeros(2, 4, 5)
    _, targets = _tokens(logits, torch.tensor([[2, 3, 4], [2, 0, 0]]))
    assert targets.tolist() == [2, 3, 4, 0, 2, 0, -100, -100]


def test_classes_are_spelled_out() -> None:
    codes, tokens = spell(Classes(tuple("0123456789")))
    assert tokens.read(codes[:, 0])[:4] == ["zero", "one", "two", "three"]
    assert codes.shape == (10, 1, 5)
    codes, tokens = spell(Classes(("cat", "a dog")))
    assert tokens.read(codes[:, 0]) == ["cat", "a dog"]


def test_a_short_run_on_scenes(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    data = Shapes(400, 40, 40)
    data.setup()
    task = Captioning(data.spec, BUILD, partial(torch.optim.AdamW, lr=1e-2), ema=0.5)
    run = trainer(max_epochs=6)
    run.fit(task, data)
    first = float(run.callback_metrics["train/loss"])
    assert first < 3  # log(32) is 3.5
    run.test(task, data, verbose=False)
    assert set(run.callback_metrics) >= {"test/loss", "test/exact", "test/bleu"}
    assert set(task.pictures(tmp_path)) == {"attention.png"}
    assert (tmp_path / "attention.png").stat().st_size > 3_000


def test_digits_are_spelled_out(trainer: Callable[..., L.Trainer], digits: Digits) -> None:
    L.seed_everything(0, verbose=False)
    task = Captioning(digits.spec, BUILD, partial(torch.optim.AdamW, lr=1e-2))
    run = trainer(max_epochs=8)
    run.fit(task, digits)
    run.test(task, digits, verbose=False)
    assert run.callback_metrics["test/exact"] > 0.8
    assert run.callback_metrics["test/bleu"] > 0.7


@pytest.mark.parametrize(
    "spec", [Spec(Text(("a",), "words"), Classes(("no", "yes"))), None], ids=["text", "images without captions"]
)
def test_data_that_does_not_fit_is_refused(spec: Spec | None, digits: Digits) -> None:
    with pytest.raises(SpecError, match="captioning needs data of images with captions or classes"):
        Captioning(spec or Spec(digits.spec.input, digits.spec.input), BUILD, ADAM)
