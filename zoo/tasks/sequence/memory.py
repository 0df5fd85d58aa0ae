"""Tests of long memory: the adding and the copy problem.

Hochreiter and Schmidhuber, "Long short-term memory", 1997.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import SpecError
from zoo.spec import Labels, Series, Spec, Values
from zoo.tasks.sequence.tagging import Tagging
from zoo.tasks.supervised.supervised import Regression
from zoo.tasks.task import NetworkBuilder, OptimiserBuilder


class Adding(Regression):
    """Values that were given long ago, put together; the baseline is to answer their mean.

    Logs what `Regression` does. Arguments as there.
    """

    def baselines(self, splits: Mapping[str, Any]) -> dict[str, float]:
        truths = self.values.restore(splits["test"].columns[1])
        mean = self.values.restore(splits["train"].columns[1]).mean(dim=0)
        return {"rmse of the mean": float((truths - mean).square().mean().sqrt())}


def memory(
    spec: Spec,
    network: NetworkBuilder,
    optimiser: OptimiserBuilder,
    *,
    schedule: str = "cosine",
    max_grad_norm: float | None = 1.0,
    ema: float | None = None,
) -> Adding | Tagging:
    """The adding problem where the data has values, and the copy problem where it has labels.

    Args:
        spec, network, optimiser, schedule, max_grad_norm, ema: as in `Task`.

    Raises:
        SpecError: the data is no series with values or labels.
        ValueError: an option is out of range.
    """
    if not isinstance(spec.input, Series) or not isinstance(spec.output, (Values, Labels)):
        raise SpecError(f"memory needs data of series with values or labels, and this is {spec}")
    task = Adding if isinstance(spec.output, Values) else Tagging
    return task(spec, network, optimiser, schedule=schedule, max_grad_norm=max_grad_norm, ema=ema)
