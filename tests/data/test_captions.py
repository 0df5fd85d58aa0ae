"""Folders of images with captions."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from zoo.data.captions import CaptionFolder
from zoo.errors import DataError
from zoo.spec import Image, Tokens

COLOURS = ("red", "lime", "blue")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(30):
        PIL.Image.new("RGB", (12, 16), COLOURS[number % 3]).save(tmp_path / f"{number}.png")
    return tmp_path


def test_images_and_their_captions(root: Path) -> None:
    rows = ["image,caption"]
    for number in range(30):
        rows += [f'{number}.png,"A {COLOURS[number % 3]} sheet"'] + [f"{number}.png,all {COLOURS[number % 3]}"] * (
            number % 2
        )
    (root / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    data = CaptionFolder(str(root), size=8)
    data.setup()
    assert isinstance(data.spec.input, Image)
    assert isinstance(data.spec.output, Tokens)
    assert set(data.spec.output.vocabulary) == {"a", "sheet", "all", *COLOURS}
    assert sum(map(len, data.splits.values())) == 30
    for examples in data.splits.values():
        images, codes = examples.__getitems__(range(len(examples)))
        assert codes.shape[1:] == (2, 3)  # type: ignore[union-attr]
        for image, captions in zip(images, codes):
            name = COLOURS[int(image.float().mean(dim=(1, 2)).argmax())]
            first, second = data.spec.output.read(captions)
            assert first == f"a {name} sheet"
            assert second in (f"a {name} sheet", f"all {name}")


def test_several_columns_and_splits(root: Path) -> None:
    rows = ["file;split;one;two", *(f"{n}.png;{'test' if n < 5 else 'train'};a sheet;the sheet" for n in range(20))]
    (root / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    data = CaptionFolder(str(root), size=8)
    data.setup()
    assert len(data.splits["test"]) == 5
    assert any("10 images have no caption" in note for note in data.notes)


def test_numbers_are_no_captions(root: Path) -> None:
    rows = ["image_name| comment_number| comment", *(f"{n}.png| {k}| A sheet {k}." for n in range(30) for k in (0, 1))]
    (root / "captions.csv").write_text("\n".join(rows), encoding="utf-8")
    data = CaptionFolder(str(root), size=8)
    data.setup()
    assert any("60 captions of 30 images" in note for note in data.notes)
    assert any("columns without words are left out: comment_number" in note for note in data.notes)
    (root / "captions.csv").write_text("image,caption\n0.png,.\n", encoding="utf-8")
    with pytest.raises(DataError, match="no column of captions"):
        CaptionFolder(str(root), size=8).setup()


def test_captions_as_the_hub_has_them(root: Path) -> None:
    rows = [f'{{"file_name": "{n}.png", "text": "a {COLOURS[n % 3]} sheet"}}' for n in range(30)]
    (root / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")
    data = CaptionFolder(str(root), size=8)
    data.setup()
    assert set(data.spec.output.vocabulary) == {"a", "sheet", *COLOURS}  # type: ignore[union-attr]


def test_a_row_that_names_no_image(root: Path) -> None:
    (root / "captions.csv").write_text("image,caption\n1.png,a\nx.png,b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"captions\.csv, line 3: 'x\.png' is no image"):
        CaptionFolder(str(root), size=8).setup()
    (root / "captions.csv").unlink()
    with pytest.raises(DataError, match=r"has no captions\.csv; data\.captions=FILE"):
        CaptionFolder(str(root), size=8).setup()
