"""Documents: against pages whose words and their boxes are known, since they were drawn here, and beside Tesseract."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

import zoo
from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET, WORDS
from zoo.errors import SpecError
from zoo.inference.pages import Document, Page, lines_of, read_page
from zoo.inference.pages.layout import Layout, ordered
from zoo.inference.pages.reading import ABOVE
from zoo.inference.pages.script import MIXED, mixed
from zoo.inference.pages.sheet import Sheet
from zoo.weights.artefact import Artefact

FONT = next(font for font in bundled_fonts(ALPHABET) if font.family == "DejaVu Serif")
Box = tuple[float, float, float, float]


class Sketch:
    """A page that is drawn word by word, and remembers in reading order what stands where."""

    def __init__(self, width: int = 900, height: int = 420, paper: int = 245, ink: int = 10) -> None:
        self.image = PIL.Image.new("L", (width, height), paper)
        self.draw = PIL.ImageDraw.Draw(self.image)
        self.ink = ink
        self.words: list[tuple[str, Box]] = []

    def line(self, x: float, y: float, text: str, size: int = 22) -> None:
        font = FONT.at(size)
        for word in text.split():
            left, top, right, bottom = self.draw.textbbox((x, y), word, font=font)
            self.draw.text((x, y), word, font=font, fill=self.ink)
            self.words.append((word, (left, top, right, bottom)))
            x += font.getlength(word + " ")

    def block(self, x: float, y: float, texts: list[str], size: int = 22, leading: float = 1.4) -> float:
        for text in texts:
            self.line(x, y, text, size)
            y += round(leading * size)
        return y


def sentences(seed: int, lines: int, words: int = 6) -> list[str]:
    random = Random(seed)
    return [" ".join(random.choice(WORDS) for _ in range(words)).capitalize() for _ in range(lines)]


def plain() -> Sketch:
    sketch = Sketch()
    sketch.block(40, 30, sentences(1, 5))
    return sketch


def tight() -> Sketch:
    sketch = Sketch()
    sketch.block(40, 30, sentences(2, 6), leading=1.0)
    return sketch


def columns() -> Sketch:
    sketch = Sketch()
    y = sketch.block(60, 20, ["Opening hours"], size=40)
    sketch.block(40, y, sentences(3, 9, 3))
    sketch.block(480, y + 11, sentences(4, 9, 3))
    return sketch


def boxed() -> Sketch:
    sketch = Sketch()
    sketch.block(40, 30, sentences(5, 9, 4))
    sketch.draw.rectangle((600, 60, 860, 200), outline=0, width=2)
    sketch.block(620, 75, sentences(6, 3, 2))
    sketch.draw.rectangle((620, 240, 850, 400), fill=90)
    return sketch


def table() -> Sketch:
    sketch = Sketch()
    for row, cells in enumerate(
        [("Bread", "2", "3.40"), ("Milk", "5", "1.25"), ("Apples", "6", "4.80"), ("Tea", "2", "9.90")]
    ):
        y = 40 + 44 * row
        sketch.draw.line((30, y - 9, 870, y - 9), fill=0, width=2)
        for x, cell in zip((50, 400, 700), cells):
            sketch.line(x, y, cell)
    sketch.draw.line((30, 207, 870, 207), fill=0, width=2)
    for x in (30, 350, 650, 870):
        sketch.draw.line((x, 31, x, 207), fill=0, width=2)
    return sketch


def bright() -> Sketch:
    sketch = Sketch(paper=30, ink=240)
    sketch.block(40, 30, sentences(7, 4))
    return sketch


def pale() -> Sketch:
    sketch = Sketch(paper=180, ink=140)
    sketch.block(40, 30, sentences(8, 4))
    return sketch


def noisy() -> Sketch:
    sketch = plain()
    random = np.random.default_rng(0)
    pixels = np.array(sketch.image)
    spots = random.random(pixels.shape)
    pixels[spots < 0.005], pixels[spots > 0.995] = 0, 255
    sketch.image = PIL.Image.fromarray(pixels)
    return sketch


def shaded() -> Sketch:
    sketch = plain()
    shade = np.linspace(1, 0.5, sketch.image.width) * np.linspace(1, 0.8, sketch.image.height)[:, None]
    sketch.image = PIL.Image.fromarray((np.asarray(sketch.image) * shade).astype(np.uint8))
    return sketch


def titled() -> Sketch:
    """A bright title on a dark bar, and a bright button's text, as on screens."""
    sketch = Sketch()
    sketch.draw.rectangle((0, 0, 900, 50), fill=60)
    sketch.ink = 250
    sketch.line(30, 10, "Opening hours and prices")
    sketch.ink = 10
    y = sketch.block(40, 80, sentences(9, 5))
    sketch.draw.rounded_rectangle((40, y + 20, 260, y + 70), 8, fill=110)
    sketch.ink = 255
    sketch.line(60, y + 30, "Send message")
    return sketch


SKETCHES = [titled, plain, tight, columns, boxed, table, bright, pale, noisy, shaded]


