"""Lines of which a reader is unsure are read again in other sizes, and the likeliest of the texts counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import torch
from torch import Tensor, nn

from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET
from zoo.models import CRNN
from zoo.spec import Spec, TextLine, Transcript
from zoo.weights.artefact import Artefact

LINE, TEXT = TextLine(32), Transcript("abc")
SPEC = Spec(LINE, TEXT)


def logits(*steps: tuple[float, ...]) -> Tensor:
    """Logits (T, 4) of probabilities of the blank and of a, b and c."""
    return torch.tensor(steps).log()


SURE_A, SURE_B = (0.02, 0.94, 0.02, 0.02), (0.02, 0.02, 0.94, 0.02)
DOUBTFUL_A, DOUBTFUL_B = (0.2, 0.25, 0.24, 0.2), (0.2, 0.24, 0.25, 0.2)


class BySize(nn.Module):
    """Gives the first of two outputs for lines of one width, and the second for those of any other."""

    def __init__(self, first: Tensor, second: Tensor, width: int) -> None:
        super().__init__()
        self.first, self.second, self.width = first, second, width
        self.seen: list[list[int]] = []
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        self.seen.append(lengths.tolist())
        chosen = self.first if int(lengths[0]) == self.width else self.second
        return chosen.expand(len(x), -1, -1)


def reader(first: Tensor, second: Tensor, width: int = 64) -> tuple[Artefact, BySize]:
    network = BySize(first, second, width)
    return Artefact("cnn", {}, SPEC, network), network


LINES = [np.full((32, 64), 255, np.uint8)] * 2  # as many columns when they are encoded


@pytest.mark.parametrize("steps", [1, 3])
def test_a_reading_in_other_sizes_that_is_likelier_counts(steps: int) -> None:
    blank = (0.94, 0.02, 0.02, 0.02)
    artefact, network = reader(logits(DOUBTFUL_A, blank), logits(SURE_B, *[blank] * steps))
    answers = artefact(LINES)
    assert [answer["text"] for answer in answers] == ["b", "b"]
    assert network.seen == [[64, 64], [85, 85], [73, 73], [60, 60]]  # 64 columns; 24, 28 and 34 rows scaled to 32
    assert artefact(LINES, num_beams=4)[0]["text"] == "b"


def test_a_reading_in_other_sizes_that_is_less_likely_does_not() -> None:
    fair_a = logits((0.1, 0.55, 0.25, 0.1), (0.6, 0.2, 0.1, 0.1))  # "a" of 0.46
    artefact, network = reader(fair_a, logits(DOUBTFUL_B, DOUBTFUL_B))  # "b" of 0.2, and "a" of 0.19
    assert artefact(LINES[0])["text"] == "a"
    assert len(network.seen) == 4


def test_a_sure_line_is_read_once() -> None:
    artefact, network = reader(logits(SURE_A), logits(SURE_B))
    assert artefact(LINES[0])["text"] == "a"
    assert network.seen == [[64]]


def test_the_likeliest_by_the_mean_of_all() -> None:
    """One reading that is sure of "b" outweighs two that doubt; one that is sure of "a" beside it, and a doubt, win."""
    assert TEXT.likeliest([logits(DOUBTFUL_A), logits(SURE_B), logits(DOUBTFUL_A)]) == 1
    assert TEXT.likeliest([logits(SURE_B), logits(SURE_A), logits(DOUBTFUL_A)]) == 1
    assert TEXT.likeliest([logits(DOUBTFUL_A)]) == 0


def test_one_reading_that_rules_a_text_out_is_outvoted() -> None:
    """By the product of all probabilities it would win: 0.0001 of "a" is very little."""
    fair_a = (0.1, 0.8, 0.05, 0.05)
    sure_b = (0.0001, 0.0001, 0.9997, 0.0001)
    assert TEXT.likeliest([logits(fair_a), logits(sure_b), logits(fair_a)]) == 0


WORDS = Transcript("ab ")
A, B, SPACE = (0.01, 0.97, 0.01, 0.01), (0.01, 0.01, 0.97, 0.01), (0.01, 0.01, 0.01, 0.97)
BLANK = (0.97, 0.01, 0.01, 0.01)
MAYBE_A, MAYBE_B = (0.0, 0.51, 0.49, 0.0), (0.0, 0.49, 0.51, 0.0)


def read(*readings: list[tuple[float, ...]]) -> str:
    first, *others = [logits(*steps)[None] for steps in readings]
    return str(WORDS.decode(WORDS.likelier(first, others, [0]))[0]["text"])


def test_each_word_is_that_of_its_likeliest_reading() -> None:
    """One reading is sure of the first word and one of the second, of twice the width."""
    wide = [step for step in (MAYBE_B, SPACE, B) for _ in range(2)]
    assert read([A, SPACE, MAYBE_A], wide) == "a b"
    assert read([A, SPACE, MAYBE_A, SPACE, A], [MAYBE_B, SPACE, B, SPACE, A], [A, SPACE, B, SPACE, MAYBE_B]) == "a b a"


def test_a_line_is_one_word_where_the_readings_have_their_spaces_elsewhere() -> None:
    assert read([A, SPACE, MAYBE_A], [MAYBE_B, MAYBE_B, MAYBE_B]) == "a a"  # of 0.48, beside "b" of 0.13
    assert read([A, *[BLANK] * 9, SPACE, A], [B, SPACE, *[BLANK] * 9, B]) in ("a a", "b b")
    assert read([A, SPACE], [MAYBE_A, SPACE]) == "a "
    assert read([BLANK], [BLANK, BLANK]) == ""


@pytest.mark.parametrize("cut", [1 / 16, 1 / 8, -1 / 32])
def test_a_resized_line_keeps_its_ink(cut: float) -> None:
    """Its letters, drawn with usual margins, are larger by what was cut off above and below."""
    font = bundled_fonts(ALPHABET)[0].at(22)
    image = PIL.Image.new("L", (100, 32), 255)
    PIL.ImageDraw.Draw(image).text((10, 22), "acebx", font=font, fill=0, anchor="ls")
    batch = LINE.collate([LINE.encode(image), LINE.encode(image)])
    resized, lengths = LINE.resized(batch, [1], cut)
    scale = 1 / (1 - 2 * cut)
    assert lengths.tolist() == [round(int(batch[1][1]) * scale)]
    assert resized.shape[2] == 32
    heights = [int((lines[0, : int(count[0])] < 128).any(dim=0).sum()) for lines, count in (batch, (resized, lengths))]
    assert heights[1] == pytest.approx(heights[0] * scale, abs=1)
    assert int(resized[0, : int(lengths[0]), 0].min()) == 255  # paper above, not black


def test_the_answer_to_a_line_does_not_depend_on_the_others() -> None:
    torch.manual_seed(0)
    artefact = Artefact("cnn", {}, SPEC, CRNN(32, 3, hidden_size=8).eval())
    random = np.random.default_rng(0)
    lines: list[Any] = [random.integers(0, 256, (32, width), dtype=np.uint8) for width in (40, 90, 61)]
    for line, answer in zip(lines, artefact(lines)):
        alone = artefact(line)
        assert alone["text"] == answer["text"]
        assert alone["confidence"] == pytest.approx(answer["confidence"], rel=1e-3)
