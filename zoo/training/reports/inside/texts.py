"""Which words of a text an answer comes from.

Shape letters: N texts, T words, K classes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.metrics.attribution import score_of, word_influence
from zoo.plots import MarkedText
from zoo.spec import Classes, Text, Values
from zoo.spec.text import words_of
from zoo.tasks.supervised import Supervised
from zoo.training.report import Evaluation, View
from zoo.training.reports.supervised import targets

EACH = 3  # right texts, and as many wrong ones
WORDS = 60  # of a text that are drawn
UNSEEN = " � is a word that the network does not know."
FEW = 50  # texts to choose from, at least


def views(task: Supervised, evaluation: Evaluation) -> dict[str, View]:
    """Those of a network of texts, by name."""
    return {"words": partial(influence, task, evaluation)}


def influence(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw texts of the test split, right and wrong ones, with the influence of each word on the answer."""
    described = task.spec.output
    if isinstance(described, Classes):
        texts = _classified(task, evaluation, described)
        unit = f"it raises the log-odds of the answer. {_kinds(texts)}"
    else:
        assert isinstance(described, Values)
        texts = _valued(task, evaluation, described)
        unit = f"it raises {described.names[0]}."
    plots.marked_texts(texts, folder / "words.png")
    strange = any(word == "�" for text in texts for word, _ in text.words)
    return {
        "words.png": f"Each word was left out in turn: a blue word speaks for the answer, by as much as {unit} Look "
        f"whether the words that count are those that you would have named, and which ones mislead.{UNSEEN * strange}"
    }


def _kinds(texts: list[MarkedText]) -> str:
    wrong = any(not text.is_right for text in texts)
    return f"Sure answers of the test split{', right ones first, and wrong ones in red' if wrong else ''}."


def _classified(task: Supervised, evaluation: Evaluation, described: Classes) -> list[MarkedText]:
    labels = targets(evaluation, "test")
    probabilities = described.probabilities(torch.cat(evaluation.predictions("test")).double(), evaluation.calibration)
    answers = described.choose(probabilities, evaluation.calibration)
    sure = probabilities.gather(1, answers[:, None])[:, 0].masked_fill(~short(evaluation), -1)
    rows = [*_surest_of_each(sure, answers, answers == labels), *_surest(sure, answers != labels)]
    return [
        MarkedText(
            f"{described.names[answers[row]]}, {probabilities[row, answers[row]]:.0%} sure"
            + ("" if answers[row] == labels[row] else f", but it is {described.names[labels[row]]}"),
            bool(answers[row] == labels[row]),
            _marked(task, evaluation, row, score_of(described, evaluation.calibration, int(answers[row]))),
        )
        for row in rows
    ]


def _valued(task: Supervised, evaluation: Evaluation, described: Values) -> list[MarkedText]:
    """The texts of the highest and of the lowest values."""
    outputs, true = torch.cat(evaluation.predictions("test")), described.restore(targets(evaluation, "test"))
    found = described.restore(described.central(outputs))[:, 0].masked_fill(~short(evaluation), float("nan"))
    order = found.argsort()[: int((~found.isnan()).sum())]
    rows = list(dict.fromkeys([*order[:EACH].tolist(), *order[-EACH:].tolist()]))
    return [
        MarkedText(
            f"{described.names[0]} {found[row]:.3g}, and it is {true[row, 0]:.3g}",
            True,
            _marked(task, evaluation, row, score_of(described, evaluation.calibration, 0)),
        )
        for row in rows
    ]


def short(evaluation: Evaluation) -> Tensor:
    """Which texts of the test split can be read at a glance; where these are few, the shortest ones."""
    column: Any = evaluation.splits["test"].columns[0]
    lengths: Tensor = column.lengths
    longest = lengths.sort().values[min(FEW, len(lengths)) - 1]
    return lengths <= max(WORDS, int(longest))


def _surest(sure: Tensor, allowed: Tensor) -> list[int]:
    order = sure.masked_fill(~allowed, -1).argsort(descending=True)[:EACH]
    return [row for row in order.tolist() if allowed[row] and sure[row] >= 0]


def _surest_of_each(sure: Tensor, answers: Tensor, allowed: Tensor) -> list[int]:
    """The surest of each class, and then the next ones, so that not all are of one class."""
    firsts = [row for answer in answers.unique() for row in _surest(sure, allowed & (answers == answer))[:1]]
    firsts.sort(key=lambda row: -float(sure[row]))
    return list(dict.fromkeys([*firsts, *_surest(sure, allowed)]))[:EACH]


def _marked(task: Supervised, evaluation: Evaluation, row: int, score: Any) -> list[tuple[str, float]]:
    network = task.trained_network.eval()
    column: Any = evaluation.splits["test"].columns[0]
    codes = column[row].to(next(network.parameters()).device).long()
    found = word_influence(network, codes, score, most=WORDS).tolist()
    assert isinstance(task.spec.input, Text)
    words = words_of(codes[:WORDS], task.spec.input.vocabulary)
    return [*zip(words, found), *([("…", 0.0)] if len(codes) > WORDS else [])]
