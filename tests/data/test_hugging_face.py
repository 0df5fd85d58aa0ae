"""Data sets in the formats of the Hugging Face Hub: images, texts and tables, and what is refused."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from zoo.data.core import cache
from zoo.data.hugging_face import HuggingFace
from zoo.errors import DataError
from zoo.spec import Classes, Image, MultiLabel, Table, Text, Values

datasets = pytest.importorskip("datasets")
WORDS = ["red", "green", "blue", "grey", "pink", "teal", "gold", "lime", "navy", "rust", "plum", "sand"]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fetched, and no cache of the user's is used."""
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "zoo"))
    datasets.disable_progress_bars()


def png(level: int) -> dict[str, Any]:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((9, 12, 3), level, np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def images(levels: list[int], **columns: list[Any]) -> Any:
    """Images of one grey level each; those above 99 are `bright`, the others `dark`."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dark", "bright"])}
    rows = {"image": [png(level) for level in levels], "label": [int(level > 99) for level in levels]}
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


def texts(count: int, start: int = 0, label: Any = None) -> Any:
    bodies = [
        "They painted it " + " ".join(WORDS[n // 12**k % 12] for k in range(3)) for n in range(start, start + count)
    ]
    features = datasets.Features(text=datasets.Value("string"), label=label or datasets.ClassLabel(names=["no", "yes"]))
    return datasets.Dataset.from_dict({"text": bodies, "label": [n % 2 for n in range(count)]}, features=features)


def setup(path: Path, **options: Any) -> HuggingFace:
    data = HuggingFace(str(path), **options)
    data.prepare_data()
    data.setup()
    return data


def test_images_with_classes(tmp_path: Path) -> None:
    levels = [60 + 2 * n for n in range(40)]
    parts = {"train": images(levels), "test": images([10, 240, 30])}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    data = setup(tmp_path / "set", size=8, batch_size=4)
    assert isinstance(data.spec.input, Image)
    assert data.spec.output == Classes(("bright", "dark"))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [36, 4, 3]
    seen = []
    for split in ("train", "val"):
        pixels, labels = data.splits[split].__getitems__(range(len(data.splits[split])))
        assert pixels.shape[1:] == (3, 8, 8)  # type: ignore[union-attr]
        level = pixels[:, 0, 0, 0]  # type: ignore[call-overload]
        assert labels.equal((level <= 99).long())  # type: ignore[union-attr]
        seen += level.tolist()
    assert sorted(seen) == levels
    pixels, labels = next(iter(data.test_dataloader()))
    assert pixels[:, 0, 0, 0].tolist() == [10, 240, 30]
    assert labels.tolist() == [1, 0, 1]


def test_images_are_decoded_once_and_a_damaged_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FEW", 0)
    monkeypatch.setattr(cache, "_processes", lambda count, size: 1)
    rows = images([50 + 5 * n for n in range(30)])
    rows.save_to_disk(str(tmp_path / "set"))
    first = setup(tmp_path / "set", size=8, cache=str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "decode_here", None)  # would be an error now
    again = setup(tmp_path / "set", size=8, cache=str(tmp_path / "cache"))
    assert torch.equal(first.splits["train"].__getitems__([0, 5])[0], again.splits["train"].__getitems__([0, 5])[0])  # type: ignore[arg-type]
    monkeypatch.undo()
    damaged = rows.cast_column("image", datasets.Image(decode=False)).map(
        lambda row, place: {"image": {"bytes": row["image"]["bytes"][: -40 * (place == 7) or None], "path": None}},
        with_indices=True,
    )
    damaged.cast_column("image", datasets.Image()).save_to_disk(str(tmp_path / "bad"))
    with pytest.raises(DataError, match="bad, train, row 8"):
        setup(tmp_path / "bad", size=8)
    assert sum(map(len, setup(tmp_path / "bad", size=8, unreadable="skip").splits.values())) == 29


def test_images_in_processes(tmp_path: Path) -> None:
    from zoo.spec.image_decoding import Decoder, decode_in_processes

    image, target = Image(1, 4, 4, (0.5,), (0.5,)), tmp_path / "pixels"
    target.write_bytes(bytes(32))
    jobs = [(row, png(level)["bytes"], 16 * row, 16) for row, level in enumerate((7, 200))]
    found = list(decode_in_processes(Decoder(image, True), jobs, target, 1))
    assert [each.error for each in found] == ["", ""]
    assert target.read_bytes() == bytes([7] * 16 + [200] * 16)


def test_texts_of_a_folder_of_parquet(tmp_path: Path) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    for split, start, count in (("train", 0, 60), ("validation", 60, 10), ("test", 70, 12)):
        texts(count, start).to_parquet(tmp_path / "set" / "data" / f"{split}-00000-of-00001.parquet")
    data = setup(tmp_path / "set")
    assert isinstance(data.spec.input, Text)
    assert data.spec.output == Classes(("no", "yes"))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [60, 10, 12]
    codes, label = data.splits["test"][0]
    assert codes.equal(data.spec.input.encode(texts(1, 70)["text"][0]).int())  # type: ignore[union-attr]
    assert int(label) == 0  # type: ignore[arg-type]


def test_texts_with_several_labels_and_a_test_without_any(tmp_path: Path) -> None:
    names = datasets.List(datasets.ClassLabel(names=["a", "b"]))
    rows = texts(40).remove_columns("label").add_column("tags", [[0] * (n % 2) + [1] * (n % 3 == 0) for n in range(40)])
    datasets.DatasetDict(train=rows.cast_column("tags", names)).save_to_disk(str(tmp_path / "several"))
    data = setup(tmp_path / "several")
    assert data.spec.output == MultiLabel(("a", "b"))
    plain = datasets.Dataset.from_dict({"text": texts(5, 100)["text"], "label": [-1] * 5})
    whole = datasets.Dataset.from_dict({"text": texts(40)["text"], "label": texts(40)["label"]})
    datasets.DatasetDict(train=whole, test=plain).save_to_disk(str(tmp_path / "plain"))
    assert "labels are hidden" in " ".join(setup(tmp_path / "plain").notes)
    hidden = texts(5, 100).map(lambda row: {"label": -1})
    datasets.DatasetDict(train=texts(40), test=hidden, unsupervised=texts(9)).save_to_disk(str(tmp_path / "hidden"))
    data = setup(tmp_path / "hidden")
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [32, 4, 4]
    said = " ".join(data.notes)
    assert "labels are hidden" in said
    assert "passed over: unsupervised" in said


def test_a_table(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    columns = {"area": random.normal(size=80), "town": random.choice(["A", "B"], 80), "price": random.normal(size=80)}
    rows = datasets.Dataset.from_dict({**columns, "path": [[n, n] for n in range(80)]})
    rows.to_parquet(tmp_path / "houses.parquet")
    data = setup(tmp_path / "houses.parquet", target="price")
    assert isinstance(data.spec.input, Table)
    assert [column.name for column in data.spec.input.columns] == ["area", "town"]
    assert isinstance(data.spec.output, Values)
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [64, 8, 8]
    assert any("left out: path" in note for note in data.notes)
    with pytest.raises(DataError, match="which column is to be learned"):
        setup(tmp_path / "houses.parquet")
    with pytest.raises(DataError, match="unknown column 'prise'; did you mean 'price'"):
        setup(tmp_path / "houses.parquet", target="prise")


def test_a_script_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot read the data set"):
        setup(tmp_path / "set")
    assert not (tmp_path / "run").exists()


def test_what_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="there is no file or folder"):
        setup(tmp_path / "nowhere")
    (tmp_path / "set.txt").write_text("a", encoding="utf-8")
    with pytest.raises(DataError, match="none of the files that are read"):
        setup(tmp_path / "set.txt")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="cannot read the data set"):
        setup(tmp_path / "bad")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"classic-zoo\[hf\]"):
        setup(tmp_path / "set")
