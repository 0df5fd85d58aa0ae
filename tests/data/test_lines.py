"""Sources of lines of text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.data.distortions import Scan
from zoo.data.fonts import ENDINGS, Font, bundled_fonts, distinct, fonts_of, set_line, set_small
from zoo.data.images import Digits
from zoo.data.lines import DIGITS, DigitLines, LineFolder, MNISTLines, TextLines, side_by_side
from zoo.data.phrases import ALPHABET, EXCERPT, LATIN, VARIANTS, accented, phrase
from zoo.errors import ConfigError, DataError
from zoo.spec import TextLine

# Texts


def test_phrases_hold_all_characters_and_keep_to_their_length() -> None:
    random = Random(0)
    phrases = [phrase(random) for _ in range(5000)]
    assert set("".join(phrases)) == set(ALPHABET)
    assert {len(text) for text in phrases} == set(range(1, 41))
    assert all(text == text.strip() for text in phrases)
    assert len(set(phrases)) > 4500
    assert all(5 <= len(phrase(random, 5, 9)) <= 9 for _ in range(200))
    assert [phrase(Random(3)) for _ in range(2)] == [phrase(Random(3))] * 2


# Fonts

LATER = "cmti10"  # which Matplotlib carries since 3.11


def test_bundled_fonts_are_of_these_families() -> None:
    fonts = bundled_fonts(ALPHABET)
    assert {font.family for font in fonts} - {LATER} == {
        *("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "STIXGeneral", "Aileron"),
        *("cmr10", "cmb10", "cmss10", "cmtt10"),
    }
    for font in fonts:
        assert font.characters >= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:")
        if font.family.startswith("cm"):  # these draw another sign than ASCII says
            assert not font.characters & set('"$_€£')


def test_each_character_of_a_font_has_a_shape_of_its_own() -> None:
    """In some fonts I and l, or a hyphen and a sign beside it, are of one shape; most must differ."""
    for font in bundled_fonts(ALPHABET):
        shapes = set()
        for character in font.characters - {" "}:
            mask = font.at(40).getmask(character)
            assert mask.getbbox() is not None, (font.family, character)
            shapes.add((mask.size, bytes(mask)))
        assert len(shapes) >= len(font.characters) - 3, font.family


@pytest.mark.parametrize("text", ["Hjpqy", "x", "Many words, set in one line of 40 letters"])
def test_a_line_has_its_height_and_white_margins(text: str) -> None:
    for seed, font in enumerate(bundled_fonts(ALPHABET)):
        pixels = set_line(text, font, 32, Random(seed))
        assert pixels.dtype == np.uint8
        assert pixels.shape[0] == 32
        assert pixels.min() < 60
        assert (pixels[:, 0] > 200).all()
        assert pixels.shape[1] > 3 * len(text)


def test_fonts_of_a_folder(tmp_path: Path) -> None:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (tmp_path / "below").mkdir()
    for name in ("DejaVuSans.ttf", "STIXSizOneSymReg.ttf"):  # letters, and none
        (tmp_path / "below" / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "broken.otf").write_bytes(b"OTTO no font")
    assert [font.family for font in fonts_of(tmp_path, ALPHABET)] == ["DejaVu Sans"]
    (tmp_path / "below" / "DejaVuSans.ttf").unlink()
    with pytest.raises(DataError, match=f"none of the 2 fonts \\({', '.join(ENDINGS)}\\)"):
        fonts_of(tmp_path, ALPHABET)
    with pytest.raises(DataError, match="no such folder"):
        fonts_of(tmp_path / "nowhere", ALPHABET)


# text_lines


def test_text_lines_come_from_the_seed() -> None:
    def load(seed: int, augment: Scan | None) -> TextLines:
        data = TextLines(train_size=20, eval_size=10, seed=seed, augment=augment)
        data.setup()
        return data

    first, again, other = (load(seed, Scan()) for seed in (1, 1, 2))
    clean = load(1, None)
    for split in ("train", "val", "test"):
        lines, texts = first.splits[split].columns
        assert len(lines) == (20 if split == "train" else 10)
        assert torch.equal(lines.values, again.splits[split].columns[0].values)
        assert torch.equal(texts.values, again.splits[split].columns[1].values)
        assert not torch.equal(texts.values, other.splits[split].columns[1].values)
        unchanged = clean.splits[split].columns[0].values
        assert torch.equal(lines.values, unchanged) == (split == "train")  # training lines are distorted in each batch


def test_fonts_of_the_splits_are_of_different_families() -> None:
    families = {split: {font.family for font in TextLines()._fonts(split)} for split in ("train", "val", "test")}
    assert families["val"] == {"cmss10"}
    assert families["test"] == {"STIXGeneral", "Aileron"}
    assert families["train"] - {LATER} == {
        "DejaVu Sans",
        "DejaVu Sans Mono",
        "DejaVu Serif",
        "cmr10",
        "cmb10",
        "cmtt10",
    }
    assert not families["train"] & (families["val"] | families["test"])


def test_families_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="unknown family of fonts 'DejaVu San'; did you mean 'DejaVu Sans'"):
        TextLines(test_families=["DejaVu San"]).setup()
    with pytest.raises(ConfigError, match="no family of fonts is left for val"):
        TextLines(val_families=[]).setup()
    with pytest.raises(ConfigError, match="Aileron is held out twice"):
        TextLines(val_families=["Aileron"])


def test_fonts_of_a_folder_are_trained_on_and_not_needed_to_test(tmp_path: Path) -> None:
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    (tmp_path / "STIXGeneral.ttf").write_bytes((folder / "STIXGeneral.ttf").read_bytes())
    given = TextLines(fonts=str(tmp_path))._fonts("train")
    assert {font.family for font in given} == {font.family for font in TextLines()._fonts("train")}  # it is of test
    data, without = (TextLines(train_size=4, eval_size=4, fonts=fonts, augment=Scan()) for fonts in ("nowhere", None))
    data.setup("test")
    without.setup()
    assert list(data.splits) == ["test"]
    assert torch.equal(data.splits["test"].columns[0].values, without.splits["test"].columns[0].values)
    with pytest.raises(DataError, match="no such folder: nowhere"):
        data.setup("fit")


def test_half_of_the_training_lines_may_be_of_a_running_text(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(120)]
    (tmp_path / "text.txt").write_text("\n".join(words) + " слово", encoding="utf-8")
    data, without = (TextLines(train_size=60, eval_size=4, texts=texts) for texts in (str(tmp_path / "text.txt"), None))
    data.setup()
    without.setup()
    read = data.spec.output.text
    lines = [read(data.splits["train"].columns[1][row].tolist()) for row in range(60)]
    running = " ".join(words + words)
    assert 15 <= sum(line.lower() in running for line in lines) <= 45
    assert max(map(len, lines)) <= EXCERPT
    for split in ("val", "test"):  # which are as they are without the file
        assert torch.equal(data.splits[split].columns[1].values, without.splits[split].columns[1].values)
    (tmp_path / "short.txt").write_text("a few words", encoding="utf-8")
    with pytest.raises(DataError, match=r"short\.txt has 3 words"):
        TextLines(train_size=1, texts=str(tmp_path / "short.txt")).setup()


# line_folder


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of five lines, with a labels.csv or a text beside each."""

    def make(beside: bool, **texts: str) -> Path:
        texts = {"a": "one", "b": "2, two", "c": 'say "3"', "d": "four", "e": "5"} | texts
        for name in texts:
            PIL.Image.fromarray(np.full((20, 200), 30 * len(name), np.uint8)).save(tmp_path / f"{name}.png")
        if beside:
            for name, text in texts.items():
                (tmp_path / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
        else:
            quoted = (f'{name}.png,"{text}"'.replace('"3"', '""3""') for name, text in texts.items())
            (tmp_path / "labels.csv").write_text("\n".join(["file,text", *quoted]), encoding="utf-8-sig")
        return tmp_path

    return make


@pytest.mark.parametrize("beside", [True, False])
def test_a_folder_of_lines(folder: Callable[..., Path], beside: bool) -> None:
    data = LineFolder(str(folder(beside)), val_fraction=0.2, test_fraction=0.2)
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 3, "val": 1, "test": 1}
    texts = []
    for examples in data.splits.values():
        (lines, widths), (symbols, counts) = examples.__getitems__(range(len(examples)))
        assert widths.tolist() == [320] * len(examples)
        assert (lines == 30).all()
        texts += [data.spec.output.text(row[:count]) for row, count in zip(symbols.tolist(), counts.tolist())]
    assert sorted(texts) == sorted(["one", "2, two", 'say "3"', "four", "5"])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"f": "naïve"}, r"f\.png: 'ï' in 'naïve' is not in the alphabet"),
        ({"f": ""}, r"f\.png is empty"),
        ({"f": "l" * 81}, r"f\.png is too narrow for its text of 81 characters"),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_texts_that_cannot_be_learned_are_named_with_their_file(
    folder: Callable[..., Path], beside: bool, texts: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        LineFolder(str(folder(beside, **texts))).setup()


@pytest.mark.parametrize(
    ("table", "form"),
    [("labels.csv", "{}.png;{}"), ("labels.csv", "{}.PNG\t{}"), ("metadata.csv", "{}.png|{}"), ("labels.csv", "{};{}")],
)
def test_tables_of_texts_in_other_forms(folder: Callable[..., Path], table: str, form: str) -> None:
    root = folder(True)
    rows = [("file_name.png", "words"), ("a", "1,5"), ("b", "2,5"), ("c", "3"), ("d", "4,0")]
    text = "\n".join(form.format(*row) for row in rows).replace("file_name.png.png", "file_name")
    (root / table).write_text(text.replace("file_name.png", "file_name"))
    data = LineFolder(str(root))
    data.setup()
    columns = [examples.__getitems__(range(len(examples)))[1] for examples in data.splits.values()]
    found = [data.spec.output.text(row[:n]) for symbols, counts in columns for row, n in zip(symbols.tolist(), counts)]
    assert sorted(found) == ["1,5", "2,5", "3", "4,0"]


def test_an_alphabet_of_one_s_own(folder: Callable[..., Path]) -> None:
    data = LineFolder(str(folder(True, f="naïve")), alphabet=ALPHABET + "ï")
    data.setup()
    assert sum(map(len, data.splits.values())) == 6


def test_folders_that_are_not_as_they_should_be(folder: Callable[..., Path], tmp_path: Path) -> None:
    def fault() -> str:
        with pytest.raises(DataError) as error:
            LineFolder(str(tmp_path)).setup()
        return str(error.value)

    assert "has neither a labels.csv nor images" in fault()
    folder(beside=True)
    (tmp_path / "b.txt").unlink()
    assert "b.png has no text: there is neither a labels.csv nor b.txt" in fault()
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    assert "is not UTF-8" in fault()
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "c.png").write_bytes((tmp_path / "c.png").read_bytes()[:50])
    assert f"cannot read {tmp_path / 'c.png'} as an image" in fault()
    (tmp_path / "labels.csv").write_text("file,text\na.png,one\n")
    assert "has 1 lines; at least 3 are needed" in fault()
    (tmp_path / "labels.csv").write_text("file,text\n")
    assert "labels.csv has no rows" in fault()
    for row in ("a.png,one, two", "a.png"):
        (tmp_path / "labels.csv").write_text(f"file,text\n{row}\n")
        assert "labels.csv, line 2 has" in fault()
    (tmp_path / "labels.csv").write_text("file,text\na.png,one\nz.png,one\n")
    assert "labels.csv, line 3: 'z.png' is no image of the folder" in fault()
    (tmp_path / "labels.csv").write_text("file,one,two\na.png,one,two\n")
    assert "has 2 columns beside 'file'; that of the texts is called text" in fault()
    with pytest.raises(DataError, match="no such folder"):
        LineFolder(str(tmp_path / "nowhere")).setup()
    with pytest.raises(ValueError, match="val_fraction and test_fraction"):
        LineFolder(str(tmp_path), val_fraction=0.5, test_fraction=0.5)


