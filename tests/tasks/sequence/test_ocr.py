"""Reading lines: metrics, edits and plots against independent counts, and a whole run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import PIL.Image
import pytest
import torch
from omegaconf import DictConfig
from torchmetrics.functional.text import char_error_rate, edit_distance, word_error_rate

import zoo
from zoo import models
from zoo.data.distortions import Scan
from zoo.data.images import Digits
from zoo.data.lines import TextLines
from zoo.errors import SpecError
from zoo.metrics.readings import Reading, align
from zoo.tasks.sequence import OCR
from zoo.tasks.sequence.ocr import _repeatable as repeatable
from zoo.tasks.sequence.ocr import ctc_and_label_losses, ctc_loss
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports import readings
from zoo.training.run import Given, train

SGD = partial(torch.optim.SGD, lr=0.01)
NETWORK = partial(models.build, "cnn", widths=[4, 8], hidden_size=8, num_layers=1)


@pytest.mark.parametrize(
    ("true", "read"),
    [
        ("", ""),
        ("a", ""),
        ("", "ab"),
        ("kitten", "sitting"),
        ("abc", "abc"),
        ("rn", "m"),
        ("flaw", "lawn"),
        ("aab", "ab"),
    ],
)
def test_texts_are_aligned_with_the_fewest_edits(true: str, read: str) -> None:
    pairs = align(true, read)
    assert "".join(a for a, _ in pairs) == true
    assert "".join(b for _, b in pairs) == read
    edits = sum(a != b for a, b in pairs)
    assert edits == edit_distance([read], [true], reduction="sum").item()


def test_the_loss_of_a_text_without_choice_is_known() -> None:
    """At one step there is one path for each symbol; at two there are three for a single one."""
    logits = torch.randn(2, 1, 4)
    losses = ctc_loss(logits, torch.tensor([[1], [3]]), torch.tensor([1, 1]))
    torch.testing.assert_close(losses, -logits.log_softmax(2)[[0, 1], 0, [1, 3]])
    p = torch.randn(1, 2, 4).softmax(2)
    expected = -(p[0, 0, 2] * p[0, 1, 2] + p[0, 0, 2] * p[0, 1, 0] + p[0, 0, 0] * p[0, 1, 2]).log()
    torch.testing.assert_close(ctc_loss(p.log(), torch.tensor([[2]]), torch.tensor([1]))[0], expected)
    assert ctc_loss(p.log(), torch.tensor([[2, 2]]), torch.tensor([2])).item() == 0  # cannot be told in two steps


def test_the_repeatable_loss_is_that_of_torch() -> None:
    """In value and gradient; one text is too long for the steps, which costs nothing either way."""
    logits = torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    symbols, counts = torch.tensor([[1, 2, 2, 3], [4, 0, 0, 0], [1, 1, 1, 1]]), torch.tensor([4, 1, 4])
    expected, found = ctc_loss(logits, symbols, counts), repeatable(logits.log_softmax(dim=2), symbols, counts)
    torch.testing.assert_close(found, expected)
    weights = torch.tensor([1.0, 2.0, 3.0])
    slopes = [torch.autograd.grad(losses @ weights, logits, retain_graph=True)[0] for losses in (expected, found)]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)
    assert slopes[0].any()


def test_labels_count_as_often_as_paths_of_the_text_have_them() -> None:
    """By enumeration of all paths: 4 steps of 3 symbols, and the text "ab"."""
    logits = torch.randn(1, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p, occupancy, total = logits[0].softmax(1), torch.zeros(4, 3, dtype=torch.float64), 0.0
    for path in itertools.product(range(3), repeat=4):
        if [symbol for symbol, _ in itertools.groupby(path) if symbol] == [1, 2]:
            weight = torch.stack([p[step, symbol] for step, symbol in enumerate(path)]).prod()
            occupancy[range(4), path] += weight
            total += weight
    expected = -(occupancy[:, 1:] / total * logits[0, :, 1:].log_softmax(1)).sum()
    logits.requires_grad_()
    losses, labels = ctc_and_label_losses(logits, torch.tensor([[1, 2]]), torch.tensor([2]))
    torch.testing.assert_close(labels[0].double(), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses[0].double(), -total.log(), rtol=1e-5, atol=1e-6)


def test_ctc_that_is_computed_once_for_both_losses_has_its_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    texts = torch.tensor([[1, 2, 2], [4, 0, 0]]), torch.tensor([3, 1])
    weights, expected = torch.tensor([1.0, 2.0]), ctc_loss(logits, *texts)
    (slope,) = torch.autograd.grad(expected @ weights, logits)
    calls = []
    ctc = torch.ctc_loss
    monkeypatch.setattr(torch, "ctc_loss", lambda *args: calls.append(args) or ctc(*args))
    losses, _ = ctc_and_label_losses(logits, *texts)
    torch.testing.assert_close(losses, expected)
    torch.testing.assert_close(torch.autograd.grad(losses @ weights, logits)[0], slope)
    assert len(calls) == 1


@pytest.fixture(scope="module")
def lines() -> TextLines:
    data = TextLines(train_size=64, eval_size=40, batch_size=16, augment=Scan())
    data.setup()
    return data


def test_metrics_are_those_of_torchmetrics_on_the_artefact_s_answers(
    trainer: Callable[..., L.Trainer], lines: TextLines, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    task = OCR(lines.spec, NETWORK, partial(torch.optim.Adam, lr=0.01))
    trainer(max_epochs=3, limit_val_batches=0).fit(task, lines)
    metrics = trainer().test(task, lines, verbose=False)[0]

    (padded, widths), (symbols, counts) = lines.splits["test"].__getitems__(range(40))
    transcript = lines.spec.output
    true = [transcript.text(row[:count]) for row, count in zip(symbols.tolist(), counts.tolist())]
    artefact = zoo.Artefact("cnn", {"widths": [4, 8], "hidden": 8, "layers": 1}, lines.spec, task.network)
    answers = artefact([line[:width].T.numpy() for line, width in zip(padded, widths.tolist())])
    read = [answer["text"] for answer in answers]
    assert metrics["test/cer"] == pytest.approx(char_error_rate(read, true).item())
    assert metrics["test/wer"] == pytest.approx(word_error_rate(read, true).item())
    assert metrics["test/ler"] == pytest.approx(np.mean([a != b for a, b in zip(read, true)]))
    assert all(0 <= answer["confidence"] <= 1 for answer in answers)

    captions = report.plots(task, Evaluation(task, lines.splits, 16), tmp_path)
    assert set(captions) == {"read.png", "alignment.png", "worst.png", "confusions.png"}
    for name in captions:
        with PIL.Image.open(tmp_path / name) as picture:
            assert 50 <= min(picture.size) <= max(picture.size) <= 2000
            assert len(np.unique(np.asarray(picture.convert("L")))) > 2


def test_plots_of_a_reader_that_makes_no_mistake(tmp_path: Path) -> None:
    pixels = torch.full((32, 60), 255, dtype=torch.uint8)
    path = torch.zeros(30, dtype=torch.long)
    perfect = [Reading(pixels, path, 2.0, text, text) for text in ("$a_b$", "x")]  # no mathematics
    assert set(readings.draw(perfect, tmp_path)) == {"read.png", "alignment.png"}
    mistaken = [*perfect, Reading(pixels, path, 2.0, "", "^_")]
    assert set(readings.draw(mistaken, tmp_path)) == {"read.png", "alignment.png", "worst.png", "confusions.png"}


def test_data_without_lines_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match=r"ocr needs.*data=mnist_lines"):
        OCR(digits.spec, NETWORK, SGD)


SHORT = [
    "model=cnn",
    "task=ocr",
    "data=digit_lines",
    "model.widths=[4,8]",
    "model.hidden_size=8",
    "epochs=2",
    "trainer=cpu",
]
SHORT += ["data.rounds=2", "data.batch_size=64"]  # 7 batches an epoch


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.usefixtures("blank_plots")
def test_a_run_leaves_a_reader_and_can_be_resumed_bit_for_bit(
    compose: Callable[..., DictConfig], tmp_path: Path
) -> None:
    keep = "{_target_: lightning.pytorch.callbacks.ModelCheckpoint, every_n_train_steps: 10, save_top_k: -1, "
    keep += "filename: '{step}', auto_insert_metric_name: false, dirpath: ${folder}/way}"
    train(compose("train", *SHORT, f"folder={tmp_path / 'whole'}", f"+callbacks.way={keep}"))
    card = (tmp_path / "whole" / "card.md").read_text(encoding="utf-8")
    assert "line of text → transcript" in card
    for name in ("read.png", "alignment.png", "curves.png", "cer"):
        assert name in card
    checkpoint = tmp_path / "resumed" / "10.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes((tmp_path / "whole" / "way" / "10.ckpt").read_bytes())
    train(compose("train", *SHORT, f"folder={checkpoint.parent}", f"resume={checkpoint}"), Given(test=False))
    whole, resumed = (zoo.load(tmp_path / name / "model.safetensors") for name in ("whole", "resumed"))
    state = whole.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in resumed.network.state_dict().items())
    answer = resumed(np.full((40, 100), 255, np.uint8), num_beams=4, lexicon=["one"])
    assert set(answer) == {"text", "confidence"}
    with pytest.raises(SpecError, match="unknown option 'num_beam'; did you mean 'num_beams'"):
        resumed(np.full((40, 100), 255, np.uint8), num_beam=4)
