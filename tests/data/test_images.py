"""Sources of images."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import PIL.Image
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torchvision import datasets

from zoo.data.images import CIFAR10, EMNIST, MNIST, Digits, FashionMNIST, RandomAffine, RandomShift
from zoo.errors import DataError
from zoo.spec import Classes

# RandomShift


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """An image (C, H, W) whose pixel at (y, x) is what was at (y + down, x + right), or at the nearest edge."""
    _, height, width = image.shape
    result = torch.empty_like(image)
    for y in range(height):
        for x in range(width):
            result[:, y, x] = image[:, min(max(y + down, 0), height - 1), min(max(x + right, 0), width - 1)]
    return result


@pytest.mark.parametrize(
    ("shape", "pixels"), [((60, 1, 5, 7), 1), ((60, 3, 4, 4), 2), ((20, 1, 3, 2), 9), ((9, 2, 1, 1), 3)]
)
def test_each_image_is_shifted_by_an_amount_of_its_own(shape: tuple[int, ...], pixels: int) -> None:
    torch.manual_seed(0)
    batch = torch.randint(0, 256, shape, dtype=torch.uint8)
    result = RandomShift(pixels)(batch)
    assert result.dtype == torch.uint8
    assert result.shape == batch.shape
    moves = [(down, right) for down in range(-pixels, pixels + 1) for right in range(-pixels, pixels + 1)]
    seen = set()
    for before, after in zip(batch, result):
        fitting = [move for move in moves if torch.equal(shifted(before, *move), after)]
        assert fitting
        seen.add(fitting[0])
    if shape[0] >= 60 and pixels == 1:
        assert len(seen) == 9  # all of them occur


def test_shifts_are_uniform() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(9, dtype=torch.uint8).expand(9000, 1, 9, 9)  # each pixel holds its column
    centre = RandomShift(2)(ramp)[:, 0, 4, 4]
    counts = np.bincount(centre.numpy(), minlength=9)
    assert counts[[0, 1, 7, 8]].sum() == 0
    assert np.abs(counts[2:7] - 1800).max() < 5 * np.sqrt(1800)


def test_a_shift_of_no_pixels_changes_nothing_and_none_touches_its_input() -> None:
    batch = torch.randint(0, 256, (4, 1, 5, 5), dtype=torch.uint8)
    before = batch.clone()
    assert torch.equal(RandomShift(0)(batch), batch)
    RandomShift(3)(batch)
    assert torch.equal(batch, before)


def test_shifts_follow_the_seed() -> None:
    batch = torch.randint(0, 256, (50, 1, 6, 6), dtype=torch.uint8)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(RandomShift(2)(batch))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("pixels", [-1, 1.5, "1", True, None])
def test_a_shift_that_cannot_be_is_refused(pixels: object) -> None:
    with pytest.raises(ValueError, match="pixels must be a whole number of at least 0"):
        RandomShift(pixels)  # type: ignore[arg-type]


# Digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    data = Digits()
    data.prepare_data()
    data.setup()
    return data


def test_digits_are_split_without_overlap_and_none_is_lost(digits: Digits) -> None:
    assert {split: len(examples) for split, examples in digits.splits.items()} == {
        "train": 1257,
        "val": 270,
        "test": 270,
    }
    ours = torch.cat([examples.columns[0] for examples in digits.splits.values()]).flatten(1)
    labels = torch.cat([examples.columns[1] for examples in digits.splits.values()])
    source = load_digits()
    theirs = np.rint(source.data * 255 / 16).astype(np.uint8)
    rows = sorted(map(tuple, torch.cat([ours, labels[:, None].to(torch.uint8)], dim=1).tolist()))
    assert rows == sorted(map(tuple, np.column_stack([theirs, source.target]).tolist()))


def test_digits_are_stratified(digits: Digits) -> None:
    shares = [examples.columns[1].bincount(minlength=10) / len(examples) for examples in digits.splits.values()]
    for share in shares:
        assert torch.allclose(share, shares[0], atol=0.01)


def test_the_spec_s_statistics_are_of_the_training_split(digits: Digits) -> None:
    pixels = digits.splits["train"].columns[0].numpy().astype(np.float64) / 255
    assert digits.spec.input.mean == pytest.approx((pixels.mean(),), rel=1e-5)
    assert digits.spec.input.std == pytest.approx((pixels.std(),), rel=1e-3)
    everything = np.concatenate([examples.columns[0].numpy() for examples in digits.splits.values()]) / 255
    assert digits.spec.input.mean != pytest.approx((everything.mean(),), rel=1e-5)  # or this could not tell
    assert (digits.spec.input.height, digits.spec.input.width) == (8, 8)
    assert digits.spec.output == Classes(tuple("0123456789"))


def test_the_split_s_seed_decides_it(digits: Digits) -> None:
    again, other = Digits(), Digits(split_seed=1)
    again.setup()
    other.setup()
    assert torch.equal(again.splits["test"].columns[0], digits.splits["test"].columns[0])
    assert not torch.equal(other.splits["test"].columns[0], digits.splits["test"].columns[0])


# MNIST


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the format of the MNIST files."""
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def forged(tmp_path: Path) -> Path:
    """A root whose files are well-formed, but hold a few images only."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 6), ("t10k", 2)):
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(np.zeros((count, 28, 28), np.uint8)))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.zeros(count, np.uint8)))
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads go to a port where nobody listens."""
    monkeypatch.setattr(datasets.MNIST, "mirrors", ["http://127.0.0.1:9/"])


