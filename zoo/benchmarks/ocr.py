"""A reader of lines beside Tesseract (Debian's package tesseract-ocr), clean and distorted, by kind of line.

Both read the test lines of `text_lines`. With `root=FOLDER`, a folder of fonts that the reader was not trained on (a
folder in it for each class: serif, mono, display …), they also read new lines by class of font, size, length and
margin. Each on one core: one process of Tesseract reads the lines one after the other (`--psm 7`), as they
are and at twice the size with a margin, which suits it better; the better of the two counts. Its typographic quotes and
dashes count as the plain ones.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageOps
import torch
from torchmetrics.functional.text import char_error_rate, word_error_rate

import zoo
from zoo.benchmarks import Row
from zoo.data.distortions import Scan
from zoo.data.fonts import Font, by_family, distinct, fonts_of
from zoo.data.lines import TextLines
from zoo.data.phrases import ALPHABET, phrase
from zoo.errors import DataError
from zoo.spec import TextLine, Transcript

PLAIN = str.maketrans("‘’“”—–‐", "''\"\"---")
MARGIN = 20  # pixels around an enlarged line
COUNT = 200  # lines of a kind

Lines = tuple[list[np.ndarray], list[str]]


def run(root: Path) -> list[Row]:
    """Print the table, and give its rows: character error rates, and seconds of a core for all lines."""
    rows = []
    torch.set_num_threads(1)
    artefact = zoo.load("cnn.ocr")
    installed = shutil.which("tesseract") is not None
    print(
        "| lines | model | character error rate | word error rate | lines a second of a core |",
        "|---|---|---|---|---|",
        sep="\n",
    )
    classes = _fonts_by_class(root)
    for name, (lines, texts) in _kinds(classes):
        start = _processor_time()
        read = [answer["text"] for answer in artefact(lines)]
        measured = [(error_rate(read, texts), _processor_time() - start)]
        _print_row(name, "`cnn.ocr`", read, texts, measured[0][1])
        if installed:
            answers = [_tesseract(lines), _tesseract([_enlarged(line) for line in lines])]
            read, seconds = min(answers, key=lambda answer: error_rate(answer[0], texts))
            _print_row(name, "Tesseract", read, texts, seconds)
            measured.append((error_rate(read, texts), seconds))
        for what, values in zip(("character error rate", "seconds"), zip(*measured)):
            rows.append(Row(f"{name}: {what}", values[:1], values[1:]))
    if not classes:
        print("By class of font, size, length and margin: root=FOLDER, with a folder of fonts for each class.")
    if not installed:
        print("Tesseract is not installed here (apt-get install tesseract-ocr), and is left out.")
    return rows


def error_rate(read: list[str], texts: list[str]) -> float:
    return float(char_error_rate(read, texts))


def _kinds(classes: dict[str, list[Font]]) -> Iterator[tuple[str, Lines]]:
    """Kinds of lines, by name."""
    yield "clean", _test_lines(None)
    yield "distorted", _test_lines(Scan())
    if not classes:
        return
    fonts = [font for each in classes.values() for font in each]
    for name, each in classes.items():
        yield f"fonts: {name}", _new_lines(each)
        yield f"fonts: {name}, distorted", _distorted(_new_lines(each))
    for size in (10, 14, 20, 40):
        yield f"type of {size} pixels", _new_lines(fonts, size=size)
    for length in (10, 40, 80, 150):
        yield f"{length} characters", _new_lines(fonts, length=length)
    for margin in (0, 4, 15, 30):
        yield f"margin of {margin} pixels", _new_lines(fonts, margin=margin)


def _fonts_by_class(root: Path) -> dict[str, list[Font]]:
    """The fonts of each folder in a folder, of which small letters and capitals differ; none where there are none."""
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found: dict[str, list[Font]] = {}
    for folder in folders:
        try:
            fonts = [kept for font in fonts_of(folder, ALPHABET) if (kept := distinct(font))]
        except DataError:
            continue
        if fonts:
            found[folder.name] = fonts
    return found


def _new_lines(fonts: list[Font], *, size: int = 24, length: int = 30, margin: int = 5) -> Lines:
    """Lines of `length` characters in type of an em of `size` pixels; each family of fonts is equally likely."""
    random, families = Random(0), by_family(fonts)
    lines: list[np.ndarray] = []
    texts: list[str] = []
    while len(lines) < COUNT:
        text = phrase(random, min(length, 40), min(length, 40))
        while len(text) < length:
            text = f"{text} {phrase(random, 10, 40)}"
        text = text[:length].strip()  # a blank at its end would be no ink
        font = random.choice(families[random.choice(sorted(families))])
        if font.characters.issuperset(text):
            lines.append(drawn(text, font, size, margin))
            texts.append(text)
    return lines, texts


def drawn(text: str, font: Font, size: int, margin: int) -> np.ndarray:
    """A line, black on white, with a margin around its ink."""
    left, top, right, bottom = (round(side) for side in font.at(size).getbbox(text))
    image = PIL.Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 255)
    PIL.ImageDraw.Draw(image).text((margin - left, margin - top), text, font=font.at(size), fill=0)
    return np.asarray(image)


def _distorted(lines: Lines) -> Lines:
    """The lines as from a scanner, always in the same way."""
    line, scan = TextLine(32), Scan()
    result = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for image in lines[0]:
            padded, lengths = scan(line.collate([line.encode(image)]))
            result.append(padded[0, : int(lengths[0])].T.numpy())
    return result, lines[1]


def _test_lines(augment: Scan | None) -> Lines:
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
    """The texts that Tesseract reads, and the seconds of a core that one process takes."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{number:05}.png") for number in range(len(lines))]
        for file, line in zip(files, lines):
            PIL.Image.fromarray(line).save(file)
        names = Path(folder, "files.txt")
        names.write_text("\n".join(map(str, files)))
        command = ["tesseract", str(names), "-", "--psm", "7", "-l", "eng"]
        start = _processor_time()
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
        seconds = _processor_time() - start
    pages = output.split("\f")[: len(lines)]  # a form feed ends each
    return [" ".join(page.translate(PLAIN).split()) for page in pages], seconds


def _processor_time() -> float:
    """Seconds of a core that this process and those that it started and awaited took, whatever else was running."""
    return sum(os.times()[:4])


def _print_row(lines: str, model: str, read: list[str], texts: list[str], seconds: float) -> None:
    errors = f"{error_rate(read, texts):.2%} | {float(word_error_rate(read, texts)):.2%}"
    print(f"| {lines} | {model} | {errors} | {len(texts) / seconds:.0f} |", flush=True)
