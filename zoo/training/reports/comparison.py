"""How far a network is above simpler methods on the same test examples: a table and a sentence for the card.

Shape letters: N examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from zoo.metrics.bootstrap import bootstrap
from zoo.metrics.meanings import better

Scores = Mapping[str, float]
SLOW_DRAWS = 200  # of the bootstrap, where a score takes more than a mean


def table(methods: Mapping[str, Scores]) -> str:
    """A row for each method, the network first, and a column for each metric."""
    names = list(next(iter(methods.values())))
    lines = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for method, scores in methods.items():
        lines.append(f"| {method} | " + " | ".join(f"{scores[name]:.4g}" for name in names) + " |")
    return "\n".join(lines)


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
    values = f"{network[metric]:.4g} on {count} test examples, and that of the other is {simpler[best][metric]:.4g}"
    ends = f"95 % interval over test examples: {found.low:.4g} to {found.high:.4g}"
    return f"{verdict}: its {metric.replace('_', ' ')} is {values}. It is ahead by {found.value:.4g} ({ends})."
