"""Features without labels: the hidden units of a restricted Boltzmann machine.

Shape letters: B batch, V visible.
"""

from __future__ import annotations

from typing import Any

from zoo.errors import ConfigError
from zoo.models.rbm.units import Bernoulli
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Classes, Features, Spec
from zoo.tasks.rbm.contrastive_divergence import (
    ContrastiveDivergence,
    DivergenceOptions,
    check_annealing,
    in_unit_range,
)
from zoo.tasks.task import NetworkBuilder


class FeatureLearning(ContrastiveDivergence):
    """A restricted Boltzmann machine of images or tables, for its features and its samples.

    Logs what contrastive divergence does. With Bernoulli units the best epoch has the highest pseudo-likelihood, and
    otherwise the lowest reconstruction error.

    It can take several steps a batch (`TrainingOptions.steps_per_batch`): what Lightning does between two batches takes
    longer than a small step itself.

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: as in `ContrastiveDivergence`.
        ais_runs, ais_temperatures: of annealed importance sampling, by which the report estimates the likelihood.

    Raises:
        ValueError: an option is out of range.
    """

    repeats = True

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(),
        ais_runs: int = 100,
        ais_temperatures: int = 10_000,
    ) -> None:
        super().__init__(Spec(in_unit_range(spec.input), Features()), build, optimizer, divergence=divergence)
        self.classes = spec.output.names if isinstance(spec.output, Classes) else None
        self.ais = check_annealing(ais_runs, ais_temperatures)
        self.bernoulli = isinstance(self.network.visible, Bernoulli)
        self.monitor = "val/pseudo_likelihood" if self.bernoulli else "val/reconstruction"
        self.mode = "max" if self.bernoulli else "min"
        self.automatic_optimization = self.options.steps_per_batch == 1

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.automatic_optimization:
            return super().training_step(batch, batch_idx)
        optimizer: Any = self.optimizers()
        schedule: Any = self.lr_schedulers()  # None of a constant rate
        v, steps = self.visible(batch), self.options.steps_per_batch
        if len(v) < steps:
            raise ConfigError(
                f"steps_per_batch={steps} is more than the {len(v)} examples of a batch; give a larger data.batch_size"
            )
        for part in v.tensor_split(steps):
            self.optimizer_zero_grad(self.current_epoch, batch_idx, optimizer)
            self.manual_backward(self.divergence_loss(part))
            optimizer.step()
            if schedule is not None:
                schedule.step()
            self.update_average()
        return None
