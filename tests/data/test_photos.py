"""Patches of photographs, and folders of images."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

from zoo.data.augmentation import RandomFlip
from zoo.data.core import cache
from zoo.data.image_columns import Patches
from zoo.data.photos import ImageFolder, Photos
from zoo.errors import DataError, SpecError
from zoo.models import build
from zoo.spec import Classes, Image, Values


def random_images(*sizes: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for size in sizes]


def write(folder: Path, count: int, size: tuple[int, int] = (40, 50)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for number in range(count):
        PIL.Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{number:03}.png")


def test_patches_are_cut_out_of_their_images() -> None:
    """All of them, in the order of a plain loop over images, rows and columns."""
    images = random_images((20, 33), (17, 16), (40, 16))
    patches = Patches(images, 16, 4)
    wanted = [
        image[:, top : top + 16, left : left + 16]
        for image in images
        for top in range(0, image.shape[1] - 15, 4)
        for left in range(0, image.shape[2] - 15, 4)
    ]
    assert len(patches) == len(wanted)
    assert torch.equal(patches.index_select(0, torch.arange(len(wanted))), torch.stack(wanted))
    assert torch.equal(patches[3], wanted[3])


def test_the_photos_splits_share_no_pixel() -> None:
    data = Photos()
    data.setup()
    assert data.spec.input == data.spec.output
    batch = next(iter(data.train_dataloader()))[0]
    assert batch.shape == (16, 3, 64, 64)
    assert batch.dtype == torch.uint8
    widths = [examples.columns[0].widths[0].item() for examples in data.splits.values()]
    assert widths == [448, 96, 96]
    assert [len(examples) for examples in data.splits.values()] == [1150, 48, 48]
    values = data.splits["train"].columns[0].index_select(0, torch.arange(0, 1150, 4)).float() / 255
    assert data.spec.input.mean == pytest.approx(values.mean(dim=(0, 2, 3)).tolist(), abs=0.05)


@pytest.mark.parametrize("rotate90", [False, True])
def test_flips_give_all_ways_to_lay_an_image(rotate90: bool) -> None:
    torch.manual_seed(0)
    image = torch.arange(9, dtype=torch.uint8).view(1, 3, 3)
    found = {tuple(flipped.flatten().tolist()) for flipped in RandomFlip(rotate90)(image.expand(200, 1, 3, 3))}
    ways = [image, image.flip(-1)]
    if rotate90:
        ways = [torch.rot90(way, turn, (1, 2)) for way in ways for turn in range(4)]
    assert found == {tuple(way.flatten().tolist()) for way in ways}


def test_a_folder_is_split_by_file(tmp_path: Path) -> None:
    write(tmp_path, 20)
    data = ImageFolder(str(tmp_path), patch=16)
    data.setup()
    counts = {split: len(examples.columns[0]) for split, examples in data.splits.items()}
    assert counts == {"train": 16 * 4 * 5, "val": 2 * 2 * 3, "test": 2 * 2 * 3}
    seen = {
        split: {int(row.sum()) for row in next(iter(getattr(data, f"{split}_dataloader")()))[0].flatten(1)}
        for split in counts
    }
    assert not seen["val"] & seen["test"]
    assert type(data.spec.input) is Image
    assert data.spec.input.height is None


def test_images_of_another_folder_are_tested_whole(tmp_path: Path) -> None:
    write(tmp_path / "train", 5)
    write(tmp_path / "test", 2, (30, 22))
    write(tmp_path / "test" / "more", 1, (12, 90))
    data = ImageFolder(str(tmp_path / "train"), patch=32, test_root=str(tmp_path / "test"))
    data.setup()
    shapes = [batch[0].shape for batch in data.test_dataloader()]
    assert sorted(shapes) == [(1, 3, 12, 90), (1, 3, 30, 22), (1, 3, 30, 22)]
    assert len(data.splits["train"].columns[0]) == 4 * 1 * 2


def test_classes_of_another_folder_are_those_of_the_folders_within_it(tmp_path: Path) -> None:
    for kind in ("cats", "dogs"):
        write(tmp_path / "train" / kind, 3)
        write(tmp_path / "test" / kind / "more", 1)
    data = ImageFolder(str(tmp_path / "train"), patch=None, size=12, test_root=str(tmp_path / "test"))
    data.setup()
    assert data.splits["test"].columns[1].tolist() == [0, 1]
    for root, test_root in (("", "test"), ("train", "")):
        with pytest.raises(ValueError, match="test_root and root share images"):
            ImageFolder(str(tmp_path / root), test_root=str(tmp_path / test_root))


def test_folders_in_it_are_classes_of_whole_images(tmp_path: Path) -> None:
    write(tmp_path / "cats", 6)
    write(tmp_path / "dogs", 4)
    data = ImageFolder(str(tmp_path), patch=None, size=12, val_fraction=0.2, test_fraction=0.2)
    data.setup()
    assert data.spec.output == Classes(("cats", "dogs"))
    assert (data.spec.input.height, data.spec.input.width) == (12, 12)
    assert sum(int(examples.columns[1].sum()) for examples in data.splits.values()) == 4
    assert data.splits["train"].__getitems__(range(6))[0].shape == (6, 3, 12, 12)
    build("cnn", data.spec)


def test_patches_of_any_image_do_not_fit_a_network_for_one_size(tmp_path: Path) -> None:
    write(tmp_path, 5)
    data = ImageFolder(str(tmp_path), patch=16)
    data.setup()
    with pytest.raises(SpecError, match=r"data\.patch=null data\.size=64"):
        _ = data.spec.input.size


def test_an_unreadable_file_stops_with_its_name_or_is_skipped_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, 12)
    (tmp_path / "torn.png").write_bytes((tmp_path / "001.png").read_bytes()[:60])
    (tmp_path / "text.jpg").write_text("no image")
    write(tmp_path / "small", 1, (8, 90))
    with pytest.raises(DataError, match=r"000\.png, of 8 x 90 pixels.* patch of 16; data\.unreadable=skip"):
        ImageFolder(str(tmp_path), patch=16).setup()
    (tmp_path / "small" / "000.png").rename(tmp_path / "z.png")
    with pytest.raises(DataError, match=r"cannot read .*te?x?t?o?r?n?\.(jpg|png) as an image.*data\.unreadable=skip"):
        ImageFolder(str(tmp_path), patch=16).setup()
    data = ImageFolder(str(tmp_path), patch=16, unreadable="skip")
    with caplog.at_level(logging.WARNING):
        data.setup()
    assert "Skipped 3 of 15 files that are not usable images: text.jpg, torn.png, z.png" in caplog.text
    assert sum(len(examples.columns[0]) > 0 for examples in data.splits.values()) == 3


def test_a_folder_that_is_of_no_use_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder .*nowhere"):
        ImageFolder(str(tmp_path / "nowhere")).setup()
    with pytest.raises(DataError, match="has no images"):
        ImageFolder(str(tmp_path)).setup()
    write(tmp_path, 2)
    with pytest.raises(DataError, match="has only 2 images; a split needs at least 3"):
        ImageFolder(str(tmp_path), patch=16).setup()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": None}, "give either patch or size"),
        ({"size": 32}, "give either patch or size"),
        ({"unreadable": "ignore"}, "unreadable 'ignore'"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "their sum below 1"),
        ({"channels": 2}, "channels must be 1 or 3, got 2"),
        ({"patch": 4}, "patch must be a whole number from 8"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFolder("folder", **options)


def test_folders_called_train_val_and_test_are_the_splits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for count, split in ((5, "train"), (2, "valid"), (3, "test")):
        for kind in ("cats", "dogs"):
            write(tmp_path / split / kind, count)
    data = ImageFolder(str(tmp_path), patch=None, size=12)
    with caplog.at_level(logging.INFO):
        data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 10, "val": 4, "test": 6}
    assert data.spec.output == Classes(("cats", "dogs"))
    assert data.splits["val"].columns[1].tolist() == [0, 0, 1, 1]
    assert data.notes == ["the folders test/, train/, valid/ are taken as the splits"]
    assert data.notes[0] in caplog.text


def test_a_split_that_is_not_given_is_drawn_from_the_training_images(tmp_path: Path) -> None:
    for count, split in ((10, "train"), (3, "test")):
        for kind in ("cats", "dogs"):
            write(tmp_path / split / kind, count)
    data = ImageFolder(str(tmp_path), patch=None, size=12, val_fraction=0.2)
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 16, "val": 4, "test": 6}


def test_splits_are_drawn_class_by_class(tmp_path: Path) -> None:
    write(tmp_path / "cats", 40)
    write(tmp_path / "dogs", 4)
    for seed in range(3):
        data = ImageFolder(str(tmp_path), patch=None, size=8, split_seed=seed)
        data.setup()
        dogs = {split: int(examples.columns[1].sum()) for split, examples in data.splits.items()}
        assert dogs == {"train": 2, "val": 1, "test": 1}
    write(tmp_path / "emus", 2)
    with pytest.raises(DataError, match=r"class 'emus' has 2 images"):
        ImageFolder(str(tmp_path), patch=None, size=8).setup()
    data = ImageFolder(str(tmp_path), patch=None, size=8, stratify=False)
    data.setup()
    assert sum(map(len, data.splits.values())) == 46


@pytest.mark.parametrize("labels", ["folders", "table"])
def test_labels_and_patches_are_refused_before_anything_is_decoded(tmp_path: Path, labels: str) -> None:
    """These are no images: to decode one would be another error."""
    for name in ("cats/0.png", "cats/1.png", "dogs/0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    if labels == "table":
        (tmp_path / "labels.csv").write_text("file,label\ncats/0.png,a\ncats/1.png,b")
    with pytest.raises(DataError, match=r"data\.patch=null data\.size=64.*data\.layout=images"):
        ImageFolder(str(tmp_path)).prepare_data()
    with pytest.raises(DataError, match=r"data\.patch=null data\.size=64"):
        ImageFolder(str(tmp_path)).expected_specs()


def test_what_is_to_be_learned_is_known_before_anything_is_decoded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        ImageFolder(str(tmp_path / "nowhere")).expected_specs()
    for name in ("cats/0.png", "cats/1.png", "dogs/0.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (spec,) = ImageFolder(str(tmp_path), patch=None, size=12).expected_specs()
    assert spec.output == Classes(("cats", "dogs"))


def test_subfolders_may_say_nothing(tmp_path: Path) -> None:
    write(tmp_path / "cats", 4)
    write(tmp_path / "dogs", 4)
    data = ImageFolder(str(tmp_path), patch=16, layout="images")
    data.setup()
    assert data.spec.input == data.spec.output


def test_a_table_gives_values_to_learn(tmp_path: Path) -> None:
    write(tmp_path / "photos", 12)
    rows = [f"{number:03},{number + 0.5},{-number}" for number in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["image,age,depth", *rows]))
    data = ImageFolder(str(tmp_path), patch=None, size=12)
    data.setup()
    output = data.spec.output
    assert isinstance(output, Values)
    seen = []
    for examples in data.splits.values():
        for image, targets in zip(*examples.__getitems__(range(len(examples)))):
            age, depth = output.restore(targets[None])[0].tolist()
            assert depth == pytest.approx(0.5 - age)
            assert torch.equal(image, data.spec.input.encode(tmp_path / "photos" / f"{round(age - 0.5):03}.png"))
            seen.append(round(age - 0.5))
    assert sorted(seen) == list(range(12))
    assert build("cnn", data.spec)(torch.zeros(2, 3, 12, 12)).shape == (2, 2)
    build("mlp", data.spec)


def test_many_images_are_read_from_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("cats", "dogs"):
        write(tmp_path / "images" / kind, 5)
    options = [{"patch": None, "size": 12}, {"patch": 16, "layout": "images"}]
    for number, option in enumerate(options):
        plain = ImageFolder(str(tmp_path / "images"), **option)  # type: ignore[arg-type]
        plain.setup()
        with monkeypatch.context() as patch:
            patch.setattr(cache, "FEW", 0)
            patch.setattr(cache, "_processes", lambda count, size: 1)
            patch.setattr("zoo.files.AT_ONCE", 0)
            mapped = ImageFolder(str(tmp_path / "images"), cache=str(tmp_path / "cache"), **option)  # type: ignore[arg-type]
            mapped.prepare_data()
            mapped.setup()
            assert mapped.spec == plain.spec
            for split, examples in plain.splits.items():
                ours, theirs = (its.__getitems__(range(len(examples))) for its in (examples, mapped.splits[split]))
                assert all(torch.equal(*columns) for columns in zip(ours, theirs))
        assert len(list((tmp_path / "cache").glob("images-*"))) == number + 1


def test_as_in_version_one_where_stratify_and_draft_are_off(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """The images, split and statistics of a plain loop."""
    write(tmp_path / "b", 9)
    write(tmp_path / "a", 8)
    seed = 3 + pytestconfig.getoption("seed_shift")  # by which that of this file is shifted, and the folder's is not
    data = ImageFolder(str(tmp_path), patch=None, size=12, stratify=False, draft=False, split_seed=seed)
    data.setup()
    files = sorted(tmp_path.rglob("*.png"))
    order = torch.randperm(17, generator=torch.Generator().manual_seed(3)).tolist()
    rows = {"val": order[:2], "test": order[2:4], "train": order[4:]}
    sums = squares = torch.zeros(3).double()
    for row in rows["train"]:
        scaled = data.spec.input.encode(files[row]).flatten(1).double() / 255
        sums, squares = sums + scaled.sum(1), squares + scaled.square().sum(1)
    mean = sums / (13 * 144)
    assert data.spec.input.mean == tuple(mean.tolist())
    assert data.spec.input.std == tuple((squares / (13 * 144) - mean.square()).sqrt().tolist())
    for split, chosen in rows.items():
        images, labels = data.splits[split].__getitems__(range(len(chosen)))
        assert labels.tolist() == [int(files[row].parent.name == "b") for row in chosen]
        assert torch.equal(images, torch.stack([data.spec.input.encode(files[row]) for row in chosen]))
