"""What a calibration is chosen by, on validation: a temperature, a threshold, and the widths of intervals.

Shape letters: N examples, K classes, S steps, V values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.spec import Calibration, Values, ctc
from zoo.spec.values import expected_error

TEMPERATURES = (0.05, 20.0)  # within which one is looked for
READING_TEMPERATURES = tuple(2 ** (step / 4) for step in range(-8, 13))  # of readers: 0.25 to 8
MIN_SCALED = 200  # validation examples from which on an error is expected by the level of the value
KNOTS = 5
CRITERIA = ("f1", "balanced_accuracy", "cost", "recall", "precision", "false_positive_rate")
Criterion = str | float | Mapping[str, Any]


def fit_reading_temperature(logits: Sequence[Tensor], texts: Sequence[Sequence[int]]) -> float:
    """The temperature at which the probabilities of the texts that are read best tell which of them are right.

    That is where the log-likelihood of being right is highest, over validation lines (Platt, 1999; Guo et al., 2017),
    as if one line more had been read wrong and one right.

    Args:
        logits: of CTC for N lines, (B, T, 1 + K) each batch.
        texts: the true texts of all lines in order, as symbols.
    """
    read = [text for batch in logits for text in ctc.best_paths(batch)]
    right = torch.tensor([list(a) == list(b) for a, b in zip(read, texts, strict=True)]).double()
    truth = (right * len(right) + 1) / (len(right) + 2)

    def loss(temperature: float) -> float:
        probabilities = reading_probabilities(logits, read, temperature).double().clamp(1e-12, 1 - 1e-12)
        return float(functional.binary_cross_entropy(probabilities, truth))

    return min(READING_TEMPERATURES, key=loss)


def reading_probabilities(logits: Sequence[Tensor], texts: Sequence[Sequence[int]], temperature: float) -> Tensor:
    """The probabilities (N,) of texts, as symbols, at a temperature, given logits (B, T, 1 + K) of each batch."""
    ends = list(accumulate((len(batch) for batch in logits), initial=0))
    parts = [
        ctc.log_likelihoods((batch.float() / temperature).log_softmax(dim=2), texts[start:end])
        for batch, start, end in zip(logits, ends, ends[1:])
    ]
    return torch.cat(parts).exp().clamp(max=1)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature at which the log-likelihood of validation labels (N,) is highest, given logits (N, K).

    Guo et al., "On calibration of modern neural networks", 2017. It is found as if one example more had been answered
    wrong, or a network without an error on a small split would be told to be certain.
    """
    logits, classes = logits.double(), logits.shape[1]
    wrong = 1 / (len(labels) + 2)
    truth = torch.full_like(logits, wrong / (classes - 1)).scatter_(1, labels[:, None], 1 - wrong)

    def loss(log_temperature: float) -> float:
        return float(functional.cross_entropy(logits / math.exp(log_temperature), truth))

    low, high = (math.log(end) for end in TEMPERATURES)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(40):  # golden section: the loss is convex in 1 / temperature, and so has one minimum
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return math.exp((low + high) / 2)


def fit_label_temperature(logits: Tensor, labels: Tensor) -> float:
    """`fit_temperature` for several labels, each of them two classes by itself, given logits and labels (N, K)."""
    pairs = torch.stack([torch.zeros_like(logits), logits], dim=-1)  # the softmax of 0 and x is the logistic of x
    return fit_temperature(pairs.flatten(0, 1), labels.flatten().long())


def check_criterion(criterion: Criterion) -> Criterion:
    """See that a threshold can be chosen by a criterion; see `choose_threshold`.

    Raises:
        ValueError: it cannot.
    """
    if isinstance(criterion, Mapping):
        if len(criterion) != 1:
            raise ValueError(f"threshold has one criterion, such as {{recall: 0.9}}, not {dict(criterion)}")
        ((name, value),) = criterion.items()
        check.one_of("criterion of the threshold", name, CRITERIA[2:])
        (check.positive if name == "cost" else check.fraction)(f"threshold.{name}", value)
    elif isinstance(criterion, str):
        check.one_of("criterion of the threshold", criterion, CRITERIA[:2])
    else:
        check.fraction("threshold", criterion, zero=False, one=False)
    return criterion


