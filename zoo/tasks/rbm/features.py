"""Features without labels: the hidden units of a restricted Boltzmann machine.

Shape letters: B batch, V visible.
"""

from __future__ import annotations

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

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: as in `ContrastiveDivergence`.
        ais_runs, ais_temperatures: of annealed importance sampling, by which the report estimates the likelihood.

    Raises:
        ValueError: an option is out of range.
    """

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
