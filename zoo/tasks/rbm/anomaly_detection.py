"""Anomalies: examples to which a restricted Boltzmann machine of normal ones gives a high free energy.

Shape letters: B batch, V visible.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import BinaryAUROC

from zoo import check
from zoo.errors import ConfigError, SpecError, unknown
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Anomaly, Classes, Features, Spec
from zoo.tasks.rbm.contrastive_divergence import (
    ContrastiveDivergence,
    DivergenceOptions,
    in_unit_range,
    prepared,
)
from zoo.tasks.task import NetworkBuilder


class AnomalyDetection(ContrastiveDivergence):
    """A restricted Boltzmann machine of the normal classes; examples of all other classes are anomalies.

    It is trained on the normal examples of the training split, which are all where the data has no classes. Scores are
    free energies; the report chooses the threshold above which they are anomalies.

    Logs, besides what contrastive divergence does of normal examples, and where the data has classes, `val/auroc` and
    `test/auroc`: the chance that an anomaly scores higher than a normal example.

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: as in `ContrastiveDivergence`.
        normal_classes: the class, or classes, that count as normal; None for the first.
        false_positive_rate: the share of normal validation examples above the threshold, above 0 and below 1.

    Raises:
        SpecError: the data has values to predict, and no classes.
        ConfigError: there is no such class, or no other.
        ValueError: an option is out of range.
    """

    monitor = "val/reconstruction"
    mode = "min"
    kind = None  # of run: that of the spec

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(binarize="none"),
        normal_classes: str | int | Sequence[str | int] | None = None,
        false_positive_rate: float = 0.05,
    ) -> None:
        if not isinstance(spec.output, Classes | Features):
            raise SpecError(f"anomaly detection needs data with classes, or with no target, and this is {spec}")
        check.fraction("false_positive_rate", false_positive_rate, zero=False, one=False)
        names = spec.output.names if isinstance(spec.output, Classes) else ()
        chosen = _chosen(normal_classes, names) if names else []
        super().__init__(
            Spec(in_unit_range(spec.input), Anomaly(false_positive_rate)), build, optimizer, divergence=divergence
        )
        self.normal_classes = chosen
        self.false_positive_rate = false_positive_rate
        self.is_normal: Tensor
        self.register_buffer("is_normal", torch.tensor([name in chosen for name in names], dtype=torch.bool))
        self.auroc = BinaryAUROC()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        weights = self.normal(batch).float()  # and no choice of rows, whose number the device would tell us
        return self.divergence_loss(self.visible(batch), weights / weights.sum().clamp(min=1))

    def learned_from(self, batch: Any) -> Tensor:
        return self.vectors(batch)[self.normal(batch)]

    def normal(self, batch: Any) -> Tensor:
        """Whether each example of a batch is of a normal class (B,); all are, where there are no classes."""
        if len(self.is_normal):
            return self.is_normal[batch[1]]
        return torch.ones(len(batch[0]), dtype=torch.bool, device=batch[0].device)

    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        normal = self.normal(batch)
        if len(self.is_normal):
            network: Any = self.trained_network
            scores: Tensor = network(prepared(self.spec.input, batch[0]))[:, 0]
            self.auroc.update(scores, ~normal)
        if normal.any():
            super().eval_step([column[normal] for column in batch], batch_idx, split)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        auroc = {"auroc": self.auroc} if len(self.is_normal) else {}
        return {**auroc, **super().eval_metrics(split)}


def _chosen(normal: str | int | Sequence[str | int] | None, names: tuple[str, ...]) -> list[str]:
    """The names of the normal classes: some that there are, and not all of them."""
    several = normal if isinstance(normal, (list, tuple)) else [normal]
    chosen = [names[0]] if normal is None else [str(name) for name in several]  # the command line's 3 is a number
    for name in chosen:
        if name not in names:
            raise ConfigError(unknown("normal class", name, names))
    if not 0 < len(set(chosen)) < len(names):
        raise ConfigError(f"some classes are normal and some are not; normal_classes={chosen} leaves no others")
    return chosen