@pytest.mark.usefixtures("no_network")
def test_files_that_are_missing_and_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"could not be downloaded .*set data\.root") as caught:
        MNIST(str(tmp_path / "nowhere")).prepare_data()
    assert str(tmp_path / "nowhere") in str(caught.value)


@pytest.mark.usefixtures("no_network")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="could not be downloaded"):
        MNIST(str(tmp_path / "file")).prepare_data()


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], **options: object) -> Iterator[str]:
    """Gives the address of a local server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, **options)) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_download_that_is_not_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Portal(BaseHTTPRequestHandler):
        """Answers whatever it is asked for with a page of its own, as the networks of hotels do."""

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args: object) -> None:
            pass

    with served(Portal) as address:
        monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
        with pytest.raises(DataError, match="could not be downloaded"):
            MNIST(str(tmp_path)).prepare_data()


@pytest.mark.usefixtures("no_network")
def test_files_that_are_there_are_not_downloaded(forged: Path) -> None:
    MNIST(str(forged)).prepare_data()


def test_too_few_images(forged: Path) -> None:
    with pytest.raises(DataError, match=r"8 images, not 70000"):
        MNIST(str(forged)).setup()


WHOLE = idx(np.zeros((6, 28, 28), np.uint8))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        WHOLE[:2],
        WHOLE[:10],
        WHOLE[:16],
        WHOLE[:-1],
        WHOLE + b"\0",
        b"a text, and not a short one at that",
        b"\xff" * 999,
        b"\0\0\x0a\3" + WHOLE[4:],
    ],
    ids=["empty", "no magic", "no sizes", "no pixels", "a byte less", "a byte more", "text", "ones", "of no type"],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_damaged_files(forged: Path, name: str, content: bytes) -> None:
    (forged / "MNIST" / "raw" / name).write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        MNIST(str(forged)).setup()


def test_labels_that_are_no_digits(forged: Path) -> None:
    for name, count in (("train", 60_000), ("t10k", 10_000)):
        (forged / "MNIST" / "raw" / f"{name}-images-idx3-ubyte").write_bytes(idx(np.zeros((count, 28, 28), np.uint8)))
        labels = np.full(count, 9, np.uint8)
        labels[-1] += name == "t10k"
        (forged / "MNIST" / "raw" / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    with pytest.raises(DataError, match=r"damaged .*label 10"):
        MNIST(str(forged)).setup()


@pytest.mark.parametrize("val_size", [0, -1, 60_000, 1.5, True])
def test_a_validation_split_that_cannot_be_is_refused(val_size: object) -> None:
    with pytest.raises(ValueError, match="val_size must be a whole number from 1 to 59999"):
        MNIST("", val_size=val_size)  # type: ignore[arg-type]


@pytest.mark.parametrize("split_seed", [-1, 2**32, 0.5, "0", None, True])
@pytest.mark.parametrize("source", [Digits, partial(MNIST, "")], ids=["digits", "mnist"])
def test_a_seed_that_cannot_be_is_refused(source: Callable[..., object], split_seed: object) -> None:
    with pytest.raises(ValueError, match="split_seed must be a whole number from 0 to 4294967295"):
        source(split_seed=split_seed)


@pytest.mark.skipif("ZOO_DATA" not in os.environ, reason="ZOO_DATA names no folder with MNIST/raw")
@pytest.mark.usefixtures("no_network")
def test_the_real_mnist() -> None:
    data = MNIST(os.environ["ZOO_DATA"])
    data.prepare_data()
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {
        "train": 55_000, "val": 5_000, "test": 10_000,
    }  # fmt: skip
    test = data.splits["test"]
    assert test.columns[1][:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # the official ones, in their order
    assert torch.bincount(test.columns[1]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    labels = torch.cat([data.splits["train"].columns[1], data.splits["val"].columns[1]])
    assert torch.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    pixels = {split: {p.tobytes() for p in examples.columns[0].numpy()} for split, examples in data.splits.items()}
    assert {name: len(examples) for name, examples in pixels.items()} == {
        "train": 55_000, "val": 5_000, "test": 10_000,
    }  # fmt: skip
    assert not pixels["train"] & pixels["val"]
    assert not (pixels["train"] | pixels["val"]) & pixels["test"]
    assert data.spec.input.mean == pytest.approx((0.1307,), abs=5e-4)
    assert data.spec.input.std == pytest.approx((0.3081,), abs=5e-4)


# Other official sets, from small files in their formats


def image_files(root: Path, folder: str, prefixes: tuple[str, str], transposed: bool) -> list[np.ndarray]:
    """Write training and test files in the format of MNIST, of ten and four images; gives those of the test part."""
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(0)
    for prefix, count in zip(prefixes, (10, 4)):
        images = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        stored = images.transpose(0, 2, 1) if transposed else images
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(idx(np.ascontiguousarray(stored)))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8)))
    return list(images)


@pytest.mark.parametrize(
    ("source", "prefixes", "transposed"),
    [
        (FashionMNIST, ("train", "t10k"), False),
        (EMNIST, ("emnist-balanced-train", "emnist-balanced-test"), True),
    ],
    ids=["fashion_mnist", "emnist"],
)
@pytest.mark.usefixtures("no_network")
def test_sets_in_the_format_of_mnist(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: type[FashionMNIST],
    prefixes: tuple[str, str],
    transposed: bool,
) -> None:
    monkeypatch.setattr(source, "sizes", (10, 4))
    originals = image_files(tmp_path, source.title, prefixes, transposed)
    data = source(str(tmp_path), val_size=3)
    data.prepare_data()
    data.setup()
    assert {split: len(examples) for split, examples in data.splits.items()} == {"train": 7, "val": 3, "test": 4}
    images, labels = data.splits["test"].columns
    assert (images[:, 0].numpy() == np.stack(originals)).all()
    assert labels.tolist() == [0, 1, 2, 3]


@pytest.mark.usefixtures("no_network")
def test_more_images_are_brought_to_the_form_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing by another hand, dark on white: the box of its ink is 20 pixels high, as MNIST's is."""
    monkeypatch.setattr(MNIST, "sizes", (10, 4))
    image_files(tmp_path, "MNIST", ("train", "t10k"), transposed=False)
    more = tmp_path / "more"
    (more / "7").mkdir(parents=True)
    drawing = np.full((90, 60, 3), 255, np.uint8)
    drawing[10:50, 30:50] = 0
    PIL.Image.fromarray(drawing).save(more / "7" / "mine.png")
    with_it, without = (MNIST(str(tmp_path), val_size=3, more=folder) for folder in (str(more), None))
    for data in (with_it, without):
        data.setup()
    images, labels = with_it.splits["train"].columns
    assert labels.tolist() == [*without.splits["train"].columns[1].tolist(), 7]
    assert (images[:-1] == without.splits["train"].columns[0]).all()
    assert images[-1].sum() / 255 == pytest.approx(20 * 10, rel=0.05)  # 20 rows of 10 pixels of ink
    assert (images[-1, 0, 14, [8, 14, 20]] > 128).tolist() == [False, True, False]
    assert with_it.spec == without.spec
    assert [len(with_it.splits[split]) for split in ("val", "test")] == [3, 4]
    (more / "7" / "bad.png").write_text("no image")
    with pytest.raises(DataError, match=r"bad.png is no image that can be read; remove it"):
        MNIST(str(tmp_path), val_size=3, more=str(more)).setup()
    (more / "7" / "bad.png").unlink()
    (more / "seven").mkdir()
    (more / "7" / "mine.png").rename(more / "seven" / "mine.png")
    with pytest.raises(DataError, match=r"seven/mine.png is in no folder of a class of MNIST: 0, 1"):
        MNIST(str(tmp_path), val_size=3, more=str(more)).setup()
    data = MNIST(str(tmp_path), val_size=3, more=str(tmp_path / "nowhere"))
    data.setup("test")  # as where a published weight is evaluated
    with pytest.raises(DataError, match=r"no folder .*nowhere; set data.more to"):
        data.setup("fit")


