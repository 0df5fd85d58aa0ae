"""Translation as a task: its metrics are those of sacrebleu and of counting, and a short run learns."""

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
from zoo.data.dates import Dates
from zoo.errors import SpecError
from zoo.spec import Classes, SourceText, Spec, TargetText, Text
from zoo.spec.text import FIRST
from zoo.tasks.sequence import Translation
from zoo.training import report
from zoo.training.report import Evaluation

ADAM = partial(torch.optim.AdamW, lr=3e-3)
WORDS = ("the", "dog", "runs", "home", "in", "well-known", ".", "park", "10,000")
SPEC = Spec(SourceText(WORDS, "words"), TargetText(WORDS, "words", 9))


class Dictated(nn.Module):
    """Writes what it is given to write, and expects the truth but for its last token."""

    written: Tensor

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        return functional.one_hot(functional.pad(target.long(), (0, 1)), len(WORDS) + FIRST) * 100.0

    def generate(self, source: Tensor, lengths: Tensor, num_beams: int = 4) -> tuple[Tensor, None]:
        return self.written, None


def test_metrics_are_those_of_sacrebleu_and_of_counting() -> None:
    task = Translation(SPEC, lambda spec: Dictated(), ADAM)
    true = ["the dog runs home in the park.", "the well-known dog runs.", "the park.", "10,000 in the park runs home."]
    texts = ["the dog runs in the park.", "the well-known dog runs.", "the park.", "in the park runs dog home."]
    encode = SPEC.input.encode
    (written, _), (target, lengths) = (SPEC.input.collate([*map(encode, each)]) for each in (texts, true))
    task.network.written = written
    task.eval_step(((target, lengths), (target.int(), lengths)), 0, "val")
    metrics = {name: float(metric.compute()) for name, metric in task.eval_metrics("val").items()}
    assert task.target.read(written) == texts
    assert metrics["bleu"] == pytest.approx(0.642624, abs=1e-5)  # corpus_bleu(texts, [true]) of sacrebleu 2.6.0
    assert metrics["exact"] == 0.5
    assert metrics["token_accuracy"] == 1
    assert metrics["loss"] == pytest.approx(0, abs=1e-5)


@pytest.mark.usefixtures("blank_plots")
def test_a_short_run_learns(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    data = Dates(160, 16, 16, batch_size=16)
    data.setup()
    build = partial(models.build, "gru", hidden_size=24, embedding_dim=16)
    task = Translation(data.spec, build, ADAM)
    run = trainer(max_epochs=2)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    metrics = run.callback_metrics
    assert set(metrics) >= {"test/loss", "test/exact", "test/bleu", "test/token_accuracy"}
    assert metrics["test/loss"] < 2.5  # by chance log(13)
    evaluation = Evaluation(task, data.splits, 16)
    assert set(report.plots(task, evaluation, tmp_path)) == {"attention.png"}
    assert (tmp_path / "attention.png").exists()
    baselines = report.baselines(task, evaluation)
    assert baselines["exact of the nearest source"] == 0
    assert 0.1 < baselines["bleu of the nearest source"] < 1
    _, table = report.notes(task, evaluation)
    assert len(table.splitlines()) == 10


def test_a_source_that_is_known_has_its_own_translation() -> None:
    data = Dates(40, 5, 5)
    data.setup()
    task = Translation(data.spec, partial(models.build, "gru", hidden_size=4), ADAM)
    same = {"train": data.splits["train"], "test": data.splits["train"]}
    assert set(report.baselines(task, Evaluation(task, same, 16)).values()) == {1.0}


@pytest.mark.parametrize(
    "spec",
    [Spec(Text(("a",), "words"), Classes(("no", "yes"))), Spec(SPEC.input, Classes(("no", "yes")))],
    ids=["text", "classes"],
)
def test_other_data_is_refused(spec: Spec) -> None:
    with pytest.raises(SpecError, match="translation needs"):
        Translation(spec, partial(models.build, "gru"), ADAM)
