"""Topics of texts: the hidden units of a restricted Boltzmann machine of word counts.

Salakhutdinov and Hinton, "Replicated softmax: an undirected topic model", 2009.

Shape letters: B batch, V words of the vocabulary, H topics.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from zoo.errors import SpecError
from zoo.metrics.perplexity import Perplexity
from zoo.models.rbm import TopicRBM, log_partitions
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Counts, Spec, Topics
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, DivergenceOptions, check_annealing
from zoo.tasks.task import NetworkBuilder

MAX_EXACT = {"train": 12, "val": 12, "test": 16}  # topics up to which the partition function is added up


class TopicModelling(ContrastiveDivergence):
    """A restricted Boltzmann machine of documents, whose hidden units are topics.

    Up to 12 topics the loss is the exact -log p of a word (nats, the mean over documents), whose partition function is
    a sum over all states of the topics; it is logged as `train/loss`. With more it is contrastive divergence.

    Logs, besides what contrastive divergence does, the perplexity, exp(-log p / words) over all words of the documents,
    given how many each has, where it is exact: up to 12 topics `val/perplexity`, which then chooses the epoch, and up
    to 16 `test/perplexity`. With more the report estimates it.

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: as in `ContrastiveDivergence`; without particles, since a sample of the model has no length of its
            own.
        exact: whether the loss is exact; None for up to 12 topics.
        ais_runs, ais_temperatures: of annealed importance sampling, by which the report estimates the perplexity.

    Raises:
        SpecError: the data is no word counts.
        ValueError: an option is out of range, or `exact` is asked for with more than 16 topics.
    """

    network: TopicRBM
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(centering=False, binarize="none"),
        exact: bool | None = None,
        ais_runs: int = 100,
        ais_temperatures: int = 1_000,
    ) -> None:
        if not isinstance(spec.input, Counts) or not isinstance(spec.output, Topics):
            raise SpecError(f"topics are learned from word counts, and this is {spec}")
        if divergence.particles:
            raise ValueError("topics take no particles: a sample of the model has no length of its own")
        super().__init__(spec, build, optimizer, divergence=divergence)
        self.ais = check_annealing(ais_runs, ais_temperatures)
        self.topics = len(self.network.hidden_bias)
        if exact and self.topics > MAX_EXACT["test"]:
            raise ValueError(f"exact is for up to {MAX_EXACT['test']} topics, not {self.topics}")
        self.exact = self.is_exact("train") if exact is None else exact
        self.monitor = "val/perplexity" if self.is_exact("val") else "val/reconstruction"
        self.perplexity = Perplexity()

    def is_exact(self, split: str) -> bool:
        """Whether there are few enough topics for the exact likelihood of a split."""
        return self.topics <= MAX_EXACT[split]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if not self.exact:
            return super().training_step(batch, batch_idx)
        v = self.visible(batch)
        x, words = self.network.hidden_input(v), v.sum(dim=1)
        loss = ((self.network.free_energy(v, x) + log_partitions(self.network, words)) / words).mean().float()
        self.record(loss=loss)
        return loss + self.sparsity_loss(torch.sigmoid(x).mean(dim=0))

    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        super().eval_step(batch, batch_idx, split)
        if self.is_exact(split):
            network: Any = self.trained_network
            lengths, places = batch[0].sum(dim=1).unique(return_inverse=True)
            log_z = log_partitions(network, lengths)[places]
            energies = network.free_energy(self.vectors(batch)).double()
            self.perplexity.update((energies + log_z) / lengths[places], weight=lengths[places])

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        perplexity = {"perplexity": self.perplexity} if self.is_exact(split) else {}
        return {**super().eval_metrics(split), **perplexity}