@pytest.mark.usefixtures("no_network")
def test_more_images_may_be_of_any_class_and_what_is_passed_over_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FashionMNIST, "sizes", (10, 4))
    image_files(tmp_path, "FashionMNIST", ("train", "t10k"), transposed=False)
    for name in FashionMNIST.classes:
        (tmp_path / "more" / name).mkdir(parents=True)
        PIL.Image.new("RGBA", (9, 9)).save(tmp_path / "more" / name / "mine.png")
    (tmp_path / "more" / "trouser" / "photo.heic").touch()
    data = FashionMNIST(str(tmp_path), val_size=3, more=str(tmp_path / "more"))
    data.setup()
    assert sorted(data.splits["train"].columns[1][7:].tolist()) == list(range(10))
    assert any("passed over: 1 .heic" in note for note in data.notes)


def test_emnist_has_the_classes_of_torchvision() -> None:
    assert sorted(EMNIST.classes) == datasets.EMNIST.classes_split_dict["balanced"]
    assert list(EMNIST.classes) == datasets.EMNIST.classes_split_dict["balanced"]


def test_cifar10_is_downloaded_and_read_without_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
        for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
            originals = random.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
            content = b"".join(bytes([label]) + image.tobytes() for label, image in zip((3, 9), originals))
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(CIFAR10, "sizes", (10, 2))
    data = CIFAR10(str(tmp_path / "root"), val_size=2)
    with served(SimpleHTTPRequestHandler, directory=str(tmp_path)) as address:
        monkeypatch.setattr(CIFAR10, "url", f"{address}cifar.tar.gz")
        with pytest.raises(DataError, match="could not be downloaded"):  # its md5 is not that of the real one
            data.prepare_data()
        monkeypatch.setattr(CIFAR10, "md5", hashlib.md5((tmp_path / "cifar.tar.gz").read_bytes()).hexdigest())
        data.prepare_data()
    data.setup()
    images, labels = data.splits["test"].columns
    assert (images.numpy() == originals).all()
    assert labels.tolist() == [3, 9]
    assert (data.spec.input.channels, data.spec.output.names[3]) == (3, "cat")
    (tmp_path / "root" / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"cifar-10-batches-bin files .* are damaged"):
        CIFAR10(str(tmp_path / "root"), val_size=2).setup()


