"""Decoded images, in memory and in a cache that is mapped."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.data.core import cache
from zoo.data.core.cache import DecodedImages, ImageFiles, decoded
from zoo.errors import DataError
from zoo.spec import Image

ANY = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
SMALL = Image(3, 8, 8, (0.5,) * 3, (0.5,) * 3)


def files_in(folder: Path) -> ImageFiles:
    paths = sorted(folder.glob("*.png"))
    stats = [path.stat() for path in paths]
    sizes, times = (np.array([getattr(stat, part) for stat in stats]) for part in ("st_size", "st_mtime_ns"))
    return ImageFiles(folder, [path.name for path in paths], sizes, times)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven images, each of its own size."""
    random = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for number in range(7):
        pixels = random.integers(0, 256, (9 + number, 12, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder for caches, which even small folders get."""
    monkeypatch.setattr(cache, "FEW", 0)
    monkeypatch.setattr(cache, "_processes", lambda count, size: 1)
    return str(tmp_path / "cache")


def only_cache(place: str) -> Path:
    (found,) = (folder for folder in Path(place).iterdir() if folder.is_dir())
    return found


@pytest.mark.parametrize("image", [ANY, SMALL])
def test_a_cache_holds_what_is_decoded_in_memory(folder: Path, image: Image, tmp_path: Path) -> None:
    files = files_in(folder)
    kept = decoded(files, image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "FEW", 0)
        patch.setattr(cache, "_processes", lambda count, size: 1)
        mapped = decoded(files, image, cache=str(tmp_path / "cache"))
    wanted = [image.encode(file) for file in sorted(folder.iterdir())]
    for images in (kept, mapped, pickle.loads(pickle.dumps(mapped))):
        assert len(images) == 7
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(images, wanted))
        mean, std = images.statistics([4, 2, 6])
        pixels = torch.cat([wanted[row].flatten(1) for row in (4, 2, 6)], dim=1).double() / 255
        assert mean == pytest.approx(pixels.mean(1).tolist())
        assert std == pytest.approx(pixels.std(1, correction=0).tolist())


def test_processes_decode_the_same(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_processes", lambda count, size: 2)
    (folder / "3.png").write_bytes(b"no image")
    files = files_in(folder)
    images = decoded(files, SMALL, cache=place, stop=False)
    assert images.usable == [0, 1, 2, 4, 5, 6]
    assert all(torch.equal(images[row], SMALL.encode(files.source(row))) for row in images.usable)
    with pytest.raises(DataError, match=r"3\.png is no usable image"):  # the cache knows
        decoded(files, SMALL, cache=place)


def test_a_second_run_decodes_nothing_until_a_file_or_a_setting_changes(
    folder: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    decode = cache.decode_here
    monkeypatch.setattr(cache, "decode_here", lambda *rest: runs.append(1) or decode(*rest))
    for _ in range(2):
        decoded(files_in(folder), SMALL, cache=place)
    assert len(runs) == 1
    decoded(files_in(folder), Image(3, 9, 9, (0.5,) * 3, (0.5,) * 3), cache=place)
    decoded(files_in(folder), Image(3, 8, 8, (0.5,) * 3, (0.5,) * 3, fit="crop"), cache=place)
    assert len(runs) == 3
    PIL.Image.new("RGB", (5, 5), "red").save(folder / "2.png")
    images = decoded(files_in(folder), SMALL, cache=place)
    assert len(runs) == 4
    assert images[2].flatten(1).T.unique(dim=0).tolist() == [[255, 0, 0]]
    assert len([path for path in Path(place).iterdir() if path.is_dir()]) == 3  # the old one is gone


@pytest.mark.parametrize("damage", ["pixels", "table", "about", "missing"])
def test_a_damaged_cache_is_made_again(folder: Path, place: str, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    files = files_in(folder)
    wanted = [image.clone() for image in decoded(files, ANY, cache=place)]
    found = only_cache(place)
    if damage == "pixels":
        with open(found / "pixels.npy", "r+b") as file:
            file.truncate(200)
    elif damage == "table":
        content = bytearray((found / "images.npz").read_bytes())
        content[90] ^= 255
        (found / "images.npz").write_bytes(content)
    elif damage == "about":
        (found / "about.json").write_text("[]")
    else:
        (found / "pixels.npy").unlink()
    with caplog.at_level(logging.INFO):
        images = decoded(files, ANY, cache=place)
    assert "Decoding 7 images" in caplog.text
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(images, wanted))


def test_what_goes_wrong_leaves_no_half_cache(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*rest: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "decode_here", stop)
        with pytest.raises(KeyboardInterrupt):
            decoded(files_in(folder), SMALL, cache=place)
    assert [path for path in Path(place).iterdir() if path.is_dir()] == []
    full = shutil.disk_usage(folder)._replace(free=100)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: full)
        with pytest.raises(DataError, match=r"free; set data\.cache"):
            decoded(files_in(folder), SMALL, cache=place)
    (folder / "file").write_text("")
    with pytest.raises(DataError, match=r"no images can be cached in .*data\.cache"):
        decoded(files_in(folder), SMALL, cache=str(folder / "file"))


def test_the_users_cache_is_the_default(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", place)
    decoded(files_in(folder), SMALL)
    about = json.loads((only_cache(str(Path(place) / "images")) / "about.json").read_text())
    assert about["from"]["root"] == str(folder)


def test_a_map_lets_go_of_what_was_read(folder: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = decoded(files_in(folder), SMALL, cache=place)
    monkeypatch.setattr("zoo.files.AT_ONCE", 0)
    before = images[5].clone()
    assert torch.equal(images[5], before)  # it is read from the file again


def test_images_in_memory_are_images() -> None:
    random = torch.Generator().manual_seed(0)
    given = [torch.randint(0, 256, (1, height, 5), dtype=torch.uint8, generator=random) for height in (3, 4)]
    images = DecodedImages.of(given)
    assert [image.shape for image in images] == [(1, 3, 5), (1, 4, 5)]
    assert torch.equal(images[1], given[1])