def choose_threshold(criterion: Criterion, probabilities: Tensor, positive: Tensor) -> float:
    """The probability from which on an example is taken for positive, chosen on validation.

    Args:
        criterion: `f1` or `balanced_accuracy`, to be highest; `{cost: C}`, the cost of a missed positive where that of
            a false one is 1, to be lowest in total; `{recall: R}` or `{precision: P}`, at least so much, at the highest
            precision or recall; `{false_positive_rate: R}`, at most so much, at the highest recall; or the threshold.
            Where no threshold gives so high a precision, or so low a rate, it is the one that comes nearest.
        probabilities: of being positive (N,).
        positive: whether each is (N,).
    """
    if isinstance(criterion, int | float):
        return float(criterion)
    values, order = probabilities.double().sort(descending=True)
    hits, count = positive[order].double().cumsum(0), int(positive.sum())
    taken = torch.arange(1, len(values) + 1)
    ends = torch.cat([values[1:] < values[:-1], torch.ones(1, dtype=torch.bool)])  # equal ones are taken together
    values, hits, taken = values[ends], hits[ends], taken[ends]
    false, others = taken - hits, max(len(positive) - count, 1)
    recall, precision, rate = hits / max(count, 1), hits / taken, false / others
    ((name, wanted),) = criterion.items() if isinstance(criterion, Mapping) else ((criterion, 0.0),)
    score = {
        "f1": 2 * hits / (taken + count),
        "balanced_accuracy": recall - rate,
        "cost": -(false + wanted * (count - hits)),
        "recall": precision - 2 * (recall < wanted),  # all together reach any recall
        "precision": recall - 2 * (precision < min(wanted, float(precision.max()))),
        "false_positive_rate": recall - 2 * (rate > max(wanted, float(rate.min()))),
    }[name]
    place = int(score.argmax())
    below = values[place + 1] if place + 1 < len(values) else torch.zeros(())
    return float((values[place] + below) / 2)  # between those that are taken and those that are not


def choose_thresholds(criterion: Criterion, probabilities: Tensor, labels: Tensor) -> tuple[float, ...]:
    """`choose_threshold` for each of K labels, given their probabilities (N, K) and whether each is right (N, K).

    A label that all examples have, or none, gives nothing to choose by: it gets one half, unless a number is given.
    """
    return tuple(
        choose_threshold(criterion if isinstance(criterion, int | float) or its.unique().numel() == 2 else 0.5, p, its)
        for p, its in zip(probabilities.T, labels.bool().T)
    )


def conformal_quantile(scores: Tensor, coverage: float) -> Tensor:
    """The score that so large a share of exchangeable ones stays within: that of rank ceil((N + 1) coverage), or the
    largest where N is too small for it. Of scores (N, …): (…)."""
    rank = min(len(scores), math.ceil((len(scores) + 1) * coverage))
    return scores.sort(dim=0).values[rank - 1]


def fit_intervals(kind: Values, outputs: Tensor, targets: Tensor, coverage: float) -> Calibration:
    """Conformal intervals from validation outputs and targets, as `Calibration` describes them.

    Each value, and each step of a forecast, has a width of its own. From 200 examples of plain values on, half of them
    tell what error is to be expected at which level of the value, and the other half how many times that the interval
    must reach ("normalised": Papadopoulos et al., "Inductive confidence machines for regression", 2002). For quantiles,
    see Romano et al., 2019.

    Args:
        kind: values or a forecast.
        outputs: of the network, (N, V Q), or (N, S, V Q) of a forecast.
        targets: standardised, (N, V) or (N, S, V).
        coverage: share of true values that intervals are made to hold, above 0 and below 1.
    """
    true = kind.unscale(targets)
    if kind.quantiles:
        ends = kind.by_quantile(outputs)
        scores = torch.maximum(kind.unscale(ends[..., 0]) - true, true - kind.unscale(ends[..., -1]))
        return Calibration(coverage=coverage, widths=rows_by_step(conformal_quantile(scores, coverage)))
    value = kind.unscale(kind.central(outputs))
    errors = (value - true).abs()
    scaled = Calibration()
    if errors.ndim == 2 and len(errors) >= MIN_SCALED:
        scaled = _fit_scales(value[::2], errors[::2])
        value, errors = value[1::2], errors[1::2]
    widths = conformal_quantile(errors / expected_error(value, scaled), coverage)
    return Calibration(coverage=coverage, widths=rows_by_step(widths), knots=scaled.knots, scales=scaled.scales)


def _fit_scales(value: Tensor, errors: Tensor) -> Calibration:
    """The mean error of equally many examples around each knot, which are quantiles of the values (N, V)."""
    knots, scales = [], []
    for column, its in zip(value.T, errors.T):
        order = column.argsort()
        groups = [(column[rows].mean(), its[rows].mean()) for rows in order.chunk(KNOTS)]
        found = {float(knot): float(scale) for knot, scale in groups}
        smallest = 0.05 * float(its.mean()) or 1.0
        knots.append(tuple(sorted(found)))
        scales.append(tuple(max(found[knot], smallest) for knot in sorted(found)))
    if len({len(row) for row in knots}) > 1 or value.shape[1] == 0:  # many equal predictions of one value
        return Calibration()
    return Calibration(coverage=0.5, widths=((1.0,) * value.shape[1],), knots=tuple(knots), scales=tuple(scales))


def rows_by_step(widths: Tensor) -> tuple[tuple[float, ...], ...]:
    """Widths (V,) or (S, V) as rows by step."""
    rows = widths if widths.ndim == 2 else widths[None]
    return tuple(tuple(row) for row in rows.tolist())


def coverage_of(low: Tensor, high: Tensor, true: Tensor) -> float:
    """The fraction of true values within their intervals."""
    return float(((low <= true) & (true <= high)).double().mean())
