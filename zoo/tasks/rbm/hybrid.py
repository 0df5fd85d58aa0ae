"""Labels learned by a restricted Boltzmann machine: from their conditional distribution, from the joint one, or both.

Larochelle and Bengio, "Classification using discriminative restricted Boltzmann machines", 2008.

Shape letters: B batch, V visible, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import MeanMetric, MeanSquaredError
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from zoo import plots
from zoo.errors import SpecError
from zoo.metrics.r2 import R2
from zoo.models.rbm import LabelledRBM
from zoo.spec import Classes, Spec, Values
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, check_weights, in_unit_range, prepared
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder


class Hybrid(ContrastiveDivergence):
    """A restricted Boltzmann machine with label units, of classes or of one value.

    It minimises discriminative · (-log p(label | visible), exactly) + generative · (-log p(label, visible), by
    contrastive divergence), in nats, mean over the batch.

    Logs `loss`, -log p(label | visible), of `train`, `val` and `test`, and of the latter two `accuracy` (0..1) of
    classes; `rmse` (in the value's own unit) and `r2` of values. The baseline is scikit-learn's linear model: logistic
    or ridge regression.

    Args:
        discriminative, generative: weights of the two, at least 0 and not both 0.
        gibbs_steps, particles, centring, sparsity, sparsity_cost, binarise: as in `ContrastiveDivergence`.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has neither classes nor one value.
        ValueError: an option is out of range.
    """

    network: LabelledRBM

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        discriminative: float = 1.0,
        generative: float = 0.01,
        gibbs_steps: int = 1,
        particles: int = 0,
        centring: bool = True,
        sparsity: float | None = None,
        sparsity_cost: float = 0.1,
        binarise: str = "none",
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        check_weights(discriminative, generative)
        if not isinstance(spec.output, (Classes, Values)):
            raise SpecError(f"hybrid learning needs data with classes or values, and this is {spec}")
        super().__init__(
            Spec(in_unit_range(spec.input), spec.output),
            network,
            optimiser,
            gibbs_steps=gibbs_steps,
            particles=particles,
            centring=centring,
            sparsity=sparsity,
            sparsity_cost=sparsity_cost,
            binarise=binarise,
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.discriminative = discriminative
        self.generative = generative
        if not generative:
            self.network.learn_labels_alone()
        self.loss = MeanMetric()
        if isinstance(spec.output, Classes):
            self.monitor, self.mode = "val/accuracy", "max"
            self.accuracy = MulticlassAccuracy(len(spec.output.names), average="micro")
            self.confusion = MulticlassConfusionMatrix(len(spec.output.names))
        else:
            self.monitor, self.mode = "val/loss", "min"
            self.rmse = MeanSquaredError(squared=False)
            self.r2 = R2()
        self._answers: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, targets = self.binary(prepared(self.spec.input, batch[0])), batch[1]
        conditional = self.network.conditional_loss(x, targets)
        self.record(loss=conditional)
        if not self.generative:
            return self.discriminative * conditional
        return self.discriminative * conditional + self.generative * self.contrast(self.network.joint(x, targets))

    def vectors(self, batch: Any) -> Tensor:
        return self.network.joint(prepared(self.spec.input, batch[0]), batch[1])

    def on_test_start(self) -> None:
        self._answers.clear()
        if isinstance(self.spec.output, Classes):
            self.confusion.reset()

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        place = torch.Generator(self.device).manual_seed(batch_idx * self.trainer.world_size + self.global_rank)
        network: Any = self.trained_network
        x, targets = self.binary(prepared(self.spec.input, batch[0]), place), batch[1]
        outputs: Tensor = network(x)
        self.loss.update(network.conditional_loss(x, targets), weight=len(targets))
        if isinstance(self.spec.output, Values):
            answers, truths = self.spec.output.restore(outputs), self.spec.output.restore(targets)
            self.rmse.update(answers, truths)
            self.r2.update(outputs, targets)
            if split == "test":
                self._answers.append((answers.cpu(), truths.cpu()))
            figures: dict[str, Any] = {f"{split}/{name}": getattr(self, name) for name in ("loss", "rmse", "r2")}
        else:
            self.accuracy.update(outputs, targets)
            if split == "test":
                self.confusion.update(outputs, targets)
            figures = {f"{split}/{name}": getattr(self, name) for name in ("loss", "accuracy")}
        self.log_dict(figures, on_step=False, on_epoch=True, prog_bar=split == "val")
        return outputs

    def on_test_epoch_end(self) -> None:
        if isinstance(self.spec.output, Classes):
            self.counts = self.confusion.compute()  # here, where all processes take part

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        from sklearn.linear_model import LogisticRegression, Ridge

        (train, labels), (test, truths) = self._inputs("train"), self._inputs("test")
        if isinstance(self.spec.output, Values):
            return {"r2_ridge": float(Ridge().fit(train, labels).score(test, truths))}
        linear = LogisticRegression(max_iter=1000).fit(train, labels)
        return {"accuracy_logistic_regression": float(linear.score(test, truths))}

    def _inputs(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """What is seen (N, V) of a split, without the label, and the labels (N,)."""
        width = self.network.label.width
        vectors, labels = zip(*((v[:, :-width].cpu(), others[0].cpu()) for v, others in self.whole(split)))
        return torch.cat(vectors).numpy(), torch.cat(labels).flatten().numpy()

    def pictures(self, folder: Path) -> dict[str, str]:
        if isinstance(self.spec.output, Classes):
            plots.confusion_matrix(self.counts, self.spec.output.names, folder / "confusion_matrix.png")
            return {
                "confusion_matrix.png": "Confusion matrix of the test split: rows are true classes, columns answers."
            }
        answers, truths = (torch.cat(parts) for parts in zip(*self._answers))
        names = self.spec.output.names if isinstance(self.spec.output, Values) else ()
        plots.predicted_against_true(answers, truths, names, folder / "predicted.png")
        return {"predicted.png": "Predicted against true values of the test split."}
