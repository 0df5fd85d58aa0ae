"""What is read without a network: the text of the training line that looks most alike, by scikit-learn.

Shape letters: N lines, H and W height and width that all lines are scaled to.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.text import CharErrorRate, WordErrorRate

from zoo.tasks.sequence import OCR
from zoo.training import report
from zoo.training.report import Evaluation

SIZE = (12, 96)  # that lines are scaled to
BATCHES, BATCH = 20, 200  # of training lines that a line is compared with


@report.baselines.register
def _(task: OCR, evaluation: Evaluation) -> dict[str, float]:
    """The text of the nearest of up to 4,000 training lines, all scaled to one size."""
    from sklearn.neighbors import NearestNeighbors

    known, texts = _lines(task, islice(evaluation.batches("train", BATCH), BATCHES))
    tested, true = _lines(task, evaluation.batches("test", BATCH))
    nearest = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known.numpy())
    read = [texts[place] for place in nearest.kneighbors(tested.numpy(), return_distance=False)[:, 0]]
    chars, words = CharErrorRate(), WordErrorRate()
    wrong = sum(one != other for one, other in zip(read, true)) / len(true)
    method = "the most similar training line"
    found = {"cer": float(chars(read, true)), "wer": float(words(read, true)), "ler": wrong}
    return {f"{name} of {method}": value for name, value in found.items()}


def _lines(task: OCR, batches: Iterable[Any]) -> tuple[Tensor, list[str]]:
    """Lines of one size (N, H W), brightness apart, and their texts."""
    images, texts = [], []
    for x, (symbols, counts) in batches:
        for line in task.line.restore(x):
            small = functional.interpolate(line[None, None].float(), SIZE, mode="area").flatten()
            images.append((small - small.mean()) / small.std().clamp(min=1))
        texts += task.texts(symbols, counts)
    return torch.stack(images), texts
