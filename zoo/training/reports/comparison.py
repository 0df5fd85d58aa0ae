"""How far a network is above simpler methods on the same test examples: a table and a sentence for the card.

Shape letters: N examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from torch import Tensor

from zoo.metrics.bootstrap import bootstrap
from zoo.metrics.meanings import better, rounded
from zoo.training.outcomes import Outcomes

HEADING = "## Beside simpler methods"
BEST_IMAGES = "training images"  # no method to be better than: they show what can be reached
Scores = Mapping[str, float]
SLOW_DRAWS = 200  # of the bootstrap, where a score takes more than a mean


def table(methods: Mapping[str, Scores]) -> str:
    """A row for each method, the network first, and a column for each metric."""
    names = list(next(iter(methods.values())))
    lines = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for method, scores in methods.items():
        lines.append(f"| {method} | " + " | ".join(rounded(scores[name]) for name in names) + " |")
    return "\n".join(lines)


def cell(value: float) -> str:
    """A number of a table; a dash for NaN."""
    return "–" if math.isnan(value) else rounded(value)


def sentence(
    metric: str,
    network: Scores,
    simpler: Mapping[str, Scores],
    difference: Callable[[str, Tensor], float],
    count: int,
    draws: int = SLOW_DRAWS,
) -> str:
    """How far the network is above the best of the simpler methods, with the interval over test examples, or that it is
    not above.

    Args:
        metric: by which they are compared.
        network: its metrics.
        simpler: those of the simpler methods.
        difference: network minus a method, named first, on some rows (N,) of the test split.
        count: examples of the test split.
        draws: of the bootstrap.
    """
    sign = 1 if better(metric) == "max" else -1
    best = max(simpler, key=lambda method: sign * simpler[method][metric])
    found = bootstrap(lambda rows: sign * difference(best, rows), count, draws)
    verdict = f"**The network is not shown to be better than {best}**"
    if found.excludes_zero:
        verdict = f"The network is better than {best}" if found.low > 0 else f"**The network is worse than {best}**"
    own, other = rounded(network[metric]), rounded(simpler[best][metric])
    values = f"{own} on {count} test examples, and that of the other is {other}"
    ahead = f"ahead by {rounded(found.value)}" if found.value >= 0 else f"behind by {rounded(-found.value)}"
    low, high = (f"{rounded(abs(end))} {'ahead' if end >= 0 else 'behind'}" for end in (found.low, found.high))
    ends = f"95 % interval over test examples: {low} to {high}"
    return f"{verdict}: its {metric.replace('_', ' ')} is {values}. It is {ahead} ({ends})."


def verdicts(metrics: Scores, outcomes: Outcomes | None = None) -> list[str]:
    """For each metric of the test that simpler methods have too, whether the network is better than the best of them.

    Args:
        metrics: of a run, as `test/…` and `baseline/…`.
        outcomes: for each test example, from which the network's metrics get their intervals.
    """
    lines, is_known = [], True
    for name, value in metrics.items():
        metric = name.removeprefix("test/")
        if metric == name or better(metric) is None:
            continue
        simpler = {method: its for one, its in metrics.items() if (method := method_of(one, metric)) is not None}
        simpler.pop(BEST_IMAGES, None)
        if not simpler:
            continue
        sign = 1 if better(metric) == "max" else -1
        best = max(simpler, key=lambda method: sign * simpler[method])
        word = "better than" if sign * (value - simpler[best]) > 0 else "**not better than**"
        own, found = rounded(value), None if outcomes is None else outcomes.interval(metric)
        is_known = is_known and found is not None
        if found is not None:
            own += f" (95 % interval over test examples: {rounded(found.low)} to {rounded(found.high)})"
            if found.low <= simpler[best] <= found.high:
                word = "**not shown to be better than**"
        lines.append(f"The network's {metric}, {own}, is {word} that of {best}, {rounded(simpler[best])}.")
    return lines if is_known else [*lines, "Where no interval is given, nothing is said of chance."]


def method_of(baseline: str, metric: str) -> str | None:
    """The method of a baseline such as `baseline/rmse of the mean` or `baseline/bicubic_psnr`; else None."""
    bare = baseline.removeprefix("baseline/")
    if bare == baseline:
        return None
    for separator in (" of ", " by ", " ", "_"):
        if bare.startswith(metric + separator):
            return bare.removeprefix(metric + separator).replace("_", " ")
    return bare.removesuffix(f"_{metric}").replace("_", " ") if bare.endswith(f"_{metric}") else None
