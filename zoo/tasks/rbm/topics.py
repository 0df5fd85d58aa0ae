"""Topics of texts: the hidden units of a restricted Boltzmann machine of word counts.

Salakhutdinov and Hinton, "Replicated softmax: an undirected topic model", 2009.

Shape letters: B batch, V words of the vocabulary, H topics, D words of a document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

from zoo import plots
from zoo.errors import SpecError
from zoo.models.rbm import TopicRBM, annealed_importance_sampling, log_partitions
from zoo.spec import Counts, Spec, Topics
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, check_annealing
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder

FEW = 12  # topics up to which the partition function is added up in each step
EXACT = 16  # and in the test
SAMPLED = 50  # documents of the test, where it is estimated
DRAWS = 1000  # of the shares of topics, by which a document's probability under LDA is estimated


class TopicModelling(ContrastiveDivergence):
    """A restricted Boltzmann machine of documents, whose hidden units are topics.

    Up to 12 topics the loss is the exact -log p of a word (nats, the mean over documents), whose partition function is
    a sum over all states of the topics; it is logged as `train/loss`. With more it is contrastive divergence.

    Logs, besides what contrastive divergence does, `test/perplexity`, exp(-log p / words) over all words of the test
    documents, given how many each has. Up to 16 topics it is exact, and up to 12 `val/perplexity` is, too, which then
    chooses the epoch. With more, each length's partition function is estimated by annealed importance sampling, for
    the first 50 test documents, as in the paper.

    The baseline is scikit-learn's latent Dirichlet allocation with as many topics, on the same test documents. Their
    probability under it is estimated without bias, by importance sampling from the variational posterior, and not by
    the variational bound, which is lower.

    Args:
        exact: whether the loss is exact; None for up to 12 topics.
        ais_runs, ais_temperatures: of annealed importance sampling.
        gibbs_steps, centring, sparsity, sparsity_cost: as in `ContrastiveDivergence`.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data is no word counts.
        ValueError: an option is out of range, or `exact` is asked for with more than 16 topics.
    """

    network: TopicRBM
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        exact: bool | None = None,
        ais_runs: int = 100,
        ais_temperatures: int = 1_000,
        gibbs_steps: int = 1,
        centring: bool = False,
        sparsity: float | None = None,
        sparsity_cost: float = 0.1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        if not isinstance(spec.input, Counts) or not isinstance(spec.output, Topics):
            raise SpecError(f"topics are learned from word counts, and this is {spec}")
        super().__init__(
            spec,
            network,
            optimiser,
            gibbs_steps=gibbs_steps,
            centring=centring,
            sparsity=sparsity,
            sparsity_cost=sparsity_cost,
            binarise="none",
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.ais = check_annealing(ais_runs, ais_temperatures)
        self.topics = len(self.network.hidden_bias)
        if exact and self.topics > EXACT:
            raise ValueError(f"exact is for up to {EXACT} topics, not {self.topics}")
        self.exact = self.topics <= FEW if exact is None else exact
        self.monitor = "val/perplexity" if self.topics <= FEW else "val/reconstruction"
        self.surprise = MeanMetric()  # -log p of a word, in nats

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        if not self.exact:
            return super().training_step(batch, batch_idx)
        v = self.visible(batch)
        x, words = self.network.hidden_input(v), v.sum(dim=1)
        surprise = ((self.network.free_energy(v, x) + log_partitions(self.network, words)) / words).mean().float()
        self.record(loss=surprise)
        return surprise + self.sparsity_loss(torch.sigmoid(x).mean(dim=0))

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        energies = super().judge(batch, batch_idx, split)
        if self.topics <= (EXACT if split == "test" else FEW):
            network: Any = self.trained_network
            lengths, places = batch[0].sum(dim=1).unique(return_inverse=True)
            log_z = log_partitions(network, lengths)[places]
            self.surprise.update((energies.double() + log_z) / lengths[places], weight=lengths[places])
        return energies

    def on_validation_epoch_end(self) -> None:
        if self.topics <= FEW:
            self._log_perplexity("val")

    def on_test_start(self) -> None:
        if self.visible_mean.isnan().any():  # a network that was trained elsewhere
            self.measure_data()

    def on_test_epoch_end(self) -> None:
        if self.topics > EXACT:
            self._estimate()
        self._log_perplexity("test")

    def _log_perplexity(self, split: str) -> None:
        perplexity = self.surprise.compute().exp()
        self.surprise.reset()
        self.log(f"{split}/perplexity", perplexity, prog_bar=split == "val", sync_dist=False)

    @torch.no_grad()
    def _estimate(self) -> None:
        """Add the surprise of some of the test documents, by an estimate of log Z of each length."""
        network: Any = self.trained_network
        counts = self._test_documents().to(self.device)
        lengths, places = counts.sum(dim=1).long().unique(return_inverse=True)
        with torch.random.fork_rng():  # all processes estimate the same
            torch.manual_seed(0)
            found = [
                annealed_importance_sampling(network, self.visible_mean, words=words, **self.ais)[0]
                for words in lengths.tolist()
            ]
        log_z = torch.tensor(found, device=self.device)[places]
        energies = network.free_energy(counts).double()
        self.surprise.update((energies + log_z) / lengths[places], weight=lengths[places])

    def _test_documents(self) -> Tensor:
        """Counts (B, V) of those test documents by which the perplexity is measured."""
        (counts,) = self.trainer.datamodule.splits["test"].columns  # type: ignore[attr-defined]
        return (counts if self.topics <= EXACT else counts[:SAMPLED]).float()

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        return {"perplexity_lda": lda_perplexity(splits["train"].columns[0], self._test_documents(), self.topics)}

    def notes(self) -> list[str]:
        assert isinstance(self.spec.output, Topics)
        network: Any = self.trained_network.cpu()
        (counts,) = self.trainer.datamodule.splits["train"].columns  # type: ignore[attr-defined]
        with torch.no_grad():
            shares = network(counts.float()).mean(dim=0).tolist()
        lines = ["| topic | share of the training documents | words |", "|---|---|---|"]
        for topic, (share, places) in enumerate(zip(shares, network.top_words().tolist())):
            lines.append(f"| {topic} | {share:.1%} | {', '.join(self.spec.output.words(places))} |")
        return ["\n".join(lines)]

    def pictures(self, folder: Path) -> dict[str, str]:
        assert isinstance(self.spec.output, Topics)
        network: Any = self.trained_network.cpu()
        places = network.top_words()
        weights = network.weight.detach().t().gather(1, places)
        words = [self.spec.output.words(row) for row in places.tolist()]
        plots.topic_words(words, weights, folder / "topics.png")
        return {"topics.png": "The words that tell of each topic, and by how many nats it makes them likelier."}


def lda_perplexity(train: Tensor, test: Tensor, topics: int) -> float:
    """exp(-log p / words) of test documents (B, V) by latent Dirichlet allocation of training documents.

    p(document) is the mean of p(document | shares of topics) over draws of the shares from the variational posterior,
    each weighted by how much likelier it is a priori than there.

    Args:
        train, test: counts (B, V).
        topics: how many.
    """
    from sklearn.decomposition import LatentDirichletAllocation

    prior = 1 / topics
    lda = LatentDirichletAllocation(topics, doc_topic_prior=prior, learning_method="batch", max_iter=50, random_state=0)
    lda.fit(train.numpy())
    words = torch.from_numpy(lda.components_)
    words = words / words.sum(dim=1, keepdim=True)  # H, V
    lengths = test.sum(dim=1).double()
    shares = torch.from_numpy(lda.transform(test.numpy())).double()  # the mean of the posterior, whose parameters
    posterior = torch.distributions.Dirichlet(shares * (topics * prior + lengths[:, None]))  # add up to that
    before = torch.distributions.Dirichlet(torch.full((topics,), prior, dtype=torch.float64))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        logs = []
        for _ in range(DRAWS):
            drawn = posterior.sample().clamp(min=1e-12)
            drawn = drawn / drawn.sum(dim=1, keepdim=True)
            given = (test.double() * (drawn @ words).log()).sum(dim=1)
            logs.append(given + before.log_prob(drawn) - posterior.log_prob(drawn))
    total = float((torch.stack(logs).logsumexp(dim=0) - math.log(DRAWS)).sum())
    return math.exp(-total / float(lengths.sum()))
