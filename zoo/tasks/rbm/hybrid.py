"""Labels learned by a restricted Boltzmann machine: from their conditional distribution, from the joint one, or both.

Larochelle and Bengio, "Classification using discriminative restricted Boltzmann machines", 2008.

Shape letters: B batch, V visible, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric, MeanSquaredError, Metric
from torchmetrics.classification import MulticlassAccuracy

from zoo.errors import SpecError
from zoo.metrics.r2 import R2
from zoo.models.rbm import LabelledRBM
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Spec, Values
from zoo.tasks.rbm.contrastive_divergence import (
    ContrastiveDivergence,
    DivergenceOptions,
    check_loss_weights,
    in_unit_range,
    prepared,
)
from zoo.tasks.task import NetworkBuilder


class Hybrid(ContrastiveDivergence):
    """A restricted Boltzmann machine with label units, of classes or of one value.

    It minimizes discriminative · (-log p(label | visible), exactly) + generative · (-log p(label, visible), by
    contrastive divergence), in nats, mean over the batch.

    Logs `loss`, -log p(label | visible), of `train`, `val` and `test`, and of the latter two `accuracy` (0..1) of
    classes; `rmse` (in the value's own unit) and `r2` of values.

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: as in `ContrastiveDivergence`.
        discriminative, generative: weights of the two losses, at least 0 and not both 0.

    Raises:
        SpecError: the data has neither classes nor one value.
        ValueError: an option is out of range.
    """

    network: LabelledRBM
    kind = None  # it is trained as long as others that learn labels

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(binarize="none"),
        discriminative: float = 1.0,
        generative: float = 0.01,
    ) -> None:
        check_loss_weights(discriminative, generative)
        if not isinstance(spec.output, (Classes, Values)):
            raise SpecError(f"hybrid learning needs data with classes or values, and this is {spec}")
        super().__init__(Spec(in_unit_range(spec.input), spec.output), build, optimizer, divergence=divergence)
        self.discriminative = discriminative
        self.generative = generative
        if not generative:
            self.network.learn_labels_alone()
        self.loss = MeanMetric()
        if isinstance(spec.output, Classes):
            self.monitor, self.mode = "val/accuracy", "max"
            self.accuracy = MulticlassAccuracy(len(spec.output.names), average="micro")
        else:
            self.monitor, self.mode = "val/loss", "min"
            self.rmse = MeanSquaredError(squared=False)
            self.r2 = R2()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, targets = self.binary(prepared(self.spec.input, batch[0])), batch[1]
        conditional = self.network.conditional_loss(x, targets)
        self.record(loss=conditional)
        if not self.generative:
            return self.discriminative * conditional
        joint = self.divergence_loss(self.network.joint(x, targets))
        return self.discriminative * conditional + self.generative * joint

    def vectors(self, batch: Any) -> Tensor:
        return self.network.joint(prepared(self.spec.input, batch[0]), batch[1])

    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        network: Any = self.trained_network
        generator = self.generator(self.number_of(batch_idx))
        x, targets = self.binary(prepared(self.spec.input, batch[0]), generator), batch[1]
        outputs: Tensor = network(x)
        self.loss.update(network.conditional_loss(x, targets), weight=len(targets))
        if isinstance(self.spec.output, Values):
            self.rmse.update(self.spec.output.restore(outputs), self.spec.output.restore(targets))
            self.r2.update(outputs, targets)
        else:
            self.accuracy.update(outputs, targets)

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        if isinstance(self.spec.output, Values):
            return {"loss": self.loss, "rmse": self.rmse, "r2": self.r2}
        return {"loss": self.loss, "accuracy": self.accuracy}

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Tensor:
        """What the network gives for a batch, binarized as for the test."""
        with torch.autocast(self.device.type, enabled=False):
            x = self.binary(prepared(self.spec.input, batch[0]), self.generator(batch_idx))
            return self.trained_network(x).float()