# Turned, scaled and shifted


def test_random_affine_turns_as_torchvision_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an oblong image, whose edge is dark: what lies beyond it is a matter of taste."""
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import affine

    image = torch.zeros(2, 3, 20, 30, dtype=torch.uint8)
    image[:, :, 7:13, 9:21] = torch.randint(0, 256, (2, 3, 6, 12), generator=torch.Generator().manual_seed(0))
    drawn = torch.tensor([[1.0, 0.25], [0.5, 0.0], [0.75, 0.5], [0.0, 0.9]])  # angle, scale, right, down; of two images
    monkeypatch.setattr(torch, "rand", lambda *size, **kwargs: drawn)
    still = RandomAffine(degrees=40, scale=0.2)(image)
    signs = drawn * 2 - 1
    for index, (angle, scale, _, _) in enumerate(signs.T.tolist()):
        expected = affine(
            image[index].float(),
            angle=-40 * angle,
            translate=[0, 0],
            scale=1 + 0.2 * scale,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        assert (still[index] - expected).abs().max() <= 1.5
    centres = [_centre(batch) for batch in (RandomAffine(pixels=4)(image), image)]
    torch.testing.assert_close(centres[0] - centres[1], -4 * signs[2:].T, rtol=0, atol=0.05)


def _centre(batch: Tensor) -> Tensor:
    """Where the light of each image lies, in pixels: (B, 2), right and down."""
    light = batch.float().sum(dim=1)
    total = light.sum(dim=(1, 2))
    right = (light.sum(dim=1) * torch.arange(light.shape[2])).sum(dim=1) / total
    down = (light.sum(dim=2) * torch.arange(light.shape[1])).sum(dim=1) / total
    return torch.stack([right, down], dim=1)


def test_random_affine_of_nothing_changes_nothing() -> None:
    batch = torch.randint(0, 256, (4, 1, 7, 9), dtype=torch.uint8)
    assert torch.equal(RandomAffine()(batch), batch)


def test_random_affine_repeats_the_edge_and_keeps_to_its_ranges() -> None:
    bright = torch.full((50, 1, 6, 6), 200, dtype=torch.uint8)
    assert (RandomAffine(degrees=180, scale=0.5, pixels=3)(bright) == 200).all()
    for wrong in (
        {"degrees": -1},
        {"degrees": 181},
        {"scale": 1.0},
        {"pixels": -0.5},
        {"shear": 1.0},
        {"aspect": -0.1},
    ):
        with pytest.raises(ValueError, match=r"degrees|scale|pixels|shear|aspect"):
            RandomAffine(**wrong)


def test_random_affine_slants_and_widens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a square: its width grows by the aspect alone, and a slant moves rows by their distance from the middle."""
    image = torch.zeros(2, 1, 40, 60, dtype=torch.uint8)
    image[:, :, 12:28, 22:38] = 200
    drawn = iter([torch.full((4, 2), 0.5), torch.tensor([[0.5, 1.0], [1.0, 0.5]])])  # lean and width of two images
    monkeypatch.setattr(torch, "rand", lambda *size, **kwargs: next(drawn))
    wide, slanted = RandomAffine(shear=0.4, aspect=0.25)(image).float()[:, 0]
    assert wide.sum() / image[0].sum() == pytest.approx(1.25, rel=0.03)
    assert slanted.sum() / image[1].sum() == pytest.approx(1.0, rel=0.03)
    columns = torch.arange(60.0)
    middles = (slanted @ columns / slanted.sum(dim=1))[14:26]
    torch.testing.assert_close(middles.diff().abs(), torch.full((11,), 0.4), rtol=0, atol=0.02)
