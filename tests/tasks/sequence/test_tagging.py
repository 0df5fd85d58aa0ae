"""Tagging and memory as tasks: padding does not count, and short runs learn."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch

from zoo import models
from zoo.data.images import Digits
from zoo.data.sequences import Adding, Copying, MovingDigits
from zoo.errors import SpecError
from zoo.models.rnn import Tagger
from zoo.spec import Features, Labels, Spec, Video
from zoo.tasks.sequence import Tagging, memory_task
from zoo.tasks.sequence.tagging import IGNORED, masked
from zoo.training import report
from zoo.training.report import Evaluation

BUILD = partial(models.build, "lstm", hidden_size=24, embedding_dim=24)
ADAM = partial(torch.optim.AdamW, lr=1e-2)
VIDEO = Video(1, 16, 16, (0.2,), (0.2,))


def test_padding_changes_no_label() -> None:
    torch.manual_seed(0)
    network = BUILD(Spec(VIDEO, Labels(("a", "b", "c"))), bidirectional=True)
    assert isinstance(network, Tagger)
    videos, lengths = torch.randn(3, 6, 1, 16, 16), torch.tensor([6, 2, 4])
    together, told = network.generate(videos, lengths)
    assert torch.equal(told, lengths)
    for row, length in enumerate(lengths):
        alone = network(videos[row : row + 1, :length])
        torch.testing.assert_close(together[row : row + 1, :length], alone, atol=1e-5, rtol=1e-4)
    assert network.train()(videos, lengths).shape == (3, 6, 3)


def test_steps_of_padding_do_not_count() -> None:
    labels = torch.tensor([[0, 1, 2], [2, 0, 0]])
    assert masked((labels, torch.tensor([3, 1]))).tolist() == [[0, 1, 2], [2, IGNORED, IGNORED]]
    assert masked(labels) is labels
    task = Tagging(Spec(VIDEO, Labels(("a", "b", "c"))), BUILD, ADAM).eval()
    lengths = torch.tensor([3, 1])
    videos = torch.zeros(2, 3, 1, 16, 16, dtype=torch.uint8)
    task.eval_step(((videos, lengths), (labels, lengths)), 0, "val")
    answers = task.predict_step(((videos, lengths), labels)).argmax(dim=2)
    right = sum(int(answers[row, step] == labels[row, step]) for row, step in ((0, 0), (0, 1), (0, 2), (1, 0)))
    assert task.accuracy.compute().item() == right / 4


@pytest.mark.usefixtures("blank_plots")
def test_a_short_run_on_videos(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    data = MovingDigits(train_size=60, val_size=20, test_size=20, batch_size=16)
    data.setup()
    task = Tagging(data.spec, partial(BUILD, bidirectional=True), ADAM)
    run = trainer(max_epochs=1)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    assert 0 <= run.callback_metrics["test/accuracy"] <= 1
    evaluation = Evaluation(task, data.splits, 16)
    assert 0.1 < report.baselines(task, evaluation)["accuracy of the most frequent label"] < 0.5
    assert set(report.plots(task, evaluation, tmp_path)) == {"confusion_matrix.png", "tagged.png"}


def test_long_rows_are_added(trainer: Callable[..., L.Trainer]) -> None:
    L.seed_everything(0, verbose=False)
    data = Adding(length=10, train_size=2_000, val_size=100, test_size=200)
    data.setup()
    task = memory_task(data.spec, BUILD, ADAM)
    run = trainer(max_epochs=6, limit_val_batches=0)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    baseline = report.baselines(task, Evaluation(task, data.splits, 64))["rmse of the mean"]
    assert baseline == pytest.approx((1 / 6) ** 0.5, rel=0.1)
    assert run.callback_metrics["test/rmse"] < 0.5 * baseline


@pytest.mark.usefixtures("blank_plots")
def test_the_copy_problem_is_tagging(trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    data = Copying(delay=2, train_size=100, val_size=20, test_size=20)
    data.setup()
    task = memory_task(data.spec, BUILD, ADAM)
    assert isinstance(task, Tagging)
    run = trainer(max_epochs=1)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    assert report.baselines(task, Evaluation(task, data.splits, 64))[
        "accuracy of the most frequent label"
    ] == pytest.approx(12 / 22)
    assert set(report.plots(task, Evaluation(task, data.splits, 64), tmp_path)) == {"confusion_matrix.png"}


def test_data_that_does_not_fit_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="tagging needs"):
        Tagging(digits.spec, BUILD, ADAM)
    with pytest.raises(SpecError, match="memory needs"):
        memory_task(digits.spec, BUILD, ADAM)
    with pytest.raises(SpecError, match=r"lstm goes from .*, not video → features"):
        models.build("lstm", Spec(VIDEO, Features()))
