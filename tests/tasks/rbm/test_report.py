"""The report of restricted Boltzmann machines: maps that cannot be drawn, thresholds, images."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.errors import DataError
from zoo.spec import Classes, Features, Spec, Table
from zoo.spec.calibration import Calibration
from zoo.spec.columns import Number
from zoo.tasks.rbm import AnomalyDetection, FeatureLearning, Hybrid
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.rbm import in_the_plane

SGD = partial(torch.optim.SGD, lr=0.1)
NETWORK = partial(models.build, "rbm", num_hidden=8)
TABLE = Spec(Table((Number("age", 0.0, 1.0, False), Number("size", 0.0, 1.0, False))), Classes(("fine", "odd")))


def few(digits: Digits) -> dict[str, Examples]:
    """The first 40 examples of each split."""
    return {name: Examples(*(column[:40] for column in split.columns)) for name, split in digits.splits.items()}


@pytest.mark.parametrize("features", [1, 2, 5])
def test_few_features_are_laid_out_too(features: int) -> None:
    points = torch.rand(12, features, generator=torch.Generator().manual_seed(0))
    assert in_the_plane(points, perplexity=30.0).isfinite().all()


@pytest.mark.parametrize(
    "points",
    [
        torch.full((16, 8), 0.5),
        torch.full((16, 8), 0.1) + 1e-9 * torch.randn(16, 8, generator=torch.Generator().manual_seed(0)),
        torch.zeros(16, 8),
        torch.full((16, 8), torch.nan),
        torch.full((16, 8), torch.inf),
        torch.rand(2, 8),
    ],
    ids=["constant", "nearly constant", "zeros", "NaN", "infinite", "two"],
)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_points_that_do_not_differ_are_refused_before_they_end_the_process(points: Tensor, metric: str) -> None:
    with pytest.raises(ValueError, match="t-SNE"):
        in_the_plane(points, perplexity=30.0, metric=metric)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_points_of_any_size_are_laid_out(scale: float) -> None:
    points = scale * torch.rand(12, 5, generator=torch.Generator().manual_seed(0))
    assert in_the_plane(points, perplexity=30.0).isfinite().all()


def test_many_points_at_one_place_are_laid_out() -> None:
    points = torch.zeros(40, 5)
    points[0] = 1
    assert in_the_plane(points, perplexity=30.0).isfinite().all()


def test_a_map_that_cannot_be_drawn_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    task = FeatureLearning(TABLE, NETWORK, SGD)
    with torch.no_grad():
        task.network.weight.zero_()
    examples = Examples(torch.randn(20, 2), torch.randint(0, 2, (20,)))
    with caplog.at_level(logging.WARNING):
        captions = report.plots(task, Evaluation(task, {"train": examples, "test": examples}, 8), tmp_path)
    assert captions == {}
    assert [record.message.split(":")[0] for record in caplog.records] == ["map.png is not drawn"]


def test_images_are_drawn_and_nothing_moves(digits: Digits, tmp_path: Path) -> None:
    task = FeatureLearning(digits.spec, NETWORK, SGD)
    state = torch.random.get_rng_state()
    captions = report.plots(task, Evaluation(task, few(digits), 16), tmp_path)
    assert set(captions) == {"filters.png", "reconstructions.png", "samples.png", "map.png"}
    assert all((tmp_path / name).stat().st_size > 500 for name in captions)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_labels_are_predicted_from_pixels_binarized_as_in_the_test(digits: Digits, tmp_path: Path) -> None:
    from zoo.tasks.rbm import DivergenceOptions

    task = Hybrid(digits.spec, NETWORK, SGD, divergence=DivergenceOptions(binarize="sample"))
    batch = digits.splits["test"].__getitems__(range(32))
    assert torch.equal(task.predict_step(batch, 3), task.predict_step(batch, 3))
    assert not torch.equal(task.predict_step(batch, 3), task.predict_step(batch, 4))
    assert set(report.plots(task, Evaluation(task, few(digits), 16), tmp_path)) == {"confusion_matrix.png"}


def test_a_threshold_is_chosen_on_normal_validation_examples_alone() -> None:
    task = AnomalyDetection(TABLE, NETWORK, SGD, false_positive_rate=0.25)
    torch.manual_seed(0)
    splits = {split: Examples(torch.randn(40, 2), torch.arange(40) % 2) for split in ("train", "val", "test")}
    spec = task.spec
    evaluation = Evaluation(task, splits, 16)
    calibration = report.calibrate(task, evaluation)
    scores = torch.cat(evaluation.predictions("val"))[:, 0]
    assert isinstance(calibration, Calibration)
    assert (scores[::2] > calibration.threshold).sum() == 5  # of 20 normal ones
    above = torch.cat(evaluation.predictions("test"))[:, 0] > calibration.threshold
    expected = {"false_positive_rate": above[::2].float().mean().item(), "recall": above[1::2].float().mean().item()}
    assert report.split_metrics(task, evaluation) == expected
    assert task.spec == spec


def test_without_classes_every_example_is_normal(tmp_path: Path) -> None:
    task = AnomalyDetection(Spec(TABLE.input, Features()), NETWORK, SGD, false_positive_rate=0.25)
    splits = {
        split: Examples(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)))
        for split in ("train", "val", "test")
    }
    evaluation = Evaluation(task, splits, 16)
    report.check_splits(task, splits)
    assert report.split_metrics(task, evaluation) == {"false_positive_rate": 0.25}
    assert report.baselines(task, evaluation) == {}
    assert "no classes" in report.notes(task, evaluation)[0]
    assert set(report.plots(task, evaluation, tmp_path)) == {"scores.png"}


def test_a_split_without_a_normal_example_is_refused() -> None:
    task = AnomalyDetection(TABLE, NETWORK, SGD)
    fine, odd = (Examples(torch.randn(4, 2), torch.full((4,), label)) for label in (0, 1))
    report.check_splits(task, {"train": fine, "val": fine, "test": odd})
    with pytest.raises(DataError, match="val split has no example of fine"):
        report.check_splits(task, {"train": fine, "val": odd, "test": odd})
