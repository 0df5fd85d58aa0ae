"""Images of lines to columns, and logits to texts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import torch

from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET
from zoo.errors import SpecError
from zoo.spec import Calibration, Spec, TextLine, Transcript
from zoo.spec.lines import MAX_WIDTH

LINE, TEXT = TextLine(32), Transcript("ab c")


def test_json_round_trip() -> None:
    spec = Spec(LINE, TEXT)
    assert Spec.from_json(spec.to_json()) == spec
    assert str(spec) == "line of text → transcript"


@pytest.mark.parametrize(
    ("size", "width"),
    [((100, 32), 100), ((200, 64), 100), ((50, 16), 100), ((1, 1), 32), ((1, 400), 1), ((20_000, 60), 10_667)],
)
def test_a_line_is_scaled_to_the_height(size: tuple[int, int], width: int) -> None:
    columns = LINE.encode(PIL.Image.new("L", size, 77))
    assert columns.shape == (width, 32)
    assert columns.dtype == torch.uint8
    assert (columns == 77).all()


def drawn(margin: int, paper: int = 255, ink: int = 0) -> np.ndarray:
    """A few words with a margin around their ink."""
    font = bundled_fonts(ALPHABET)[0].at(22)
    left, top, right, bottom = (round(side) for side in font.getbbox("Kept by Hugo"))
    image = PIL.Image.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), paper)
    PIL.ImageDraw.Draw(image).text((margin - left, margin - top), "Kept by Hugo", font=font, fill=ink)
    return np.asarray(image)


def test_columns_are_those_of_the_image() -> None:
    """Where its margins are usual, but for paper added at its ends."""
    pixels = drawn(5)
    pixels = np.pad(pixels, ((0, 32 - len(pixels)), (0, 0)), constant_values=255)
    columns = LINE.encode(pixels).numpy().T
    start = next(x for x in range(20) if (columns[:, x : x + pixels.shape[1]] == pixels).all())
    assert (np.delete(columns, np.s_[start : start + pixels.shape[1]], axis=1) == 255).all()


@pytest.mark.parametrize("margin", [0, 3, 15, 30, 80])
def test_the_margin_does_not_matter(margin: int) -> None:
    expected, found = (LINE.encode(drawn(each)).numpy() < 128 for each in (30, margin))
    inked = [np.flatnonzero(columns.any(axis=1)) for columns in (expected, found)]
    widths = [places[-1] - places[0] for places in inked]
    assert widths[1] == pytest.approx(widths[0], rel=0.12)  # the letters are as large
    assert min(inked[1][0], len(found) - 1 - inked[1][-1]) >= 2


def test_polarity_contrast_and_colour_do_not_matter() -> None:
    expected = LINE.encode(drawn(5)).numpy() < 128
    for paper, ink in ((20, 250), (140, 110)):
        columns = LINE.encode(drawn(5, paper, ink)).numpy()
        assert ((columns < int(columns.min()) / 2 + int(columns.max()) / 2) == expected).mean() > 0.99
    word = (drawn(5) < 128)[..., None]
    red_on_green = np.where(word, np.array([200, 40, 60], np.uint8), np.array([40, 115, 60], np.uint8))  # alike in grey
    columns = LINE.encode(red_on_green).numpy()
    assert ((columns < int(columns.min()) / 2 + int(columns.max()) / 2) == expected).mean() > 0.99


def file(path: Path, image: PIL.Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_images_of_any_kind_are_read_alike(tmp_path: Path) -> None:
    words = drawn(6)
    expected = LINE.encode(words).float()
    grey = PIL.Image.fromarray(words)
    clear = PIL.Image.merge("LA", (PIL.Image.new("L", grey.size, 0), PIL.Image.fromarray(255 - words)))  # over white
    turned = PIL.Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    files = [
        file(tmp_path / "grey.png", grey),
        file(tmp_path / "alpha.png", clear),
        file(tmp_path / "deep.png", PIL.Image.fromarray(words.astype(np.uint16) * 257)),
        file(tmp_path / "print.jpg", grey.convert("RGB").convert("CMYK"), quality=95),
        file(tmp_path / "turned.jpg", grey.transpose(PIL.Image.Transpose.ROTATE_90), quality=95, exif=turned),
    ]
    for path in files:
        columns = LINE.encode(path).float()
        assert columns.shape == expected.shape, path
        assert (columns - expected).abs().mean() <= 3, path


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    whole = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 640), dtype=np.uint8)).save(whole, "png")
    (tmp_path / "half.png").write_bytes(whole.getvalue()[:5000])
    (tmp_path / "notes.png").write_text("not an image")
    for name in ("half.png", "notes.png"):
        with pytest.raises(SpecError, match=f"cannot read .*{name} as an image"):
            LINE.encode(tmp_path / name)
    with pytest.raises(SpecError, match="no such image"):
        LINE.encode(tmp_path / "none.png")
    with pytest.raises(SpecError, match=f"too wide: at most {MAX_WIDTH // 32} times as wide"):
        LINE.encode(PIL.Image.new("L", (20_000, 30)))


def test_lines_of_a_batch_are_standardised_each_within_its_length() -> None:
    random = np.random.default_rng(0)
    lines = [
        torch.from_numpy(random.integers(low, high, (width, 32), dtype=np.uint8))
        for low, high, width in ((0, 256, 40), (100, 120, 7), (200, 201, 12))
    ]
    x, lengths = LINE.prepare(LINE.collate(lines))
    assert x.shape == (3, 1, 32, 40)
    assert lengths.tolist() == [40, 7, 12]
    for row, line in enumerate(lines[:2]):
        pixels = line.double()
        expected = (pixels - pixels.mean()) / pixels.std(correction=0)
        torch.testing.assert_close(x[row, 0, :, : len(line)].T.double(), expected, rtol=1e-4, atol=1e-4)
        assert (x[row, 0, :, len(line) :] == 0).all()
    assert (x[2] == 0).all()  # blank, where there is no deviation to divide by
    assert [image.shape for image in LINE.restore(LINE.collate(lines))] == [(32, 40), (32, 7), (32, 12)]


def logits_of(*paths: list[int], certainty: float = 20.0) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.tensor(paths), 5).float() * certainty


def test_logits_become_texts_with_their_probability() -> None:
    answers = TEXT.decode(logits_of([1, 0, 1, 2, 3, 4], [0] * 6))
    assert [answer["text"] for answer in answers] == ["aab c", ""]
    assert all(answer["confidence"] == pytest.approx(1, abs=1e-4) for answer in answers)
    unsure = TEXT.decode(logits_of([1, 1], certainty=0.0))  # all 25 paths are as likely
    assert unsure[0]["confidence"] == pytest.approx(1 / 25)  # the greedy answer is "", of one path
    assert TEXT.decode(logits_of([1, 1], certainty=0.0), num_beams=8)[0]["confidence"] == pytest.approx(3 / 25)


def test_a_lexicon_mends_what_was_read() -> None:
    logits = logits_of([1, 2, 3, 4, 0], certainty=3.0)  # "ab c"
    assert TEXT.decode(logits)[0]["text"] == "ab c"
    assert TEXT.decode(logits, lexicon=["a", "c"])[0]["text"] == "a c"
    assert TEXT.decode(logits, lexicon=["zebra"])[0]["text"] in ("", " ")  # no word at all is in any lexicon


def test_several_readings_have_their_exact_probabilities() -> None:
    """Two steps that are as likely "a" as the blank: "a" has three of the four paths, and "" the other."""
    logits = torch.full((1, 2, 5), -50.0)
    logits[:, :, :2] = 0.0
    answer = TEXT.decode(logits, n=3)[0]
    assert [reading["text"] for reading in answer["readings"][:2]] == ["a", ""]
    assert [reading["probability"] for reading in answer["readings"][:2]] == pytest.approx([3 / 4, 1 / 4], abs=1e-4)
    assert (answer["text"], answer["confidence"]) == ("a", answer["readings"][0]["probability"])


def test_confidence_is_at_the_temperature_of_the_calibration() -> None:
    logits = logits_of([1, 2, 0, 3], certainty=2.0)
    given, warm = (TEXT.decode(logits / t, Calibration(temperature=1 / t))[0] for t in (1.0, 3.0))
    assert given == pytest.approx(warm)
    assert TEXT.decode(logits, Calibration(temperature=3.0))[0]["confidence"] < given["confidence"]


def test_a_language_model_tells_which_of_two_letters_it_is() -> None:
    logits = logits_of([1, 0, 2], certainty=6.0)  # "ab", or as likely "a "
    logits[:, 2, 3] = logits[:, 2, 2]
    for expected, low in (("ab", 2), ("a ", 1)):
        after = [[-9.0 if place == low else -1.0 for place in range(4)]]
        answer = TEXT.decode(logits, n=2, language_model=lambda texts, after=after: after * len(texts))[0]
        assert answer["text"] == expected
        assert sum(reading["probability"] for reading in answer["readings"]) < 1


def test_a_text_becomes_symbols_and_back() -> None:
    symbols = TEXT.encode("cab a")
    assert symbols.tolist() == [4, 1, 2, 3, 1]
    assert TEXT.text(symbols.tolist()) == "cab a"
    with pytest.raises(SpecError, match="'ä' in 'bär' is not in the alphabet 'ab c'"):
        TEXT.encode("bär")


@pytest.mark.parametrize("beams", [0, -1, 1.5, True])
def test_beams_out_of_range_are_refused(beams: Any) -> None:
    with pytest.raises(SpecError, match="beams must be a whole number of at least 1"):
        TEXT.decode(logits_of([1]), num_beams=beams)
    with pytest.raises(SpecError, match="n must be a whole number of at least 1"):
        TEXT.decode(logits_of([1]), n=beams)


@pytest.mark.parametrize(("kind", "value"), [(TextLine, 7), (TextLine, 32.0), (TextLine, 257), (TextLine, True)])
def test_heights_that_cannot_be(kind: Any, value: Any) -> None:
    with pytest.raises(SpecError, match="height is from 8 to 256"):
        kind(value)


@pytest.mark.parametrize(("alphabet", "message"), [("", "at least one"), ("abca", "'a' twice"), (["a"], "is a string")])
def test_alphabets_that_cannot_be(alphabet: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        Transcript(alphabet)
