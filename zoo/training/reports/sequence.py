"""Reports of OCR, captioning, tagging, language modelling and the adding problem.

Shape letters: N examples, T steps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.functional.classification import binary_calibration_error, multiclass_confusion_matrix
from torchmetrics.text import CharErrorRate, WordErrorRate

from zoo import plots
from zoo.metrics.calibration import fit_reading_temperature, reading_probabilities
from zoo.metrics.classification import BINS
from zoo.metrics.entities import EntityF1
from zoo.metrics.readings import Reading
from zoo.spec import Calibration, Sentence, Video, ctc
from zoo.spec.text import PAD, tokenise
from zoo.tasks.sequence import OCR, Adding, Captioning, LanguageModelling, Tagging
from zoo.tasks.sequence.captioning import is_one_of
from zoo.tasks.sequence.tagging import IGNORED, masked
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import readings
from zoo.training.reports.supervised import targets

CAPTIONS_TOGETHER = 256
CAPTIONED = 4  # images whose attention is drawn
PROMPT = 20  # characters that the sample goes on from
SAMPLE = 400  # characters that the card shows


# OCR


@report.outcomes.register
def _(task: OCR, evaluation: Evaluation) -> dict[str, Tensor]:
    """The edits of each line, and its characters and words; and whether it has any."""
    lines = [(line.predicted, line.true) for line in read_lines(task, evaluation)]
    return {
        "cer": torch.stack([_edits(CharErrorRate(), *line) for line in lines]),
        "wer": torch.stack([_edits(WordErrorRate(), *line) for line in lines]),
        "ler": torch.tensor([(float(read != true), 1.0) for read, true in lines]),
    }


def _edits(rate: CharErrorRate | WordErrorRate, read: str, true: str) -> Tensor:
    """The edits between two texts, and by what the rate divides them (2,)."""
    rate.update([read], [true])
    return torch.stack([rate.errors, rate.total])


@report.calibrate.register
def _(task: OCR, evaluation: Evaluation) -> Calibration:
    """The temperature at which confidence tells best whether a line is read right."""
    return Calibration(temperature=fit_reading_temperature(evaluation.predictions("val"), _symbols(evaluation, "val")))


@report.split_metrics.register
def _(task: OCR, evaluation: Evaluation) -> dict[str, float]:
    """By how much the confidence of lines and the fraction of them that are right differ."""
    return {"calibration_error": _calibration_error(evaluation, evaluation.calibration.temperature or 1.0)}


@report.notes.register
def _(task: OCR, evaluation: Evaluation) -> list[str]:
    if (temperature := evaluation.calibration.temperature) is None:
        return []
    after, before = (_calibration_error(evaluation, each) for each in (temperature, 1.0))
    return [
        "## Answers",
        f"Confidence is at a temperature of {temperature:.4g}, chosen on validation: the calibration error on test is "
        f"{after:.4g}, and without it {before:.4g}.",
    ]


def _calibration_error(evaluation: Evaluation, temperature: float) -> float:
    """Of the confidence in the lines of the test split, at a temperature."""
    logits: list[Tensor] = evaluation.predictions("test")
    read = [text for batch in logits for text in ctc.best_paths(batch)]
    right = torch.tensor([int(a == b) for a, b in zip(read, _symbols(evaluation, "test"))])
    return float(binary_calibration_error(reading_probabilities(logits, read, temperature), right, n_bins=BINS))


def _symbols(evaluation: Evaluation, split: str) -> list[list[int]]:
    """The true texts of a split, as symbols."""
    texts: Any = evaluation.splits[split].columns[1]
    return [texts[row].tolist() for row in range(len(texts))]


@report.plots.register
def _(task: OCR, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    return readings.draw(list(read_lines(task, evaluation)), folder)


def read_lines(task: OCR, evaluation: Evaluation) -> Iterator[Reading]:
    """Each line of the test split with the text that was read."""
    batches: Iterator[Any] = evaluation.batches("test")
    for (x, (symbols, counts)), logits in zip(batches, evaluation.predictions("test")):
        paths = logits.log_softmax(dim=2).argmax(dim=2)
        stride = x[0].shape[1] / logits.shape[1]  # pixels per step
        texts = zip(task.read(logits), task.texts(symbols, counts))
        for pixels, path, (read, true) in zip(task.line.restore(x), paths, texts):
            yield Reading(pixels, path, stride, read, true)


# Captioning


@report.baselines.register
def _(task: Captioning, evaluation: Evaluation) -> dict[str, float]:
    """The most frequent caption of the training split, for each image."""
    train = [task.with_captions(batch)[1] for batch in evaluation.batches("train", CAPTIONS_TOGETHER)]
    texts = Counter(tuple(row[row != PAD].tolist()) for captions in train for row in captions[:, 0].cpu())
    written = torch.tensor(texts.most_common(1)[0][0])
    found = MeanMetric()
    for batch in evaluation.batches("test", CAPTIONS_TOGETHER):
        captions = task.with_captions(batch)[1].cpu()
        found.update(is_one_of(written.expand(len(captions), -1), captions).float())
    return {"exact of the most frequent caption": float(found.compute())}


@report.outcomes.register
def _(task: Captioning, evaluation: Evaluation) -> dict[str, Tensor]:
    """Whether each image has a caption as one of its own."""
    batches = zip(evaluation.predictions("test"), evaluation.batches("test"))
    exact = torch.cat([is_one_of(written, task.with_captions(batch)[1].cpu()).float() for written, batch in batches])
    return {"exact": torch.stack([exact, torch.ones_like(exact)], dim=1)}


@report.plots.register
@torch.no_grad()
def _(task: Captioning, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    batch: Any = next(evaluation.batches("test", CAPTIONED))
    written = task.eval().predict_step(batch)
    maps = task.trained_network.attention(task.spec.input.prepare(batch[0]), written)  # type: ignore[operator]
    words = [tokenise(text, task.tokens.level) for text in task.tokens.read(written)]
    plots.attention_maps(batch[0], words, maps, folder / "attention.png")
    return {"attention.png": "Images of the test split, and the attention over each for every word of its caption."}


# Tagging


@report.baselines.register
def _(task: Tagging, evaluation: Evaluation) -> dict[str, float]:
    """The most frequent label, at every step; of sentences also the most frequent one of each word."""
    train, test = (_labels(evaluation.splits[split].columns[1]) for split in ("train", "test"))
    most_frequent = train.bincount().argmax()
    metrics = {"accuracy of the most frequent label": float((test == most_frequent).float().mean())}
    return metrics | _by_word(task, evaluation) if isinstance(task.spec.input, Sentence) else metrics


def _by_word(task: Tagging, evaluation: Evaluation) -> dict[str, float]:
    """Each word's most frequent label in the training split; unknown words share one."""
    columns: dict[str, Any] = {split: evaluation.splits[split].columns for split in ("train", "test")}
    (words, labels), (tested, true) = ([column.values for column in columns[split]] for split in columns)
    counts = torch.zeros(task.spec.input.codes[0], len(task.names))  # type: ignore[union-attr, index]
    counts.index_put_((words[:, 0].long(), labels), torch.ones(len(labels)), accumulate=True)
    answers = counts.argmax(dim=1)[tested[:, 0].long()]
    metrics = {"accuracy of each word's label": float((answers == true).float().mean())}
    if task.f1 is not None:
        f1 = EntityF1(task.names)
        lengths = columns["test"][1].lengths.tolist()
        for answer, truth in zip(answers.split(lengths), true.split(lengths)):
            f1.update(answer[None], truth[None])
        metrics["f1 of each word's label"] = float(f1.compute())
    return metrics


