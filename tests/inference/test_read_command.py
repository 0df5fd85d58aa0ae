"""`zoo read`: what it writes where, what counts as unread, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest
from omegaconf import DictConfig

from zoo.data.fonts import bundled_fonts
from zoo.data.phrases import ALPHABET
from zoo.errors import ConfigError, SpecError
from zoo.inference.pages.command import read


def sheet(text: str = "") -> PIL.Image.Image:
    image = PIL.Image.new("L", (360, 60), 255)
    font = next(font for font in bundled_fonts(ALPHABET) if font.family == "DejaVu Serif")
    PIL.ImageDraw.Draw(image).text((20, 15), text, font=font.at(22), fill=0)
    return image


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    sheet("seven words").save(folder / "a.tif", save_all=True, append_images=[sheet("of a page")])
    sheet("the end").save(folder / "b.png")
    sheet().save(folder / "blank.tif", save_all=True, append_images=[sheet()])
    return folder


def test_a_form_feed_is_between_all_pages_and_json_is_a_line_a_file(
    compose: Callable[..., DictConfig], scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read(compose("use/read", f"input='{scans}/[ab].*'")) == 0
    said = capsys.readouterr()
    assert [page.strip() for page in said.out.split("\f")] == ["seven words", "of a page", "the end"]
    assert read(compose("use/read", f"input='{scans}/*'", "format=json", f"output={tmp_path / 'all.json'}")) == 1
    lines = (tmp_path / "all.json").read_text(encoding="utf-8").splitlines()
    assert [Path(json.loads(line)["file"]).name for line in lines] == ["a.tif", "b.png", "blank.tif"]
    said = capsys.readouterr()
    assert not said.out
    assert "blank.tif: page 2: no line of text" in said.err


@pytest.mark.parametrize(
    ("setting", "error", "message"),
    [
        ("input=-", ConfigError, "one file or one pattern"),
        ("input=[a.png,b.png]", ConfigError, "one file or one pattern"),
        ("input=.", ConfigError, r"\. is a folder"),
        ("input=none.pdf", ConfigError, "no file matches none.pdf"),
        ("output=5", ConfigError, "output is the name"),
        ("output=none/out.txt", ConfigError, "cannot write"),
        ("model=cnn.digits", SpecError, "for lines of text"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    compose: Callable[..., DictConfig], scans: Path, setting: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(compose("use/read", f"input='{scans}/*'", setting))
