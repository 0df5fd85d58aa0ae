"""Folders of videos: a class for each, or a label for each frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.data.videos import VideoFolder
from zoo.errors import DataError
from zoo.spec import Classes, Labels, Video

COUNT = 12


def save(path: Path, number: int) -> int:
    """A video of 2 to 4 frames, each of one shade: 20 times its place in the video."""
    frames = [PIL.Image.fromarray(np.full((10, 10), 20 * t, np.uint8)) for t in range(2 + number % 3)]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    return len(frames)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for number in range(COUNT):
        save(tmp_path / ("walk", "run")[number % 2] / f"{number}.webp", number)
    data = VideoFolder(str(tmp_path), size=8, channels=1)
    data.setup()
    assert isinstance(data.spec.input, Video)
    assert data.spec.output == Classes(("run", "walk"))
    frames, label = data.splits["train"][0]
    assert frames.shape[1:] == (1, 8, 8)
    assert frames[:, 0, 0, 0].tolist() == [20 * t for t in range(len(frames))]
    assert label in (0, 1)


def test_frames_in_files_of_their_own_are_no_videos(tmp_path: Path) -> None:
    for number in range(2 * COUNT):
        file = tmp_path / ("walk", "run")[number % 2] / f"clip{number % 3}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("L", (10, 10)).save(file)
    with pytest.raises(DataError, match="more than one frame"):
        VideoFolder(str(tmp_path), size=8).setup()


def test_a_label_for_each_frame(tmp_path: Path) -> None:
    rows = ["clip,frame,light"]
    for number in range(COUNT):
        count = save(tmp_path / f"{number}.webp", number)
        rows += [f"{number}.webp,{t},{('dark', 'bright')[t > 0]}" for t in reversed(range(count))]
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    data = VideoFolder(str(tmp_path), size=8, channels=1)
    data.setup()
    assert data.spec.output == Labels(("bright", "dark"))
    frames, labels = data.splits["train"][0]
    assert labels.tolist() == [1] + [0] * (len(frames) - 1)
    assert torch.equal(frames[:, 0, 0, 0] > 0, labels == 0)
    (tmp_path / "labels.csv").write_text("\n".join(rows[:-1]), encoding="utf-8")
    with pytest.raises(DataError, match=r"11\.webp has 4 frames, and labels\.csv has 3 labels"):
        VideoFolder(str(tmp_path), size=8).setup()
