"""Anomalies: what a restricted Boltzmann machine of normal examples gives a high free energy.

Shape letters: B batch, V visible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.classification import BinaryAUROC

from zoo.errors import ConfigError, SpecError, unknown
from zoo.plots import pictures
from zoo.spec import Anomaly, Calibration, Classes, Spec
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, in_unit_range, prepared
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder


class AnomalyDetection(ContrastiveDivergence):
    """A restricted Boltzmann machine of one class, the normal one, by which all others are found unusual.

    It is trained on the normal examples of the training split. The threshold is that free energy which a chosen share
    of the validation split's normal examples exceeds; the artefact keeps it.

    Logs, besides what contrastive divergence does, `val/auroc` and `test/auroc` (the chance that an anomaly scores
    higher than a normal example), and of the test split the shares of normal examples and of anomalies above the
    threshold, `test/false_alarms` and `test/detected`. The baseline is scikit-learn's IsolationForest.

    Args:
        normal: the class, or classes, that count as normal; None for the first.
        false_alarms: the share of normal examples that may be taken for anomalies, above 0 and below 1.
        gibbs_steps, particles, centring, sparsity, sparsity_cost, binarise: as in `ContrastiveDivergence`.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data has no classes.
        ConfigError: there is no such class, or no other.
        ValueError: an option is out of range.
    """

    monitor = "val/reconstruction"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        normal: str | int | Sequence[str | int] | None = None,
        false_alarms: float = 0.05,
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
        if not isinstance(spec.output, Classes):
            raise SpecError(f"anomaly detection needs data with classes, of which some are normal, and this is {spec}")
        if not 0 < false_alarms < 1:
            raise ValueError(f"false_alarms must be above 0 and below 1, got {false_alarms}")
        names = spec.output.names
        several = normal if isinstance(normal, (list, tuple)) else [normal]
        chosen = [names[0]] if normal is None else [str(name) for name in several]  # the command line's 3 is a number
        for name in chosen:
            if name not in names:
                raise ConfigError(unknown("normal class", name, names))
        if not 0 < len(set(chosen)) < len(names):
            raise ConfigError(f"some classes are normal and some are not; normal={chosen} leaves no others")
        super().__init__(
            Spec(in_unit_range(spec.input), Anomaly(false_alarms)),
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
        self.normal = chosen
        self.false_alarms = false_alarms
        self.calibration = Calibration()
        self.is_normal: Tensor
        self.register_buffer("is_normal", torch.tensor([name in chosen for name in names]))
        self.auroc = BinaryAUROC()
        self._scores: tuple[Tensor, Tensor] = torch.empty(0), torch.empty(0)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        weights = self.is_normal[batch[1]].float()  # and no choice of rows, whose number the device would tell us
        return self.contrast(self.visible(batch), weights / weights.sum().clamp(min=1))

    def training_vectors(self) -> Iterator[Tensor]:
        return (v[self.is_normal[labels]] for v, (labels,) in self.whole("train"))

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        normal = self.is_normal[batch[1]]
        network: Any = self.trained_network
        scores: Tensor = network(prepared(self.spec.input, batch[0]))[:, 0]
        self.auroc.update(scores, ~normal)
        self.log(f"{split}/auroc", self.auroc, on_step=False, on_epoch=True, prog_bar=split == "val")
        if normal.any():
            super().judge([column[normal] for column in batch], batch_idx, split)
        return scores

    def on_test_epoch_end(self) -> None:
        scores, normal = self._whole_scores("val")
        threshold = float(scores[normal].quantile(1 - self.false_alarms))
        self.calibration = Calibration(threshold)
        self._scores = scores, normal = self._whole_scores("test")
        above = (scores > threshold).float()
        self.log_dict({"test/false_alarms": above[normal].mean(), "test/detected": above[~normal].mean()})

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        from sklearn.ensemble import IsolationForest
        from sklearn.metrics import roc_auc_score

        forest = IsolationForest(random_state=0).fit(torch.cat(list(self.training_vectors())).cpu().numpy())
        rows, labels = zip(*((v.cpu(), self.is_normal[others[0]].cpu()) for v, others in self.whole("test")))
        strange = -forest.score_samples(torch.cat(rows).numpy())
        return {"auroc_isolation_forest": float(roc_auc_score(~torch.cat(labels).numpy(), strange))}

    def notes(self) -> list[str]:
        normal = " and ".join(f"`{name}`" for name in self.normal)
        return [f"Normal is {normal}; all else is an anomaly, of which training saw none."]

    def pictures(self, folder: Path) -> dict[str, str]:
        scores, normal = self._scores
        groups = {"normal": scores[normal], "anomalies": scores[~normal]}
        pictures.histograms(groups, self.calibration.threshold or 0.0, "free energy (nats)", folder / "scores.png")
        return {"scores.png": "Free energies of the test split, and the threshold that was chosen on validation."}

    @torch.no_grad()
    def _whole_scores(self, split: str) -> tuple[Tensor, Tensor]:
        """Of all examples of a split, on the CPU: free energies (N,), and whether each is normal (N,)."""
        network: Any = self.trained_network
        parts = [(network.free_energy(v).cpu(), self.is_normal[others[0]].cpu()) for v, others in self.whole(split)]
        scores, normal = zip(*parts)
        return torch.cat(scores), torch.cat(normal)
