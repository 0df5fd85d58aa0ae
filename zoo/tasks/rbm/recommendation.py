"""Recommendation: ratings that are missing, from those that are known.

Salakhutdinov, Mnih, Hinton, "Restricted Boltzmann machines for collaborative filtering", 2007. They learn the joint
distribution of ratings by contrastive divergence; by default ours learns what is asked of it later, the conditional
distribution of some ratings given the others, exactly (Larochelle and Bengio 2008, of labels; Goodfellow et al.,
"Multi-prediction deep Boltzmann machines", 2013, of random parts of the input).

Shape letters: B batch, G items, K values of the scale, T targets.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanSquaredError, Metric

from zoo import check
from zoo.errors import SpecError
from zoo.metrics.ranking import NDCG, Recall, ReciprocalRank
from zoo.models.rbm import RatingRBM
from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Ratings, Recommendations, Spec
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, DivergenceOptions, check_loss_weights
from zoo.tasks.task import NetworkBuilder

RANKED = 10  # items, by which NDCG and recall are measured
RANKED_USERS = 2_048  # for whom all items are ranked, about
MANY = 2**20  # ratings of a batch (B, G, K) beyond which only those that are asked for are computed


class Recommendation(ContrastiveDivergence):
    """A restricted Boltzmann machine of ratings with gaps.

    In each step each user's ratings are divided at random. It minimizes discriminative · (squared error of the mean of
    p(rating | those on one side), of those on the other, on a scale from -1 to 1) + generative · (-log p(all ratings),
    by contrastive divergence).

    Batches of training hold codes of ratings (B, G), 0 for none; those of validation and test two such columns, of
    known and of held-out ratings.

    Logs `train/loss` (the squared error), and of `val` and `test` the `rmse` of held-out ratings given all that are
    known, and in the test `ndcg`: the normalized discounted cumulative gain of each user's held-out items, the first
    10 by their expected ratings, where an item's gain is 2^(place on the scale, from 0) - 1. Also in the test, among
    all items that a user has not rated: `recall`, the share of the held-out items that the user liked (in the upper
    half of the scale) among the first 10, and `mrr`, the mean of 1 / rank of the first of them; both are of the first
    2,048 users.

    Args:
        spec, build, optimizer: as in `Task`.
        divergence: of the generative part; without particles and centering, since each user rated other items.
        discriminative, generative: weights of the two losses, at least 0 and not both 0.
        given_fraction: the share of a user's ratings that the others are predicted from, above 0 and below 1.
        max_targets: T, how many of the others are predicted in a step, at most.
        item_lr_scale: an item's own weights learn item_lr_scale · G times as fast as the rest, since the loss is a mean
            over all items; above 0.

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
        build: NetworkBuilder,
        optimizer: OptimizerBuilder | TrainingOptions,
        *,
        divergence: DivergenceOptions = DivergenceOptions(centering=False, binarize="none"),
        discriminative: float = 1.0,
        generative: float = 0.0,
        given_fraction: float = 0.6,
        max_targets: int = 128,
        item_lr_scale: float = 0.06,
    ) -> None:
        check_loss_weights(discriminative, generative)
        check.fraction("given_fraction", given_fraction, zero=False, one=False)
        check.positive("item_lr_scale", item_lr_scale)
        check.whole("max_targets", max_targets)
        if not isinstance(spec.input, Ratings) or not isinstance(spec.output, Recommendations):
            raise SpecError(f"recommendation needs data of ratings, and this is {spec}")
        if divergence.particles or divergence.centering:  # particles rate all items, and so does the mean of all units
            raise ValueError("recommendation takes no particles and no centering: ratings have gaps")
        super().__init__(spec, build, optimizer, divergence=divergence)
        self.discriminative = discriminative
        self.generative = generative
        self.given_fraction = given_fraction
        self.max_targets = min(max_targets, len(spec.input.titles))
        self.item_lr_scale = item_lr_scale * len(spec.input.titles)
        self.unit = (spec.input.scale[-1] - spec.input.scale[0]) / 2  # of errors
        self.rmse = MeanSquaredError(squared=False)
        self.ndcg = NDCG(top_k=RANKED)
        self.recall = Recall(top_k=RANKED)
        self.mrr = ReciprocalRank()
        self.scale = spec.input.scale

    def moments(self, batches: Iterable[Any]) -> tuple[Tensor, Tensor]:
        """As in contrastive divergence; 0 and 1 are counted, since most of the one-hot vectors is 0."""
        users, total = 0, torch.zeros_like(self.visible_mean, dtype=torch.long)
        for batch in batches:
            codes = self.transfer_batch_to_device(batch, self.device, 0)[0]
            rows, places = codes.nonzero().unbind(1)
            ones = places * len(self.scale) + codes[rows, places].long() - 1
            users, total = users + len(codes), total + ones.bincount(minlength=len(total))
        mean = total.float() / users
        return mean, mean - mean.square()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        codes, v = batch[0], self.vectors(batch)
        error = self.conditional_error(v, codes)
        self.record(loss=error)
        if not self.generative:
            return self.discriminative * error
        return self.discriminative * error + self.generative * self.divergence_loss(v)

    def conditional_error(self, v: Tensor, codes: Tensor) -> Tensor:
        """The mean squared error of some of the ratings, given others.

        Nothing of this depends on how many there are, which the device would have to tell.

        Args:
            v: one-hot ratings (B, G K).
            codes: the same as codes (B, G).
        """
        rated = codes > 0
        draws = torch.rand(codes.shape, device=v.device)
        given = draws < self.given_fraction
        chosen, places = draws.masked_fill(~rated | given, -1).topk(self.max_targets, dim=1)  # B, T
        asked = (chosen >= 0).float()
        shown = self.network.visible.grouped(v) * given[:, :, None]  # type: ignore[operator]
        answers = self.network.expected(self.network.conditional(shown.flatten(1), places))
        truths = self.network.scale[(codes.gather(1, places).long() - 1).clamp(min=0)]
        return (((answers - truths) / self.unit).square() * asked).sum() / asked.sum().clamp(min=1)

    def lr_scales(self, network: nn.Module) -> dict[Tensor, float]:
        scales = super().lr_scales(network)
        assert isinstance(network, RatingRBM)
        return {**scales, network.weight: scales[network.weight] * self.item_lr_scale}

    def eval_step(self, batch: Any, batch_idx: int, split: str) -> None:
        network: Any = self.trained_network
        places, codes = held_out(batch)
        ranks_all = split == "test" and batch_idx * len(codes) < RANKED_USERS
        if ranks_all or batch[1].numel() * len(self.scale) <= MANY:
            of_all: Tensor = network(self.vectors(batch))
            answers = of_all.gather(1, places)
        else:
            answers = self.answers(batch, places)
        self.rmse.update(answers[codes > 0], network.scale[codes[codes > 0] - 1])
        if split == "test":
            self.ndcg.update(answers, gains(codes), codes > 0)
        if ranks_all:
            scores, liked = of_all.nan_to_num(nan=-math.inf), self.liked(batch[1])  # but of what is known already
            self.recall.update(scores, liked)
            self.mrr.update(scores, liked)

    def answers(self, batch: Any, places: Tensor) -> Tensor:
        """The expected ratings of some items (B, T), which each user has not rated: (B, T)."""
        network: Any = self.trained_network
        return network.expected(network.logits(network.hidden_input_of(batch[0]), places))

    def liked(self, codes: Tensor) -> Tensor:
        """Whether ratings (B, G), as codes, are in the upper half of the scale."""
        middle = (self.scale[0] + self.scale[-1]) / 2
        first = next(code for code, value in enumerate(self.scale, start=1) if value > middle)
        return codes >= first

    def eval_metrics(self, split: str) -> Mapping[str, Metric]:
        if split != "test":
            return {"rmse": self.rmse}
        return {"rmse": self.rmse, "ndcg": self.ndcg, "recall": self.recall, "mrr": self.mrr}


def held_out(batch: Any) -> tuple[Tensor, Tensor]:
    """The places of each user's held-out ratings (B, T), ascending, and their codes, 0 where a user has fewer."""
    counts = (batch[1] > 0).sum(dim=1)
    places = batch[1].topk(max(1, int(counts.max())), dim=1).indices.sort(dim=1).values
    return places, batch[1].gather(1, places).long()


def gains(codes: Tensor) -> Tensor:
    """The gain of each item by the code of its rating; 0 where it has none."""
    return 2 ** (codes - 1).clamp(min=0) - 1
