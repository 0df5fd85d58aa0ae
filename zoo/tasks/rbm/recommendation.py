"""Recommendation: what somebody would think of what they have not rated yet.

Salakhutdinov, Mnih, Hinton, "Restricted Boltzmann machines for collaborative filtering", 2007. They learn the joint
distribution of ratings by contrastive divergence; by default ours learns what is asked of it later, the conditional
distribution of some ratings given the others, exactly (Larochelle and Bengio 2008, of labels; Goodfellow et al.,
"Multi-prediction deep Boltzmann machines", 2013, of random parts of the input).

Shape letters: B batch, U people, G items, K values of the scale, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanSquaredError
from torchmetrics.retrieval import RetrievalNormalizedDCG

from zoo import plots
from zoo.errors import SpecError
from zoo.models.rbm import RatingRBM
from zoo.spec import Ratings, Recommendations, Spec
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, check_weights
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder

RANKED = 10  # items, by which NDCG is measured
MAPPED = 60  # items in the picture
TOLD = 3  # people whose recommendations the card shows
SHRINKAGE = 5.0  # ratings of the mean that each item and each person is taken to have had besides
ROUNDS = 10  # of fitting items and people in turns


class Recommendation(ContrastiveDivergence):
    """A restricted Boltzmann machine of ratings with gaps.

    In each step each person's ratings are divided at random. It minimises discriminative · (squared error of the mean
    of p(rating | those on one side), of those on the other, on a scale from -1 to 1) + generative · (-log p(all
    ratings), by contrastive divergence).

    Logs `train/loss` (the squared error), and of `val` and `test` the `rmse` of held-out ratings given all that are
    known, and in the test `ndcg`: the normalised discounted cumulative gain of each person's held-out items, the first
    10 by their expected ratings, where an item's gain is 2^(place on the scale, from 0) - 1. Baselines are the
    regularised effects of items and people, and the order of items by how many people rated them.

    Args:
        discriminative, generative: weights of the two, at least 0 and not both 0.
        given: the share of a person's ratings that the others are predicted from, above 0 and below 1.
        targets: T, how many of the others are predicted in a step, at most.
        item_rate: an item's own weights learn item_rate · G times as fast as the rest, of which the loss, a mean over
            all items, tells more; above 0.
        gibbs_steps, sparsity, sparsity_cost: as in `ContrastiveDivergence`, for the generative part.
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data is no ratings.
        ValueError: an option is out of range.
    """

    network: RatingRBM
    monitor = "val/rmse"
    mode = "min"

    def __init__(
        self,
        spec: Spec,
        network: NetworkBuilder,
        optimiser: OptimiserBuilder,
        *,
        discriminative: float = 1.0,
        generative: float = 0.0,
        given: float = 0.6,
        targets: int = 128,
        item_rate: float = 0.06,
        gibbs_steps: int = 1,
        sparsity: float | None = None,
        sparsity_cost: float = 0.1,
        schedule: str = "cosine",
        max_grad_norm: float | None = None,
        ema: float | None = None,
    ) -> None:
        check_weights(discriminative, generative)
        if not 0 < given < 1:
            raise ValueError(f"given must be above 0 and below 1, got {given}")
        if not item_rate > 0:
            raise ValueError(f"item_rate must be above 0, got {item_rate}")
        if type(targets) is not int or targets < 1:
            raise ValueError(f"targets must be a whole number of at least 1, got {targets}")
        if not isinstance(spec.input, Ratings) or not isinstance(spec.output, Recommendations):
            raise SpecError(f"recommendation needs data of ratings, and this is {spec}")
        super().__init__(
            spec,
            network,
            optimiser,
            gibbs_steps=gibbs_steps,
            centring=False,  # what it is about, the mean of all units, is not that of those which are there
            sparsity=sparsity,
            sparsity_cost=sparsity_cost,
            binarise="none",
            schedule=schedule,
            max_grad_norm=max_grad_norm,
            ema=ema,
        )
        self.discriminative = discriminative
        self.generative = generative
        self.given = given
        self.targets = min(targets, len(spec.input.titles))
        self.item_rate = item_rate * len(spec.input.titles)
        self.unit = (spec.input.scale[-1] - spec.input.scale[0]) / 2  # of errors
        self.rmse = MeanSquaredError(squared=False)
        self.ndcg = _ndcg()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        codes, v = batch[0], self.vectors(batch)
        error = self.conditional_error(v, codes)
        self.record(loss=error)
        if not self.generative:
            return self.discriminative * error
        return self.discriminative * error + self.generative * self.contrast(v)

    def conditional_error(self, v: Tensor, codes: Tensor) -> Tensor:
        """The mean squared error of some of the ratings, given others.

        Nothing of this depends on how many there are, which the device would have to tell.

        Args:
            v: one-hot ratings (B, G K).
            codes: the same as codes (B, G).
        """
        rated = codes > 0
        draws = torch.rand(codes.shape, device=v.device)
        given = draws < self.given
        chosen, places = draws.masked_fill(~rated | given, -1).topk(self.targets, dim=1)  # B, T
        asked = (chosen >= 0).float()
        shown = self.network.visible.grouped(v) * given[:, :, None]  # type: ignore[operator]
        answers = self.network.expected(self.network.conditional(shown.flatten(1), places))
        truths = self.network.scale[(codes.gather(1, places).long() - 1).clamp(min=0)]
        return (((answers - truths) / self.unit).square() * asked).sum() / asked.sum().clamp(min=1)

    def rates(self, network: nn.Module) -> dict[Tensor, float]:
        rates = super().rates(network)
        assert isinstance(network, RatingRBM)
        return {**rates, network.weight: rates[network.weight] * self.item_rate}

    def judge(self, batch: Any, batch_idx: int, split: str) -> Tensor:
        network: Any = self.trained_network
        answers: Tensor = network(self.vectors(batch))
        held = batch[1] > 0
        codes = batch[1][held].long()
        self.rmse.update(answers[held], network.scale[codes - 1])
        self.log(f"{split}/rmse", self.rmse, on_step=False, on_epoch=True, prog_bar=split == "val")
        if split == "test":
            person = held.nonzero()[:, 0] + batch_idx * self.trainer.datamodule.batch_size  # type: ignore[attr-defined]
            person = person * self.trainer.world_size + self.global_rank
            self.ndcg.update(answers[held], _gains(codes), person)
            self.log("test/ndcg", self.ndcg, on_step=False, on_epoch=True)
        return answers

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        known, held = (column.cpu() for column in splits["test"].columns)
        person, item = held.nonzero().unbind(1)
        codes = held[person, item].long()
        scale = self.network.scale.cpu()
        error = (item_and_person_effects(known, scale)[person, item] - scale[codes - 1]).square().mean().sqrt()
        popularity = (known > 0).sum(dim=0).float()
        return {
            "rmse_item_and_person_effects": float(error),
            "ndcg_popularity": float(_ndcg()(popularity[item], _gains(codes), person)),
        }

    def notes(self) -> list[str]:
        known, _ = self.trainer.datamodule.splits["test"].columns  # type: ignore[attr-defined]
        network, spec = self.trained_network.cpu(), self.spec
        assert isinstance(spec.input, Ratings)
        assert isinstance(spec.output, Recommendations)
        lines = ["| what somebody rated highest | what is recommended, with the rating to expect |", "|---|---|"]
        with torch.no_grad():
            answers = spec.output.decode(network(spec.input.prepare(known[:TOLD])), top_k=5)
        for codes, answer in zip(known[:TOLD], answers):
            liked = [spec.input.titles[place] for place in codes.argsort(descending=True, stable=True)[:5].tolist()]
            told = [f"{entry['title']} {entry['rating']:.2f}" for entry in answer]
            lines.append(f"| {'; '.join(liked)} | {'; '.join(told)} |")
        return ["\n".join(lines)]

    def pictures(self, folder: Path) -> dict[str, str]:
        from sklearn.manifold import TSNE

        network, described = self.trained_network, self.spec.input
        assert isinstance(network, RatingRBM)
        assert isinstance(described, Ratings)
        (codes,) = self.trainer.datamodule.splits["train"].columns  # type: ignore[attr-defined]
        most = (codes > 0).sum(dim=0).argsort(descending=True)[:MAPPED]
        weights = network.weight[most.to(network.weight.device)].detach().cpu()
        perplexity = min(12.0, (len(weights) - 1) / 3)
        start = "pca" if min(weights.shape) > 1 else "random"  # in the plane, of two components
        places = TSNE(perplexity=perplexity, init=start, random_state=0, metric="cosine").fit_transform(weights.numpy())
        plots.labelled_scatter(
            torch.from_numpy(places), [described.titles[place] for place in most], folder / "items.png"
        )
        return {"items.png": f"The {len(most)} items that most people rated, laid out by their weights (t-SNE)."}


def item_and_person_effects(codes: Tensor, scale: Tensor) -> Tensor:
    """Ratings (U, G) as the mean of all, plus an effect of the item, plus one of the person.

    The effects are those of least squares, with a penalty of 5 times the square of each, fitted in turns.

    Args:
        codes: known ratings (U, G), 0 for none.
        scale: what the codes from 1 stand for (K,).
    """
    known = (codes > 0).float()
    ratings = scale[(codes.long() - 1).clamp(min=0)]
    mean = (ratings * known).sum() / known.sum()
    person = torch.zeros(len(codes), 1)
    for _ in range(ROUNDS):
        item = ((ratings - mean - person) * known).sum(dim=0) / (known.sum(dim=0) + SHRINKAGE)
        person = (((ratings - mean - item) * known).sum(dim=1) / (known.sum(dim=1) + SHRINKAGE))[:, None]
    return mean + item + person


def _ndcg() -> RetrievalNormalizedDCG:
    return RetrievalNormalizedDCG(top_k=RANKED, empty_target_action="skip")


def _gains(codes: Tensor) -> Tensor:
    return 2 ** (codes - 1) - 1
