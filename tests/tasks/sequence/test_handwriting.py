"""Handwriting as a task: its loss is the density of the data, padding does not count, and a short run learns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor

from zoo import models
from zoo.data.images import Digits
from zoo.data.ink import StrokeDigits
from zoo.errors import ConfigError, SpecError
from zoo.models.rnn.handwriting import ENDS, FLOOR
from zoo.spec import Classes, Ink, Labels, Spec, Strokes
from zoo.tasks.sequence import Handwriting
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import handwriting

BUILD = partial(models.build, "gru", hidden_size=16, num_components=4)
ADAM = partial(torch.optim.Adam, lr=1e-2)
KIND = Strokes(8)


def data(**options: Any) -> StrokeDigits:
    found = StrokeDigits(train_size=120, val_size=20, test_size=20, per_writer=20, batch_size=20, **options)
    found.setup()
    return found


class Constant(torch.nn.Module):
    """Says the same at each step: one Gaussian at (1, 0), of deviation 2 each way, in multiples of the scale."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, codes: Tensor, lengths: Tensor, steps: Tensor) -> Tensor:
        deviation = torch.tensor(2.0 - FLOOR).log()
        mixture = torch.tensor([0.0, 0.0, 1.0, 0.0, deviation, deviation])  # weight, correlation, mean, deviations
        return torch.cat([mixture, torch.tensor([0.5, 0.3, 0.2]).log()]).expand(*steps.shape[:2], 9)


def test_its_loss_is_the_density_over_heights() -> None:
    """By hand, for an ink of three points beside a longer one, whose padding does not count."""
    task = Handwriting(Spec(KIND, Classes(("a", "b"))), lambda spec: Constant(), ADAM)
    inks = [[[[0, 0], [0, 10]], [[5, 10]]], [[[0, 0], [4, 4], [2, 8], [1, 9]]]]
    batch = KIND.collate([KIND.encode(ink) for ink in inks]), torch.tensor([0, 1])
    losses, of_pen, counted = task._losses(task.network, batch)
    assert counted.all()
    assert losses.shape == (2 + 3,)
    std = task.spec.output.std  # type: ignore[union-attr]
    gaussian = torch.distributions.Normal(torch.tensor([std, 0.0]), 2 * std)
    ways = torch.tensor([[0, 1.0], [0.5, 0]])  # of the first, in heights
    expected = -gaussian.log_prob(ways).sum(dim=1) - torch.tensor([0.3, 0.2]).log()  # the pen leaves; it ends
    torch.testing.assert_close(losses[:2], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(of_pen[2:], -torch.tensor([0.5, 0.5, 0.2]).log())
    task.eval_step(batch, 0, "val")
    assert task.loss.compute().item() == pytest.approx(losses.mean().item())


def test_texts_of_classes_and_of_transcripts_are_alike() -> None:
    single, lines = data(), data(line_length=2, lines=20)
    one, other = (Handwriting(source.spec, BUILD, ADAM) for source in (single, lines))
    assert one.spec == other.spec
    assert one.text.vocabulary == tuple("0123456789")
    labels: Any = single.splits["test"].__getitems__(range(20))[1]
    symbols = lines.splits["test"].__getitems__(range(20))[1]
    for found, expected in zip(one.texts(labels), other.texts(symbols)):
        assert torch.equal(found, expected)
    words = Handwriting(Spec(KIND, Classes(("no", "yes"))), BUILD, ADAM)
    codes, lengths = words.texts(torch.tensor([1, 0]))
    assert lengths.tolist() == [3, 2]
    assert codes[1].tolist() == [*words.text.encode("no").tolist(), 0]


def test_what_the_pen_does() -> None:
    task = Handwriting(Spec(KIND, Classes(("a", "b"))), BUILD, ADAM)
    inks = [[[[0, 0], [0, 10]], [[5, 10]]], [[[0, 0], [4, 4], [2, 8], [1, 9]]]]
    steps, pen, real = task.points((KIND.collate([KIND.encode(ink) for ink in inks]), torch.tensor([0, 1])))
    assert pen[real].tolist() == [0, 1, ENDS, 0, 0, 0, ENDS]
    assert real.sum(dim=1).tolist() == [3, 4]
    torch.testing.assert_close(steps[0, :3], torch.tensor([[0, 0, 0], [0, 1, 1], [0.5, 0, 1.0]]))


def test_a_short_run_is_better_than_one_gaussian(
    trainer: Callable[..., L.Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EACH", "ROWS", "LINE"):  # writing goes on for long, as long as little is learned
        monkeypatch.setattr(handwriting, name, 1)
    L.seed_everything(0, verbose=False)
    source = data(line_length=2, lines=200)
    monkeypatch.setattr(handwriting, "load", lambda name: Reader())
    task = Handwriting(source.spec, BUILD, ADAM, readers=["mine"])
    report.check_splits(task, source.splits)
    run = trainer(max_epochs=2)
    run.fit(task, source)
    run.test(task, source, verbose=False)
    evaluation = Evaluation(task, source.splits, 20)
    baseline = report.baselines(task, evaluation)["loss of one Gaussian"]
    assert run.callback_metrics["test/loss"] < baseline - 0.2
    assert report.split_metrics(task, evaluation) == {"read_by_mine": 0.1}
    assert set(report.plots(task, evaluation, tmp_path)) == {"written.png", "line.gif"}
    assert {file.name for file in tmp_path.iterdir()} == {"written.png", "line.gif", "line.svg"}
    written = task.predict_step(source.splits["test"].__getitems__(range(4)))
    assert [part.shape[1] for part in written] == [3] * 4
    assert isinstance(task.spec.output, Ink)


class Reader:
    """Reads everything as a 7."""

    model = "mine"
    spec = Spec(KIND, Classes(tuple("0123456789")))

    def __call__(self, inks: list[Any]) -> list[dict[str, str]]:
        return [{"label": "7"} for _ in inks]


def test_the_baseline_is_the_gaussian_of_the_training_points() -> None:
    source = data()
    task = Handwriting(source.spec, BUILD, ADAM)
    source.splits["test"] = source.splits["train"]
    found = report.baselines(task, Evaluation(task, source.splits, 50))["loss of one Gaussian"]
    steps, pen, real = task.points(source.splits["train"].__getitems__(range(120)))  # type: ignore[arg-type]
    ways = steps[:, 1:, :2][real[:, 1:]].double()
    entropy = 0.5 * torch.logdet(2 * torch.pi * torch.e * ways.T.cov())  # of a Gaussian of that covariance
    shares = pen[:, 1:][real[:, 1:]].bincount() / len(ways)
    assert found == pytest.approx(float(entropy - (shares * shares.log()).sum()), abs=2e-3)


def test_a_reader_that_cannot_read_is_refused_before_training() -> None:
    source = data()
    for wrong, fault in (("lstm.reviews", "from strokes or image to classes"), ("lstm.pendigit", "lstm.pendigits")):
        task = Handwriting(source.spec, BUILD, ADAM, readers=[wrong])
        with pytest.raises(ConfigError, match=fault):
            report.check_splits(task, source.splits)


def test_data_that_does_not_fit_is_refused(digits: Digits) -> None:
    for spec in (digits.spec, Spec(KIND, Labels(("a", "b")))):
        with pytest.raises(SpecError, match="handwriting needs"):
            Handwriting(spec, BUILD, ADAM)
