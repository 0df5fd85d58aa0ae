"""The report of recommendation: simpler methods, what each user's ratings cost, and a map of the items.

Shape letters: N users, G items.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.metrics.ranking import NDCG, Recall, ReciprocalRank
from zoo.tasks.rbm import Recommendation
from zoo.tasks.rbm.recommendation import RANKED, RANKED_USERS, gains, held_out
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.baseline_models import MAX_NEIGHBOURS, item_and_user_effects, item_neighbours
from zoo.training.reports.rbm import in_the_plane

log = logging.getLogger(__name__)

MAPPED_ITEMS = 60
USERS = 3  # whose recommendations the card shows


@report.outcomes.register
@torch.no_grad()
def _(task: Recommendation, evaluation: Evaluation) -> dict[str, Tensor]:
    """The squared errors of each user's held-out ratings, and how many these are."""
    scale = task.eval().network.scale
    found = []
    for batch in evaluation.batches("test"):
        places, codes = held_out(batch)
        errors = (task.answers(batch, places) - scale[(codes - 1).clamp(min=0)]).masked_fill(codes == 0, 0)
        found.append(torch.stack([errors.square().sum(dim=1), (codes > 0).sum(dim=1).float()], dim=1).cpu())
    return {"rmse": torch.cat(found)}


@report.baselines.register
def _(task: Recommendation, evaluation: Evaluation) -> dict[str, float]:
    """The effects of items and users, item neighbourhoods, and the order of items by how many users rated them."""
    columns: Any = evaluation.splits["test"].columns
    known, asked = columns
    users, items, scale = asked.owners, asked.places.long(), task.network.scale.cpu()
    effects = mean, of_item, of_user = item_and_user_effects(known, scale)
    truths = scale[asked.codes.long() - 1]
    errors = {"item_and_user_effects": mean + of_item[items] + of_user[users] - truths}
    if known.width <= MAX_NEIGHBOURS:
        errors["item_neighbours"] = item_neighbours(known, asked, scale, effects) - truths
    popularity = known.places.long().bincount(minlength=known.width).float()
    ranking, recall, rank = NDCG(RANKED), Recall(RANKED), ReciprocalRank()
    for rows in torch.arange(len(known)).split(evaluation.batch_size):
        batch = tuple(column.index_select(0, rows) for column in columns)
        places, codes = held_out(batch)
        ranking.update(popularity[places], gains(codes), codes > 0)
        if rows[0] < RANKED_USERS:
            scores = popularity.expand(len(codes), -1).masked_fill(batch[0] > 0, -1)
            for metric in (recall, rank):
                metric.update(scores, task.liked(batch[1]))
    return {
        **{f"rmse_{name}": float(its.square().mean().sqrt()) for name, its in errors.items()},
        "ndcg_popularity": float(ranking.compute()),
        "recall_popularity": float(recall.compute()),
        "mrr_popularity": float(rank.compute()),
    }


@report.notes.register
def _(task: Recommendation, evaluation: Evaluation) -> list[str]:
    output: Any = task.spec.output
    titles: tuple[str, ...] = task.spec.input.titles  # type: ignore[union-attr]
    batch: Any = next(evaluation.batches("test", USERS))  # of all users and items there may be billions
    known = batch[0]
    with torch.no_grad():
        answers = output.decode(task.eval().predict_step(batch).cpu())
    lines = ["| highest ratings of a user | recommendations, with the expected ratings |", "|---|---|"]
    for codes, answer in zip(known.cpu(), answers):
        liked = [titles[place] for place in codes.argsort(descending=True, stable=True)[:5].tolist()]
        recommended = [f"{entry['title']} {entry['rating']:.2f}" for entry in answer[:5]]
        lines.append(f"| {'; '.join(liked)} | {'; '.join(recommended)} |")
    return ["\n".join(lines)]


@report.plots.register
def _(task: Recommendation, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    network: Any = task.trained_network
    titles: tuple[str, ...] = task.spec.input.titles  # type: ignore[union-attr]
    rated: Any = evaluation.splits["train"].columns[0]
    most_rated = rated.places.long().bincount(minlength=rated.width).argsort(descending=True)[:MAPPED_ITEMS]
    weights = network.weight.detach().cpu()[most_rated]
    try:
        layout = in_the_plane(weights, perplexity=12.0, metric="cosine")
    except ValueError as error:
        log.warning("items.png is not drawn: %s", error)
        return {}
    plots.labelled_scatter(layout, [titles[place] for place in most_rated], folder / "items.png")
    laid_out = "laid out by their weights (t-SNE), each at a height of its own"
    return {"items.png": f"The {len(most_rated)} items that most users rated, {laid_out}."}
