"""Images for people: they are drawn, and show pixels as they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from zoo import plots

Read = Callable[[Path], np.ndarray]


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8)


@pytest.mark.parametrize(("count", "channels", "size"), [(12, 3, 28), (1, 1, 28), (3, 3, 5)])
def test_image_rows(tmp_path: Path, count: int, channels: int, size: int, read: Read) -> None:
    rows = {name: images(count, channels, size, size) for name in ("masked", "true")}
    plots.image_rows(rows, tmp_path / "rows.png")
    read(tmp_path / "rows.png")


def test_rows_show_pixels_as_they_are(tmp_path: Path, read: Read, fraction: Callable[..., float]) -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 6, 6)
    plots.image_rows({"red": red, "green": red.roll(1, dims=1)}, tmp_path / "rows.png")
    pixels = read(tmp_path / "rows.png")
    assert fraction(pixels[: len(pixels) // 2], (255, 0, 0)) > 0.4
    assert fraction(pixels[len(pixels) // 2 :], (0, 255, 0)) > 0.4
    grey = torch.full((4, 1, 6, 6), 100, dtype=torch.uint8)  # not stretched to black and white
    plots.image_rows({"grey": grey}, tmp_path / "rows.png")
    assert fraction(read(tmp_path / "rows.png"), (100, 100, 100)) > 0.4


def test_a_grid_magnifies_without_smoothing(tmp_path: Path) -> None:
    batch = images(5, 3, 8, 8)
    plots.image_grid(batch, tmp_path / "new" / "grid.png", columns=3)
    with PIL.Image.open(tmp_path / "new" / "grid.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (2 * 50 + 2, 3 * 50 + 2, 3)
    assert (pixels[2:50:6, 2:50:6] == batch[0].permute(1, 2, 0).numpy()).all()


def test_frames_make_a_filmstrip_and_an_animation(tmp_path: Path) -> None:
    files = {f"epoch {number}": tmp_path / f"{number:02}.png" for number in range(20)}
    for number, file in enumerate(files.values()):
        plots.image_grid(torch.full((1, 1, 8, 8), 10 * number, dtype=torch.uint8), file)
    plots.filmstrip(files, tmp_path / "strip.png", max_frames=4)
    with PIL.Image.open(tmp_path / "strip.png") as strip, PIL.Image.open(files["epoch 0"]) as frame:
        height = strip.height // 4
        assert strip.width == frame.width
        assert height > frame.height  # there is a name above each
        middles = [strip.getpixel((10, (row + 1) * height - 10)) for row in range(4)]
    assert [middle[0] for middle in middles] == [0, 60, 130, 190]  # the first, the last, and some evenly between
    plots.animation(files, tmp_path / "frames.gif", max_frames=5)
    with PIL.Image.open(tmp_path / "frames.gif") as animation:
        assert animation.n_frames == 5


def test_images_with_words(tmp_path: Path, read: Read) -> None:
    file = tmp_path / "images.png"
    plots.captioned_rows(images(3, 4, 3, 8, 8), ["a cat", "a dog " * 20, ""], file)
    read(file)
    plots.captioned_frames(images(13, 1, 8, 8), list("abcabcabcabca"), list("abcabcabbabca"), file)
    read(file)
    maps = torch.rand(2, 3, 4, 4).softmax(dim=3)
    plots.attention_maps(images(2, 1, 16, 16), [["a", "cat"], ["dogs"]], maps, file)
    read(file)


def test_filters_are_blue_above_zero_and_red_below(tmp_path: Path, read: Read, fraction: Callable[..., float]) -> None:
    plots.filters(torch.cat([torch.ones(16, 4, 4), -torch.ones(16, 4, 4)]), tmp_path / "filters.png")
    upper, lower = np.array_split(read(tmp_path / "filters.png"), 2)
    assert fraction(upper, (5, 48, 97)) > 0.5
    assert fraction(lower, (103, 0, 31)) > 0.5


def test_no_figures_are_left_open(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    plots.image_rows({"one": torch.zeros(1, 1, 4, 4, dtype=torch.uint8)}, tmp_path / "rows.png")
    assert plt.get_fignums() == []