@report.outcomes.register
def _(task: Tagging, evaluation: Evaluation) -> dict[str, Tensor]:
    """The steps of each sequence, and how many of them are right."""
    found = []
    for logits, (_, labels) in zip(evaluation.predictions("test"), evaluation.batches("test")):
        true = masked(labels).cpu()
        counted = true != IGNORED
        right = (logits.argmax(dim=2) == true) & counted
        found.append(torch.stack([right.sum(dim=1), counted.sum(dim=1)], dim=1).float())
    return {"accuracy": torch.cat(found)}


def _labels(column: Any) -> Tensor:
    """All labels of a column, ragged or not."""
    return (column if isinstance(column, Tensor) else column.values).flatten()


@report.plots.register
def _(task: Tagging, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    counts = torch.zeros(len(task.names), len(task.names), dtype=torch.long)
    for logits, (_, labels) in zip(evaluation.predictions("test"), evaluation.batches("test")):
        counts += _confusions(logits, masked(labels).cpu())
    plots.confusion_matrix(counts, task.names, folder / "confusion_matrix.png")
    shown = "rows are true labels, columns answers; the darker, the more of its row"
    captions = {"confusion_matrix.png": f"Steps of the test split: {shown}."}
    if isinstance(task.spec.input, Video):
        captions |= _tagged(task, evaluation, folder)
    return captions


def _confusions(logits: Tensor, labels: Tensor) -> Tensor:
    """How often each label (N, T) got each answer (N, T, K): (K, K)."""
    classes = logits.shape[2]
    return multiclass_confusion_matrix(logits.flatten(0, 1), labels.flatten(), classes, ignore_index=IGNORED)


def _tagged(task: Tagging, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw the first video with its labels."""
    (videos, _), labels = next(evaluation.batches("test"))
    true = masked(labels)[0].cpu()
    real = true != IGNORED
    predicted = evaluation.predictions("test")[0][0].argmax(dim=1)
    told, right = ([task.names[code] for code in codes[real].tolist()] for codes in (predicted, true))
    plots.captioned_frames(videos[0].cpu()[real], told, right, folder / "tagged.png")
    return {"tagged.png": "A video of the test split, with the predicted label of each image (wrong ones in red)."}


# Language modelling


@report.baselines.register
def _(task: LanguageModelling, evaluation: Evaluation) -> dict[str, float]:
    """Bits per character, by its frequency, and by the two characters before it.

    Both are counted in the training split, with 0.1 added to each count.
    """
    train, test = (_codes(evaluation, split) for split in ("train", "test"))
    size = task.text.codes
    counts = torch.full((size,), 0.1).index_add_(0, train.flatten(), torch.ones(train.numel()))
    (before, following), (train_before, train_following) = _trigrams(test, size), _trigrams(train, size)
    probabilities = 0.1 + _counts(train_before * size + train_following, before * size + following)
    probabilities = probabilities / (0.1 * size + _counts(train_before, before))
    return {
        "bits by frequency": -float((counts / counts.sum()).log2()[test].mean()),
        "bits by the two before": -float(probabilities.log2().mean()),
    }


@report.outcomes.register
@torch.no_grad()
def _(task: LanguageModelling, evaluation: Evaluation) -> dict[str, Tensor]:
    """The bits of each window, mean over its characters."""
    bits = []
    for (codes,) in evaluation.batches("test"):
        assert isinstance(codes, Tensor)
        logits = task.eval().predict_step((codes[:, :-1],))
        nats = functional.cross_entropy(logits.transpose(1, 2), codes[:, 1:], reduction="none")
        bits.append(nats.mean(dim=1).cpu() / math.log(2))
    return {"bits": torch.stack([torch.cat(bits), torch.ones(sum(map(len, bits)))], dim=1)}


@report.notes.register
@torch.no_grad()
def _(task: LanguageModelling, evaluation: Evaluation) -> list[str]:
    (codes,) = next(evaluation.batches("test", 1))
    prompt = codes[:, :PROMPT]  # type: ignore[call-overload]
    length = torch.tensor([prompt.shape[1]], device=prompt.device)
    sample, _ = task.eval().trained_network.generate(prompt, length, length=SAMPLE)  # type: ignore[operator]
    text = "▸".join(task.text.read(part)[0] for part in (prompt, sample))
    quoted = "\n".join(f"    {line}" for line in text.splitlines())
    return ["## Sample", "Generated after ▸, at a temperature of 0.8:", quoted]


def _codes(evaluation: Evaluation, split: str) -> Tensor:
    """The codes (N, T) of a split's windows."""
    codes = evaluation.splits[split].columns[0]
    assert isinstance(codes, Tensor)
    return codes


def _trigrams(windows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Each two neighbours in windows (N, T) as one number, and the code after them."""
    return (windows[:, :-2] * size + windows[:, 1:-1]).flatten(), windows[:, 2:].flatten()


def _counts(numbers: Tensor, wanted: Tensor) -> Tensor:
    """How often each of the wanted numbers (M,) is among numbers (N,): float64 (M,)."""
    known, counts = numbers.unique(return_counts=True)
    places = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
    return torch.where(known[places] == wanted, counts[places], 0).double()


# Long memory


@report.baselines.register
def _(task: Adding, evaluation: Evaluation) -> dict[str, float]:
    """The mean of the training split."""
    train, test = (task.values.restore(targets(evaluation, split)) for split in ("train", "test"))
    return {"rmse of the mean": float((test - train.mean(dim=0)).square().mean().sqrt())}
