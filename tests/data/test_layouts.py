"""Layouts of folders of images, told from names alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data.layouts import layout
from zoo.errors import DataError

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes empty files of these names: no layout reads one."""

    def files(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return files


CATS_AND_DOGS = ("cats/0.png", "cats/1.png", "dogs/0.png", "dogs/more/1.jpg")
CLASSES = "2 folders are taken as the classes: cats/, dogs/"


def test_folders_are_classes(make: Make) -> None:
    found = layout(make(*CATS_AND_DOGS))
    assert list(found.files.names) == list(CATS_AND_DOGS)
    assert found.folders == ("cats", "cats", "dogs", "dogs")
    assert found.splits is None
    assert found.notes == (CLASSES,)


def test_the_order_is_that_of_paths(make: Make) -> None:
    root = make("a b/1.png", "a/2.png", "a/b/0.png", "a.png", "B/3.png", "a-b/1.png", "a/b.png")
    wanted = sorted(path for path in root.rglob("*") if path.is_file())
    assert list(layout(root, "images").files.names) == [path.relative_to(root).as_posix() for path in wanted]


def test_hidden_files_and_those_that_systems_leave_are_passed_over(make: Make) -> None:
    litter = (".ipynb_checkpoints/0.png", "__MACOSX/cats/0.png", "cats/._0.png", "cats/Thumbs.db", ".cache/x/1.png")
    found = layout(make(*CATS_AND_DOGS, *litter))
    assert list(found.files.names) == list(CATS_AND_DOGS)
    assert found.notes == (CLASSES,)


@pytest.mark.parametrize("ending", ["pgm", "PPM", "jfif", "tif", "webp", "JPG", "bmp"])
def test_images_have_many_endings(make: Make, ending: str) -> None:
    assert len(layout(make(f"a/0.{ending}", f"b/0.{ending}")).files.names) == 2


def test_other_files_are_counted_and_said(make: Make) -> None:
    note, classes = layout(make(*CATS_AND_DOGS, "readme.txt", "cats/x.heic", "dogs/y.heic")).notes
    assert note == "3 files are no images and are passed over: 2 .heic, 1 .txt"
    assert classes == CLASSES
    with pytest.raises(DataError, match=r"has no images .*1 \.heic"):
        layout(make("z/a.heic") / "z")


@pytest.mark.parametrize("val", ["val", "valid", "Validation"])
def test_folders_called_train_and_test_are_the_splits(make: Make, val: str) -> None:
    found = layout(make(*(f"{split}/{name}" for split in ("train", val, "test") for name in CATS_AND_DOGS)))
    assert sorted(set(zip(found.splits or (), found.folders or ()))) == [
        (split, kind) for split in ("test", "train", "val") for kind in ("cats", "dogs")
    ]
    assert "train/" in found.notes[0]
    assert "splits" in found.notes[0]


@pytest.mark.parametrize("word", ["{}_set", "{}-data", "{} images", "{}set"])
def test_splits_may_be_called_sets(make: Make, word: str) -> None:
    train, test = word.format("training"), word.format("Test")
    found = layout(make(*(f"{split}/{kind}/0.png" for split in (train, test) for kind in ("cats", "dogs"))))
    assert found.splits == ("test", "test", "train", "train")
    assert found.folders == ("cats", "dogs") * 2


def test_a_folder_within_a_folder_is_looked_into(make: Make) -> None:
    found = layout(make(*(f"pets/images/{name}" for name in CATS_AND_DOGS)))
    assert found.folders == ("cats", "cats", "dogs", "dogs")
    assert found.notes == ("all images are in pets/", "all images are in images/", CLASSES)
    assert list(found.files.names) == list(CATS_AND_DOGS)


def test_splits_need_no_classes(make: Make) -> None:
    found = layout(make("train/0.png", "train/1.png", "test/0.png"))
    assert found.splits == ("test", "train", "train")
    assert found.folders is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/a/0.png", "test/a/0.png", "bus/0.png"), r"look like splits, and beside them bus/.*data\.layout"),
        (("train/a/0.png", "train/b/0.png", "test/c/0.png"), r"c in test of .* is no class of train: a, b"),
        (("train/a/0.png", "train/b/0.png", "test/0.png", "test/b/1.png"), "images of test .* not all in folders"),
    ],
)
def test_mistakes_in_a_layout_are_named(make: Make, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        layout(make(*names))


def test_a_folder_may_be_a_class_whatever_its_name(make: Make) -> None:
    root = make("train/0.png", "bus/0.png", "plane/0.png")
    assert set(layout(root).folders or ()) == {"train", "bus", "plane"}
    make("test/0.png")
    assert set(layout(root, "classes").folders or ()) == {"train", "bus", "plane", "test"}
    assert layout(root, "images").folders is None
    with pytest.raises(DataError, match="at least two"):
        layout(make("deep/a/0.png") / "deep", "classes")


def test_a_stray_image_costs_nothing_and_is_named(make: Make) -> None:
    found = layout(make(*CATS_AND_DOGS, "preview.png"))
    assert found.folders == ("cats", "cats", "dogs", "dogs")
    assert "1 of 5 images" in found.notes[0]
    assert "preview.png" in found.notes[0]


def test_many_images_beside_folders_are_no_strays(make: Make) -> None:
    root = make(*CATS_AND_DOGS, *(f"{number}.png" for number in range(6)))
    found = layout(root)
    assert found.folders is None
    assert len(found.files.names) == 10
    assert "6 of 10 images" in found.notes[0]
    assert layout(root, "classes").folders == ("cats", "cats", "dogs", "dogs")


def test_links_are_followed_but_not_in_circles(make: Make, tmp_path: Path) -> None:
    root = make("root/cats/0.png", "elsewhere/0.png").joinpath("root")
    (root / "dogs").symlink_to(tmp_path / "elsewhere")
    (root / "cats" / "back").symlink_to(root)
    assert list(layout(root).files.names) == ["cats/0.png", "dogs/0.png"]


def test_one_folder_is_said_to_be_no_class(make: Make) -> None:
    found = layout(make("cats/a.png", "cats/b.png"))
    assert found.folders is None
    assert any("all images are in cats/: one folder is no class" in note for note in found.notes)
