"""Captioning as a task: targets, exact match, and a short run on scenes and on digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import models
from zoo.data.images import Digits
from zoo.data.shapes import Shapes
from zoo.errors import SpecError
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Spec, Text
from zoo.tasks.sequence import Captioning
from zoo.tasks.sequence.captioning import is_one_of, spell, token_targets
from zoo.training import report
from zoo.training.report import Evaluation

BUILD = partial(models.build, "lstm", hidden_size=16, embedding_dim=8)
ADAM = partial(torch.optim.AdamW, lr=3e-3)


def test_a_caption_is_right_if_it_is_any_of_the_right_ones() -> None:
    captions = torch.tensor([[[2, 3, 0], [4, 0, 0]]] * 5)
    written = torch.tensor([[2, 3], [4, 0], [2, 0], [3, 2], [4, 3]])
    assert is_one_of(written, captions).tolist() == [True, True, False, False, False]
    longer = torch.tensor([[2, 3, 0, 0, 0], [2, 3, 0, 0, 4], [4, 4, 4, 4, 4], [4, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert is_one_of(longer, captions).tolist() == [True, False, False, True, False]


def test_tokens_and_one_end_are_targets() -> None:
    targets = token_targets(torch.tensor([[2, 3, 4], [2, 0, 0]]))
    assert targets.tolist() == [2, 3, 4, 0, 2, 0, -100, -100]


def test_classes_are_spelled_out() -> None:
    codes, tokens = spell(Classes(tuple("0123456789")))
    assert tokens.read(codes[:, 0])[:4] == ["zero", "one", "two", "three"]
    assert codes.shape == (10, 1, 5)
    codes, tokens = spell(Classes(("cat", "a dog")))
    assert tokens.read(codes[:, 0]) == ["cat", "a dog"]


def test_a_short_run_on_scenes(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    data = Shapes(100, 20, 20)
    data.setup()
    task = Captioning(data.spec, BUILD, TrainingOptions(ADAM, ema=0.5))
    run = trainer(max_epochs=1)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    assert set(run.callback_metrics) >= {"test/loss", "test/exact", "test/bleu"}
    assert set(report.plots(task, Evaluation(task, data.splits, 64), tmp_path)) == {"attention.png"}
    assert (tmp_path / "attention.png").stat().st_size > 3_000


class Dictated(nn.Module):
    """Writes what it is given to write."""

    written: Tensor

    def forward(self, x: Tensor, captions: Tensor) -> Tensor:
        return functional.one_hot(functional.pad(captions, (0, 1)), 30) * 100.0

    def generate(self, x: Tensor) -> tuple[Tensor, None]:
        return self.written, None


def test_metrics_of_digits_are_those_of_their_names(digits: Digits) -> None:
    task = Captioning(digits.spec, lambda spec: Dictated(), ADAM)
    assert task.spelled is not None
    task.network.written = task.spelled[torch.tensor([3, 7, 0, 0]), 0]
    batch = digits.splits["test"].columns[0][:4], torch.tensor([3, 7, 0, 8])
    task.eval_step(batch, 0, "val")
    metrics = {name: float(metric.compute()) for name, metric in task.eval_metrics("val").items()}
    assert metrics["exact"] == 0.75
    assert metrics["loss"] == pytest.approx(0, abs=1e-6)
    assert 0.5 < metrics["bleu"] < 1
    assert task.tokens.read(task.predict_step(batch)) == ["three", "seven", "zero", "zero"]


@pytest.mark.parametrize(
    "spec", [Spec(Text(("a",), "words"), Classes(("no", "yes"))), None], ids=["text", "images without captions"]
)
def test_data_that_does_not_fit_is_refused(spec: Spec | None, digits: Digits) -> None:
    with pytest.raises(SpecError, match="captioning needs"):
        Captioning(spec or Spec(digits.spec.input, digits.spec.input), BUILD, ADAM)
