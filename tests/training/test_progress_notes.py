"""What the curves of a run say for its card."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from zoo import models
from zoo.spec import Classes, Spec, Table
from zoo.spec.columns import Number
from zoo.tasks.supervised import Classification
from zoo.training.progress_notes import progress_notes

SPEC = Spec(Table((Number("x", 0.0, 1.0, False),)), Classes(("a", "b")))


@pytest.mark.parametrize(("rise", "said"), [(0.1, ["not converged"]), (0.001, [])])
def test_a_short_run_that_still_improves_has_not_converged(tmp_path: Path, rise: float, said: list[str]) -> None:
    task = Classification(SPEC, partial(models.build, "mlp"), partial(torch.optim.SGD, lr=0.1))
    lines = [f"{epoch},{epoch},{0.5 + rise * epoch}" for epoch in range(5)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,step,val/accuracy", *lines, ""]))
    notes = progress_notes(task, tmp_path)[1:]
    assert len(notes) == len(said)
    assert all(word in note for word, note in zip(said, notes))


@pytest.mark.parametrize(
    ("accuracy", "val", "train", "said"),
    [
        (lambda epoch: epoch / 40, lambda epoch: 1.0, 0.9, ["not converged"]),
        (lambda epoch: min(epoch, 10) / 10, lambda epoch: 1.0, 0.9, []),
        (lambda epoch: 1.0, lambda epoch: 1 + abs(epoch - 10) / 10, 0.9, ["after epoch 11 of 40"]),
        (lambda epoch: 1.0, lambda epoch: 1.0, 1.2, ["of smoothed labels, with dropout"]),
    ],
    ids=["rising", "flat", "overfitted", "smoothed"],
)
def test_they_tell_what_the_curves_show(tmp_path: Path, accuracy, val, train: float, said: list[str]) -> None:  # type: ignore[no-untyped-def]
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    network = partial(models.build, "mlp", dropout=0.5)
    task = Classification(SPEC, network, partial(torch.optim.SGD, lr=0.1), loss=loss)
    lines = [f"{epoch},{epoch},{train},{accuracy(epoch)},{val(epoch)}" for epoch in range(40)]
    (tmp_path / "metrics.csv").write_text("\n".join(["epoch,step,train/loss,val/accuracy,val/loss", *lines, ""]))
    notes = progress_notes(task, tmp_path)[1:]
    assert len(notes) == len(said)
    assert all(word in note for word, note in zip(said, notes))
