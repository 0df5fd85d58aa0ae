"""Ridge regression in closed form, with the penalty of the least generalised cross-validation error.

Golub, Heath, Wahba, "Generalized cross-validation as a method for choosing a good ridge parameter", 1979.

Shape letters: N examples, D regressors, H outputs, such as steps of a horizon, G numbers known of each, P penalties.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

PENALTIES = torch.logspace(-6, 2, 17, dtype=torch.float64)  # of standardised regressors, an example
CROWDED = 0.95  # degrees of freedom an example, above which a regression only recites


def weighted_ridge(x: Tensor, y: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regressions of y (N, H) on x (N, D), where each example counts by its importance (N,), 1 in the mean: the
    weights (H, D), and the bias (H,). One penalty for all outputs is chosen by generalised cross-validation."""
    mean, target_mean = ((part * importance[:, None]).mean(dim=0) for part in (x, y))
    root = importance.sqrt()[:, None]
    weights, _ = ridge((x - mean) * root, x.new_zeros(*y.shape, 0), (y - target_mean) * root, centred=True)
    return weights, target_mean - weights @ mean


def ridge(x: Tensor, known: Tensor, y: Tensor, *, centred: bool = False) -> tuple[Tensor, Tensor]:
    """Ridge regressions of y (N, H) on x (N, D) and on what is known of each step (N, H, G): weights (H, D + G), and
    the bias (H,), which is 0 where all is `centred` already. One penalty for all steps is chosen by generalised
    cross-validation."""
    count, horizon = len(x), y.shape[1]
    mean, target_mean = x.mean(dim=0), y.mean(dim=0)
    if centred:
        mean, target_mean = torch.zeros_like(mean), torch.zeros_like(target_mean)
    x, y = x - mean, y - target_mean
    scale = x.square().mean().sqrt().clamp(min=1e-9)
    x = x / scale
    known_mean = known.mean(dim=0)  # H, G
    known = known - known_mean
    systems = []
    steps: list[Any] = list(range(horizon)) if known.shape[2] else [slice(None)]
    shared = x.T @ x
    for step in steps:
        wanted = y[:, step].reshape(count, -1)
        gram, moment = shared, x.T @ wanted
        if known.shape[2]:
            ahead = known[:, step]
            gram = torch.cat([torch.cat([shared, x.T @ ahead], 1), torch.cat([ahead.T @ x, ahead.T @ ahead], 1)])
            moment = torch.cat([moment, ahead.T @ wanted])
        values, vectors = torch.linalg.eigh(gram)
        systems.append((values.clamp(min=0), vectors, vectors.T @ moment, wanted.square().sum()))
    penalties = PENALTIES * count
    scores = sum(cross_validation(values, moment, total, penalties, count) for values, _, moment, total in systems)
    penalty = penalties[int(torch.as_tensor(scores).argmin())]
    weights = torch.cat(
        [(vectors @ (moment / (values + penalty)[:, None])).T for values, vectors, moment, _ in systems]
    )  # H, D + G
    weights[:, : x.shape[1]] /= scale
    bias = target_mean - weights[:, : x.shape[1]] @ mean - (weights[:, x.shape[1] :] * known_mean).sum(dim=1)
    return weights, bias


def cross_validation(values: Tensor, moment: Tensor, total: Tensor, penalties: Tensor, count: int) -> Tensor:
    """The generalised cross-validation error for each penalty, given eigenvalues (D,), projected moments (D, …) and the
    sum of squares of what is predicted."""
    shrunk = values[:, None] / (values[:, None] + penalties)  # D, P
    explained = moment.square().sum(dim=1)[:, None] / (values[:, None] + penalties) * (2 - shrunk)
    free = 1 - (shrunk.sum(dim=0) + 1) / count
    error = (total - explained.sum(dim=0)).clamp(min=0) / free.square()
    return torch.where(free < 1 - CROWDED, torch.inf, error)
