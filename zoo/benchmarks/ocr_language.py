"""What a lexicon and a language model of characters gain when lines are read.

`root` is a folder with fonts, at any depth, with `text.txt`, a sentence a line, and, if a language model is to be
measured, with `language_model.safetensors`, trained on such sentences. The last sentences of `text.txt` are set as
lines, in one family of fonts after the other and at several sizes; the words of all others are the lexicon. So a word
that only the lines hold is missed by it, as it would be at use.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.text import word_error_rate

import zoo
from zoo.benchmarks import Row
from zoo.benchmarks.ocr import drawn, error_rate
from zoo.data.fonts import Font, by_family, distinct, fonts_of
from zoo.data.phrases import ALPHABET
from zoo.spec.files import read_text

COUNT = 60  # lines
LONGEST = 60  # characters, in whole words
SIZES = (11, 14, 18, 24)  # pixels of an em
MARGIN = 5


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: character error rates, and seconds for all lines."""
    torch.set_num_threads(1)
    sentences = [line.strip() for line in read_text(root / "text.txt").splitlines() if line.strip()]
    lines, texts = _lines(sentences[-COUNT:], fonts_of(root, ALPHABET))
    lexicon = sorted({word for line in sentences[:-COUNT] for word in re.findall(r"[^\W\d_]+", line.lower())})
    model = root / "language_model.safetensors"
    artefact = zoo.load("cnn.ocr")
    print(f"{len(texts)} lines; a lexicon of {len(lexicon)} words\n")
    print("| | character error rate | word error rate | lines a second |", "|---|---|---|---|", sep="\n")
    rows = []
    for name, options in _ways(lexicon, model).items():
        start = time.perf_counter()
        read = [answer["text"] for answer in artefact(lines, **options)]
        seconds = time.perf_counter() - start
        errors = error_rate(read, texts)
        words = float(word_error_rate(read, texts))
        print(f"| {name} | {errors:.2%} | {words:.2%} | {len(texts) / seconds:.1f} |", flush=True)
        rows += [Row(f"{name}: character error rate", [errors]), Row(f"{name}: seconds", [seconds])]
    if not model.is_file():
        print(f"No {model.name} in {root}: a language model is left out.")
    return rows


def _ways(lexicon: list[str], model: Path) -> Mapping[str, dict[str, Any]]:
    """The options of each way to read, by name."""
    ways: dict[str, dict[str, Any]] = {
        "alone": {},
        "beam search (num_beams=32)": {"num_beams": 32},
        "lexicon": {"lexicon": lexicon},
    }
    if model.is_file():
        ways["language_model"] = {"language_model": str(model)}
        ways["both"] = {"lexicon": lexicon, "language_model": str(model)}
    return ways


def _lines(sentences: list[str], fonts: list[Font]) -> tuple[list[np.ndarray], list[str]]:
    """The sentences, each up to its last whole word, in one family of fonts after the other."""
    random, families = Random(0), by_family(filter(None, map(distinct, fonts)))
    lines, texts = [], []
    for sentence, family, size in zip(sentences, cycle(sorted(families)), cycle(SIZES)):
        text = sentence if len(sentence) <= LONGEST else sentence[: LONGEST + 1].rpartition(" ")[0]
        font = random.choice(families[family])
        if font.characters.issuperset(text):
            lines.append(drawn(text, font, size, MARGIN))
            texts.append(text)
    return lines, texts
