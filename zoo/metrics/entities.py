"""The F1 of named entities, by the rules of the CoNLL-2003 shared task (Tjong Kim Sang and De Meulder, 2003).

An entity is right where its first word, its last word and its kind are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

_TAG = re.compile(r"O|[BIESLU]-.+")
Entity = tuple[str, int, int]  # kind, first word, last word


def are_entities(names: Sequence[str]) -> bool:
    """Whether labels mark entities: O, and B-PER, I-PER and the like (also E, S, L, U of BIOES and BILOU)."""
    return "O" in names and len(names) > 1 and all(_TAG.fullmatch(name) for name in names)


def entities(tags: Sequence[str]) -> set[Entity]:
    """The entities of a sentence's tags. A kind that changes, or I- after O, begins one too, as in IOB1."""
    found: set[Entity] = set()
    start: int | None = None
    before, kind = "O", ""
    for place, tag in enumerate([*tags, "O"]):
        sign, _, now = tag.partition("-")
        goes_on = sign in "IEL" and before in ("B", "I") and now == kind
        if start is not None and not goes_on:
            found.add((kind, start, place - 1))
            start = None
        if sign != "O" and not goes_on:
            start, kind = place, now
        before = sign
    return found


class EntityF1(Metric):
    """F1 over all entities of all sentences (0..1); 0 where there is none.

    Args:
        names: of the labels, as `are_entities` takes them.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True

    right: Any
    counted: Any

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.add_state("right", default=torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("counted", default=torch.tensor(0), dist_reduce_fx="sum")  # both the true and the found ones

    def update(self, answers: Tensor, labels: Tensor) -> None:
        """Add sentences: codes of the answers and of the true labels, (B, T); negative true ones are padding."""
        for row, true in zip(answers.tolist(), labels.tolist()):
            pairs = [(self.names[a], self.names[b]) for a, b in zip(row, true) if b >= 0]
            found, wanted = (entities(tags) for tags in zip(*pairs)) if pairs else (set(), set())
            self.right += len(found & wanted)
            self.counted += len(found) + len(wanted)

    def compute(self) -> Tensor:
        return 2 * self.right / self.counted.clamp(min=1)
