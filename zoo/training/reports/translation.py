"""Reports of translation.

Shape letters: N sentences, T target tokens, S source tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.spec.text import PAD, join, words_of
from zoo.tasks.sequence import Translation
from zoo.tasks.sequence.translation import bleu_score
from zoo.training import report
from zoo.training.report import Evaluation

DRAWN = 3  # sentences whose alignment is drawn
SHOWN = 8  # translations in the card


@report.baselines.register
def _(task: Translation, evaluation: Evaluation) -> dict[str, float]:
    """The translation of that source of the training split which is most like it.

    Likeness is the cosine of tf-idf vectors of words, or of runs of one to four characters.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    train, test = (_columns(evaluation, split) for split in ("train", "test"))
    longest = 4 if task.source.level == "characters" else 1
    vectors = TfidfVectorizer(analyzer=lambda row: _runs(row.tolist(), longest))
    known, asked = vectors.fit_transform(train[0]), vectors.transform(test[0])
    neighbours = NearestNeighbors(n_neighbors=1, metric="cosine").fit(known)
    answers = [train[1][row] for row in neighbours.kneighbors(asked, return_distance=False)[:, 0].tolist()]
    bleu = bleu_score(task.target.level)
    bleu.update(_texts(task, answers), [[text] for text in _texts(task, test[1])])
    exact = sum(map(torch.equal, answers, test[1])) / len(answers)
    return {"bleu of the nearest source": float(bleu.compute()), "exact of the nearest source": exact}


def _runs(codes: Sequence[int], longest: int) -> list[tuple[int, ...]]:
    """All runs of 1 up to so many neighbours."""
    return [tuple(codes[i : i + n]) for n in range(1, longest + 1) for i in range(len(codes) - n + 1)]


def _columns(evaluation: Evaluation, split: str) -> tuple[list[Tensor], list[Tensor]]:
    """The codes of each source of a split, and of each translation."""
    examples: Any = evaluation.splits[split]
    source, target = ([column[row].cpu() for row in range(len(examples))] for column in examples.columns)
    return source, target


def _texts(task: Translation, rows: Sequence[Tensor]) -> list[str]:
    """Codes (T,) of translations as texts."""
    return [task.target.read(row[None])[0] for row in rows]


@report.plots.register
@torch.no_grad()
def _(task: Translation, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    network: Any = task.eval().trained_network
    if not network.attend:
        return {}
    batch: Any = next(evaluation.batches("test", DRAWN))
    (codes, lengths), written = batch[0], task.predict_step(batch)
    weights = network.attention(codes, lengths, written)
    sources = [_tokens(task.source.vocabulary, row) for row in codes]
    targets = [[*_tokens(task.target.vocabulary, row), "end"] for row in written]
    maps = [map_[: len(target), : len(source)] for map_, source, target in zip(weights, sources, targets)]
    plots.alignments(sources, targets, maps, folder / "attention.png")
    return {
        "attention.png": "Sentences of the test split (columns), their translations (rows), and the attention of each "
        "token of a translation to those of its source."
    }


def _tokens(vocabulary: Sequence[str], codes: Tensor) -> list[str]:
    """The tokens of codes (T,) before the padding."""
    return words_of(codes[codes != PAD], vocabulary)


@report.notes.register
def _(task: Translation, evaluation: Evaluation) -> list[str]:
    sources, targets = _columns(evaluation, "test")
    read = [join(_tokens(task.source.vocabulary, row), task.source.level) for row in sources[:SHOWN]]
    written = _texts(task, [row for batch in evaluation.predictions("test") for row in batch][:SHOWN])
    columns = [read, written, _texts(task, targets[:SHOWN])]
    rows = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in zip(*columns)]
    return ["## Translations", "\n".join(["| source | translation | as it should be |", "|---|---|---|", *rows])]
