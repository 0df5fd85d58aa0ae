"""`cnn.ocr` beside Tesseract (Debian's package tesseract-ocr) on the test lines of `text_lines`, clean and distorted.

Both read the same lines on one core, in fonts on which `cnn.ocr` was not trained. One process of Tesseract reads them
one after the other (`--psm 7`), as they are and at twice the size with a margin, which suits it better; the better of
the two counts. Its typographic quotes and dashes count as the plain ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch
from torchmetrics.functional.text import char_error_rate, word_error_rate

import zoo
from zoo.benchmarks import Row
from zoo.data.distortions import Scan
from zoo.data.lines import TextLines
from zoo.spec import Transcript

PLAIN = str.maketrans("‘’“”—–‐", "''\"\"---")
MARGIN = 20  # pixels around an enlarged line


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: character error rates, and seconds for all lines."""
    rows = []
    torch.set_num_threads(1)
    artefact = zoo.load("cnn.ocr")
    installed = shutil.which("tesseract") is not None
    print(
        "| lines | model | character error rate | word error rate | lines a second |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    for name, augment in (("clean", None), ("distorted", Scan())):
        lines, texts = _test_lines(augment)
        start = time.perf_counter()
        read = [answer["text"] for answer in artefact(lines)]
        measured = [(error_rate(read, texts), time.perf_counter() - start)]
        _print_row(name, "`cnn.ocr`", read, texts, measured[0][1])
        if installed:
            answers = [_tesseract(lines), _tesseract([_enlarged(line) for line in lines])]
            read, seconds = min(answers, key=lambda answer: error_rate(answer[0], texts))
            _print_row(name, "Tesseract", read, texts, seconds)
            measured.append((error_rate(read, texts), seconds))
        for what, values in zip(("character error rate", "seconds"), zip(*measured)):
            rows.append(Row(f"{name}: {what}", values[:1], values[1:]))
    if not installed:
        print("Tesseract is not installed here (apt-get install tesseract-ocr), and is left out.")
    return rows


def error_rate(read: list[str], texts: list[str]) -> float:
    return float(char_error_rate(read, texts))


def _test_lines(augment: Scan | None) -> tuple[list[np.ndarray], list[str]]:
    """The lines of the test split as images (H, W), and their texts."""
    data = TextLines(augment=augment)
    data.setup("test")
    transcript = data.spec.output
    assert isinstance(transcript, Transcript)
    lines, texts = data.splits["test"].columns
    rows = range(len(lines))
    return [lines[row].T.numpy() for row in rows], [transcript.text(texts[row].tolist()) for row in rows]


def _enlarged(line: np.ndarray) -> np.ndarray:
    image = PIL.Image.fromarray(line)
    doubled = image.resize((2 * image.width, 2 * image.height), PIL.Image.Resampling.BICUBIC)
    return np.asarray(PIL.ImageOps.expand(doubled, MARGIN, fill=int(np.median(line))))


def _tesseract(lines: list[np.ndarray]) -> tuple[list[str], float]:
    """The texts that Tesseract reads, and the seconds that one process takes on one core."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number:05}.png") for number in range(len(lines))]
        for file, line in zip(files, lines):
            PIL.Image.fromarray(line).save(file)
        names = Path(folder, "files.txt")
        names.write_text("\n".join(map(str, files)))
        command = ["tesseract", str(names), "-", "--psm", "7", "-l", "eng"]
        start = time.perf_counter()
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        seconds = time.perf_counter() - start
    pages = output.split("\f")[: len(lines)]  # a form feed ends each
    return [" ".join(page.translate(PLAIN).split()) for page in pages], seconds


def _print_row(lines: str, model: str, read: list[str], texts: list[str], seconds: float) -> None:
    errors = f"{error_rate(read, texts):.2%} | {float(word_error_rate(read, texts)):.2%}"
    print(f"| {lines} | {model} | {errors} | {len(texts) / seconds:.0f} |", flush=True)