@pytest.fixture(scope="module")
def reader() -> Artefact:
    return zoo.load("cnn.ocr")


def recall(text: str, true: list[str]) -> float:
    """The part of the words that are in a text, each as often as it is there."""
    found, wanted = Counter(text.split()), Counter(true)
    return sum((found & wanted).values()) / sum(wanted.values())


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, across) * max(0, down)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def tesseract(image: PIL.Image.Image, folder: Path) -> str:
    image.save(folder / "page.png")
    command = ["tesseract", str(folder / "page.png"), "-", "-l", "eng", "--psm", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize("sketch", SKETCHES)
def test_words_are_found_in_reading_order_where_they_are(sketch: Callable[[], Sketch], reader: Artefact) -> None:
    drawn = sketch()
    (page,) = read_page(drawn.image, reader).pages
    true = [word for word, _ in drawn.words]
    found = [word for line in page.lines for word in line.words]
    assert recall(page.text, true) >= 0.93
    if [word.text for word in found] == true:
        overlaps = [overlap(word.box, box) for word, (_, box) in zip(found, drawn.words)]
        assert np.median(overlaps) > 0.8
        assert min(overlaps) > 0.35
    right = [word for word in page.text.split() if word in true]  # misread words aside, the order is that of drawing
    assert edits(right, true) <= 0.1 * len(true)


def edits(a: list[str], b: list[str]) -> int:
    """Levenshtein distance."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
    return row[-1]


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="beside Tesseract, which is not installed")
@pytest.mark.slow
def test_no_fewer_words_are_found_than_by_tesseract(reader: Artefact, tmp_path: Path) -> None:
    ours, theirs = [], []
    for sketch in SKETCHES:
        drawn = sketch()
        true = [word for word, _ in drawn.words]
        ours.append(recall(read_page(drawn.image, reader).text, true))
        theirs.append(recall(tesseract(drawn.image, tmp_path), true))
    assert np.mean(ours) >= np.mean(theirs) - 0.02


@pytest.mark.parametrize(("quarters", "angle"), [(2, 0.0), (3, 4.0), (0, -14.0)])
def test_a_page_may_lie_turned_and_askew(quarters: int, angle: float, reader: Artefact) -> None:
    drawn = columns()
    turned = drawn.image.rotate(angle, PIL.Image.Resampling.BICUBIC, expand=True, fillcolor=245)
    turned = PIL.Image.fromarray(np.rot90(np.asarray(turned), quarters))
    (page,) = read_page(turned, reader).pages
    assert recall(page.text, [word for word, _ in drawn.words]) >= 0.93
    assert "hours" in page.text.split()[:4]
    assert abs((page.angle - angle - 90 * quarters + 180) % 360 - 180) <= 0.3
    dark = np.asarray(turned) < 128
    for line in page.lines:  # boxes are those of the page as it was given
        left, top, right, bottom = (round(side) for side in line.box)
        assert dark[max(0, top) : bottom, max(0, left) : right].any()
        assert 0 <= left + 3 < right <= turned.width + 3
        assert 0 <= top + 3 < bottom <= turned.height + 3


def test_cells_of_a_table_are_read_by_rows(reader: Artefact) -> None:
    text = read_page(table().image, reader).text
    assert [line.split("\t")[0] for line in text.splitlines()] == ["Bread", "Milk", "Apples", "Tea"]
    assert text.splitlines()[1] == "Milk\t5\t1.25"


def test_lines_are_cut_out_with_all_their_ink() -> None:
    """Also those whose letters reach between the letters of the next."""
    drawn = tight()
    sheet = Sheet.of(drawn.image)
    layout = Layout(sheet)
    assert len(ordered(layout.rows, layout.letter)) == 6
    assert (layout.owner[sheet.ink] >= 0).mean() > 0.999


@pytest.mark.parametrize("size", [24, 28, 34])
def test_commas_quotes_and_raised_digits_belong_to_the_line_beside_them(size: int) -> None:
    sketch = Sketch(30 * size, 9 * size)
    first = "He said, \u201cnot now; perhaps,\u201d and left, alone."
    texts = [first, 'It cost $4,250, "more or less", in 1999; so', "they went, by car, to York, and to Hull:"]
    sketch.block(2 * size, size, texts, size, leading=1.5)
    sketch.line(sketch.words[-1][1][2] + 1, 4 * size, "1", round(0.5 * size))
    layout = Layout(sheet := Sheet.of(sketch.image))
    assert len(layout.rows) == 3
    assert (layout.owner[sheet.ink] >= 0).all()


def test_a_small_number_far_from_all_lines_is_one_of_its_own() -> None:
    sketch = Sketch(800, 400)
    sketch.block(60, 40, sentences(3, 3), 30)
    sketch.line(400, 340, "7", 15)
    assert len(Layout(Sheet.of(sketch.image)).rows) == 4


def test_text_and_json_say_the_same(reader: Artefact) -> None:
    document = read_page(columns().image, reader)
    data = json.loads(document.to_json())
    (page,) = data["pages"]
    assert page["text"] == document.text
    for line in page["lines"]:
        assert " ".join(word["text"] for word in line["words"]) == line["text"]
        for word in line["words"]:
            assert "".join(character["text"] for character in word["characters"]) == word["text"]
            assert 0 < word["confidence"] <= min(character["confidence"] for character in word["characters"])
    assert [line["block"] for line in page["lines"]] == sorted(line["block"] for line in page["lines"])


def test_all_pages_of_a_tiff_and_of_a_pdf_are_read(reader: Artefact, tmp_path: Path) -> None:
    texts = ["First page here", "Second page there"]
    sheets = []
    for text in texts:
        sketch = Sketch(500, 160)
        sketch.block(40, 30, [text, "with two lines"])
        sheets.append(sketch.image)
    sheets[0].save(tmp_path / "scan.tif", save_all=True, append_images=sheets[1:])
    sheets[0].save(tmp_path / "scan.pdf", save_all=True, append_images=sheets[1:], resolution=100)
    pytest.importorskip("pypdfium2")
    for name in ("scan.tif", "scan.pdf"):
        document = read_page(tmp_path / name, reader)
        assert [page.text.splitlines()[0] for page in document.pages] == texts
        assert document.text.count("\f") == 1


NOTHING = {
    "white": np.full((400, 300), 255, np.uint8),
    "black": np.zeros((400, 300), np.uint8),
    "shadow": np.full((400, 300), 255, np.uint8) - np.arange(300, dtype=np.uint8) // 20,
    "one pixel": np.full((1, 1), 7, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (200, 300), dtype=np.uint8),
    "blobs": np.kron(np.random.default_rng(1).integers(0, 256, (30, 40), dtype=np.uint8), np.ones((12, 12), np.uint8)),
}


@pytest.mark.parametrize("name", NOTHING)
def test_where_there_is_no_text_it_says_so_and_invents_none(name: str, reader: Artefact) -> None:
    document = read_page(NOTHING[name], reader)
    assert document.text == ""
    (line,) = document.unread
    assert "text" in line
    assert "\n" not in line


def test_a_script_that_the_network_does_not_know_is_not_read_as_latin(reader: Artefact) -> None:
    sketch = Sketch()
    sketch.block(
        40, 30, ["Каждый охотник желает знать где", "сидит фазан и почему он здесь", "Музей открыт в будни с девяти"]
    )
    document = read_page(sketch.image, reader)
    assert document.text == ""
    (line,) = document.unread
    assert "letters" in line


def test_what_another_script_looks_like_in_latin_letters() -> None:
    for text in ("3HaTb rAe cHgHT", "ni6wMa, 4To oHa"):
        assert mixed(text) > MIXED
    for text in (
        "Invoice 2024-113 total 58.20",
        "Mr McAdam, who lives in flat AB12-7, paid $673 before 9:22am",
        "STOOGBIECK 3748",
        "naïve Ångström",
        "…",
    ):
        assert mixed(text) <= MIXED


def test_letters_one_below_the_other_are_not_taken_for_lines(reader: Artefact) -> None:
    sketch = Sketch()
    sketch.block(400, 20, list("MUSEUMHALL"))
    assert read_page(sketch.image, reader).unread


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, reader: Artefact) -> None:
    (tmp_path / "page.png").write_bytes(b"no image")
    (tmp_path / "page.pdf").write_bytes(b"%PDF-1.4 and no more")
    for name in ("page.png", "page.pdf", "none.pdf"):
        with pytest.raises(SpecError, match=rf"{name}"):
            read_page(tmp_path / name, reader)


def test_a_reader_of_other_things_is_refused() -> None:
    with pytest.raises(SpecError, match="for lines of text"):
        read_page(plain().image, zoo.load("cnn.digits"))


def test_an_image_of_one_line_stays_as_it_is(reader: Artefact) -> None:
    sketch = Sketch(400, 60)
    sketch.line(20, 15, "a line alone")
    ((line,),) = lines_of(sketch.image, reader)
    assert np.array_equal(np.asarray(line), np.asarray(sketch.image))


def test_lines_are_given_as_the_page_reads_them(reader: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other margins, letters of a noisy page may be lost that the page as a whole has: "ffteen" for fifteen."""
    sketch = plain()
    ((page,), (lines,)) = read_page(sketch.image, reader).pages, lines_of(sketch.image, reader)
    assert [answer["text"] for answer in reader(lines)] == [line.text for line in page.lines]
    rows = {}
    for size, margin in enumerate(ABOVE):
        monkeypatch.setattr("zoo.inference.pages.reading._likeliest", lambda readings, _, size=size: readings[size])
        (lines,) = lines_of(sketch.image, reader)
        rows[margin] = [line.image.height for line in lines]
    for less, more in pairwise(sorted(rows)):
        assert all(small < large for small, large in zip(rows[less], rows[more], strict=True))


def test_an_empty_document_has_no_text() -> None:
    assert Document(()).text == ""
    assert Page(1, 10, 10, 0.0, ()).fault == "no line of text found in an image of 10 x 10 pixels"
