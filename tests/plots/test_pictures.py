"""Pictures that people look at: here only that they are drawn, and show what they were given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.plots import pictures


def read(path: Path) -> np.ndarray:
    """The pixels (H, W, 3) of a PNG, once it has been seen to be of a sane size and not blank."""
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    assert 100 <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= 4000
    assert len(np.unique(pixels)) > 2
    return pixels


def share(pixels: np.ndarray, colour: tuple[int, int, int], tolerance: int = 12) -> float:
    """How much of a picture is of that colour."""
    return float((np.abs(pixels.astype(int) - colour).max(axis=2) <= tolerance).mean())


@pytest.mark.parametrize(
    "names",
    [
        ["no", "yes"],
        [str(k) for k in range(10)],
        ["tabby cat", "golden retriever", "emu"],
        [f"class {k}" for k in range(100)],
    ],
    ids=len,
)
def test_a_confusion_matrix(tmp_path: Path, names: list[str]) -> None:
    counts = torch.eye(len(names), dtype=torch.int64) * 95 + 1
    pictures.confusion_matrix(counts, names, tmp_path / "matrix.png")
    read(tmp_path / "matrix.png")


def test_a_confusion_matrix_is_dark_where_answers_are(tmp_path: Path) -> None:
    dark = (8, 48, 107)  # the deep end of the colours
    shares = []
    for counts in (torch.eye(4, dtype=torch.int64) * 50, torch.ones(4, 4, dtype=torch.int64)):
        pictures.confusion_matrix(counts, list("abcd"), tmp_path / "matrix.png")
        shares.append(share(read(tmp_path / "matrix.png"), dark))
    assert shares[0] > 0.05
    assert shares[1] < 0.001


def test_a_class_without_examples(tmp_path: Path) -> None:
    pictures.confusion_matrix(torch.tensor([[5, 1], [0, 0]]), ["a", "b"], tmp_path / "matrix.png")
    read(tmp_path / "matrix.png")


@pytest.mark.parametrize(("count", "channels", "size"), [(12, 1, 8), (12, 3, 28), (1, 1, 28), (3, 3, 5)])
def test_rows_of_pictures(tmp_path: Path, count: int, channels: int, size: int) -> None:
    batches = {
        name: torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8) for name in ("masked", "true")
    }
    pictures.rows(batches, tmp_path / "rows.png")
    read(tmp_path / "rows.png")


def test_rows_show_pixels_as_they_are(tmp_path: Path) -> None:
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 6, 6)
    pictures.rows({"red": red, "green": red.roll(1, dims=1)}, tmp_path / "rows.png")
    pixels = read(tmp_path / "rows.png")
    assert share(pixels[: len(pixels) // 2], (255, 0, 0)) > 0.4
    assert share(pixels[len(pixels) // 2 :], (0, 255, 0)) > 0.4
    grey = torch.full((4, 1, 6, 6), 100, dtype=torch.uint8)  # not stretched to black and white
    pictures.rows({"grey": grey}, tmp_path / "rows.png")
    assert share(read(tmp_path / "rows.png"), (100, 100, 100)) > 0.4


METRICS = """epoch,step,train/loss,train/lr,val/accuracy,val/loss
0,10,,,0.5,1.0
0,10,0.9,0.01,,
1,20,,,0.75,0.5
1,20,0.4,0.005,,
,20,,,,
"""


@pytest.mark.parametrize(
    "text",
    [METRICS, "epoch,train/loss\n0,2.5\n", "epoch,train/loss\n0,nan\n1,inf\n2,1\n"],
    ids=["usual", "one epoch", "not finite"],
)
def test_curves(tmp_path: Path, text: str) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    pictures.curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    read(tmp_path / "curves.png")


def test_curves_have_a_panel_for_each_figure_with_its_splits_together(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(METRICS)
    drawn = {}

    def remember(axes: object, name: str, splits: object) -> None:
        drawn[name] = {split: list(points) for split, points in splits.items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_panel", remember)
        pictures.curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert drawn == {
        "loss": {"val": [(1, 1.0), (2, 0.5)], "train": [(1, 0.9), (2, 0.4)]},
        "lr": {"train": [(1, 0.01), (2, 0.005)]},
        "accuracy": {"val": [(1, 0.5), (2, 0.75)]},
    }


def test_no_figures_are_left_open(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    pictures.rows({"one": torch.zeros(1, 1, 4, 4, dtype=torch.uint8)}, tmp_path / "rows.png")
    assert plt.get_fignums() == []