# Strings of digits


def test_digits_stand_side_by_side() -> None:
    """Each digit has a brightness of its own, by which it is found again in the lines."""
    digits = torch.zeros(40, 1, 28, 28, dtype=torch.uint8)
    digits[:, :, 4:24, 9:19] = (100 + 3 * torch.arange(40)).to(torch.uint8)[:, None, None, None]
    labels = torch.arange(40) % 10
    examples = side_by_side(digits, labels, 2, torch.Generator().manual_seed(0))
    seen: list[int] = []
    for index in range(len(examples)):
        line, symbols = examples[index]
        assert line.shape[1] == 32
        assert 3 <= len(symbols) <= 8
        assert 10 * len(symbols) <= len(line) - 12 <= 16 * len(symbols)
        assert (line[:6] == 255).all()
        assert (line[-6:] == 255).all()
        brightest = (255 - line).amax(dim=1).tolist()
        order = [value for value, before in zip(brightest, [0, *brightest]) if value and value != before]
        found = [(value - 100) // 3 for value in order]
        assert [digit % 10 + 1 for digit in found] == symbols.tolist()
        rows = (line < 255).any(dim=0).nonzero()
        assert 20 <= rows.max() - rows.min() + 1 <= 24
        seen += found
    assert len(seen) >= 72
    assert max(seen.count(digit) for digit in range(40)) == 2


def test_strings_of_scikit_learn_s_digits(digits: Digits) -> None:
    data = DigitLines(rounds=7)
    data.setup()
    assert data.spec.input == TextLine(32)
    assert data.spec.output.alphabet == DIGITS
    for split, rounds in (("train", 7), ("val", 1), ("test", 1)):
        used = len(data.splits[split].columns[1].values)
        assert rounds * len(digits.splits[split]) - 8 <= used <= rounds * len(digits.splits[split])
    symbols = data.splits["test"].columns[1].values
    fewer = DigitLines(rounds=1)
    fewer.setup()
    assert torch.equal(fewer.splits["test"].columns[1].values, symbols)
    counts, true = torch.bincount(symbols, minlength=11)[1:], torch.bincount(digits.splits["test"].columns[1])
    assert ((true - counts) >= 0).all()  # each test digit once, but for those that filled no line

    with pytest.raises(ValueError, match="rounds must be a whole number of at least 1, got 0"):
        DigitLines(rounds=0)


@pytest.mark.skipif("ZOO_DATA" not in os.environ, reason="ZOO_DATA names no folder of data")
def test_strings_of_mnist_s_test_digits() -> None:
    data = MNISTLines(os.environ["ZOO_DATA"], rounds=4)
    data.setup()
    used = data.splits["test"].columns[1].values
    assert 9_992 <= len(used) <= 10_000
    assert len(data.splits["train"].columns[1].values) >= 4 * 55_000 - 8


def test_accented_texts_are_the_plain_ones_with_accents() -> None:
    random = Random(0)
    plain = {variant: letter for letter, variants in VARIANTS.items() for variant in variants}
    seen: set[str] = set()
    for _ in range(3000):
        text = phrase(random)
        changed = accented(text, random)
        assert len(changed) == len(text)
        assert set(changed) <= set(LATIN)
        other = [(a, b) for a, b in zip(text, changed) if a != b and plain.get(b) != a]
        assert len(other) <= 1  # at most one sign that is no letter
        seen |= set(changed)
    assert set("éüñßøšł€£ŒžÅ’“–") <= seen
    assert len(LATIN) == len(set(LATIN))
    assert LATIN.startswith(ALPHABET)


def test_lines_of_documents_are_as_high_and_have_their_texts() -> None:
    data = TextLines(train_size=60, eval_size=10, documents=True, accents=True)
    data.setup()
    lines, texts = data.splits["train"].columns
    assert all(lines[row].shape[1] == 32 for row in range(60))
    written = {data.spec.output.text(texts[row].tolist()) for row in range(60)}
    assert len(written) > 50
    assert any(set(text) - set(ALPHABET) for text in written)
    font = bundled_fonts(ALPHABET)[0]
    assert set_small("office", font, 32, Random(1)).shape[0] == 32


def test_distinct_fonts_keep_what_they_can_show() -> None:
    font = next(font for font in bundled_fonts(LATIN) if font.family == "DejaVu Serif")
    kept = distinct(font)
    assert kept is not None
    assert kept.characters == font.characters


def test_a_font_that_cannot_be_drawn_is_not_distinct() -> None:
    font = bundled_fonts(ALPHABET)[0]
    assert distinct(Font(b"no font", font.family, font.characters)) is None
