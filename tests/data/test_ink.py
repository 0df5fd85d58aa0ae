"""Handwriting as data: writers are in one split alone, and what people give is read or refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.data.hands import Written, lines_of
from zoo.data.ink import InkFolder, PenDigits, StrokeAugmentation, StrokeDigits
from zoo.errors import DataError
from zoo.spec import Classes, Transcript
from zoo.spec.strokes import sizes_of

SMALL = {"train_size": 60, "val_size": 20, "test_size": 20, "per_writer": 10}
ZOO_DATA = os.environ.get("ZOO_DATA", "")


def test_generated_digits() -> None:
    data = StrokeDigits(**SMALL)  # type: ignore[arg-type]
    data.setup()
    assert data.spec.output == Classes(tuple("0123456789"))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [60, 20, 20]
    again = StrokeDigits(**SMALL)  # type: ignore[arg-type]
    again.setup()
    for split, examples in data.splits.items():
        (one, lengths), labels = examples.__getitems__(range(20))
        assert torch.equal(one, again.splits[split].__getitems__(range(20))[0][0])
        assert (sizes_of(one, lengths) > 0.5).all()
        assert len(labels) == 20
    writers = [set(part.writers) for part in data.read().values()]
    assert not writers[0] & writers[1] | writers[0] & writers[2] | writers[1] & writers[2]


def test_lines_are_of_one_writer_and_side_by_side() -> None:
    inks = StrokeDigits(**SMALL).read()["train"]  # type: ignore[arg-type]
    by_label = {writer: set() for writer in inks.writers}
    for label, writer in zip(inks.labels, inks.writers):
        by_label[writer].add(label)
    lines = lines_of(inks, 40, 3)
    assert {len(label) for label in lines.labels} == {1, 2, 3}
    for points, label, writer in zip(lines.points, lines.labels, lines.writers):
        assert set(label) <= by_label[writer]
        assert points[0, :2].tolist() == [0, 0]
        assert points[-1, 2] == 1
        width = (points[:, 0].max() - points[:, 0].min()).item()
        assert 0.1 < width / len(label) < 2  # heights
    data = StrokeDigits(line_length=3, lines=30, **SMALL)  # type: ignore[arg-type]
    data.setup()
    assert data.spec.output == Transcript("0123456789")
    assert len(data.splits["train"]) == 30
    assert set(data.splits["test"].columns[1].lengths.tolist()) == {1}  # type: ignore[union-attr]


def test_augmentation_keeps_the_pen_and_stays_near() -> None:
    (points, lengths), _ = _batch()
    changed, told = StrokeAugmentation(10, 0.2, 0.1, 0.03, 0.01)((points, lengths))
    assert torch.equal(told, lengths)
    assert torch.equal(changed[..., 2], points[..., 2])
    sizes = sizes_of(changed, lengths) / sizes_of(points, lengths)
    assert (sizes != 1).all()
    assert sizes.sub(1).abs().max() < 0.8
    same, _ = StrokeAugmentation()((points, lengths))
    torch.testing.assert_close(same, points)


def test_a_quarter_turn_turns() -> None:
    torch.manual_seed(0)
    (points, lengths), _ = _batch()
    turned, _ = StrokeAugmentation(degrees=90)((points, lengths))
    torch.testing.assert_close(turned[..., :2].norm(dim=2), points[..., :2].norm(dim=2), atol=1e-4, rtol=1e-4)


def _batch() -> Any:
    data = StrokeDigits(**SMALL)  # type: ignore[arg-type]
    data.setup()
    return data.splits["train"].__getitems__(range(16))


def test_options_out_of_range_are_refused() -> None:
    for wrong in ({"degrees": 100}, {"shear": -1}, {"scale": 1.0}, {"bend": -0.1}, {"jitter": -0.1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StrokeAugmentation(**wrong)
    for wrong in ({"points": 2}, {"line_length": 0}, {"lines": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            StrokeDigits(**wrong)  # type: ignore[arg-type]


# Files of one's own


def ink(label: str, writer: str | None, number: int) -> dict[str, Any]:
    height = 10 + number
    strokes = [[[0, 0], [0, height]]] if label == "bar" else [[[0, 0], [0, height], [height, 0]]]
    return {"label": label, "strokes": strokes, **({"writer": writer} if writer else {})}


def lines(path: Path, writers: list[str | None]) -> Path:
    inks = [ink(label, writer, number) for number, writer in enumerate(writers) for label in ("bar", "hook")]
    path.write_text("\n".join(map(json.dumps, inks)), encoding="utf-8")
    return path


def test_json_lines_with_writers(tmp_path: Path) -> None:
    data = InkFolder(str(lines(tmp_path / "a.jsonl", ["ann", "bob", "cy", "dee"] * 3)), 0.25, 0.25)
    data.setup()
    assert data.spec.output == Classes(("bar", "hook"))
    parts = data.read()
    assert {split: len(set(part.writers)) for split, part in parts.items()} == {"train": 2, "val": 1, "test": 1}
    assert any("4 writers" in note for note in data.notes)


def test_json_lines_without_writers(tmp_path: Path) -> None:
    data = InkFolder(str(lines(tmp_path / "a.jsonl", [None] * 10)), 0.2, 0.2)
    data.setup()
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [12, 4, 4]
    assert any("same hand" in note for note in data.notes)


def test_a_folder_of_classes_and_a_table_hold_the_same(tmp_path: Path) -> None:
    rows = []
    for label in ("bar", "hook"):
        (tmp_path / "inks" / label).mkdir(parents=True)
        for number in range(6):
            one = ink(label, None, number)
            (tmp_path / "inks" / label / f"{number}.json").write_text(json.dumps(one["strokes"]), encoding="utf-8")
            rows += [f"{label}{number},{label},1,{x},{y}" for x, y in one["strokes"][0]]
    (tmp_path / "inks.csv").write_text("\n".join(["ink,label,stroke,x,y", *rows]), encoding="utf-8")
    folder, table = (InkFolder(str(tmp_path / name))._inks() for name in ("inks", "inks.csv"))
    assert folder.labels == table.labels
    assert all(torch.equal(one, other) for one, other in zip(folder.points, table.points))


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.jsonl", "\n\n", "is empty"),
        ("a.ndjson", '{"word": "cat", "drawing": [[[0, 1], [2]]]}', "line 1: stroke 1 of the drawing"),
        ("a.jsonl", "{", "line 1 is no JSON"),
        ("a.jsonl", '\n{"strokes": []}', "line 2: an ink is an object"),
        ("a.jsonl", '{"label": "7", "strokes": [[[0, 0]]]}', "line 1: the ink is one point"),
        ("a.jsonl", '{"label": "7", "strokes": [[[0, NaN], [1, 1]]]}', "line 1: stroke 1, point 1"),
        ("a.jsonl", '{"label": "7", "strokes": [[0, 0], [1, 1]]}', "line 1: .* where the pen leaves"),
        ("a.csv", "ink,label,x,y\n1,7,0,0\n", "no column 'stroke'"),
        ("a.csv", "ink,label,stroke,x,y\n1,7,1,0,0\n1,8,1,3,4\n", "ink 1 has not one label"),
        ("a.txt", "", r"none of \.jsonl"),
    ],
)
def test_impossible_files_are_one_line(name: str, text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=fault) as caught:
        InkFolder(str(tmp_path / name)).setup()
    assert "\n" not in str(caught.value)


def test_too_little_of_one_s_own(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        InkFolder(str(tmp_path / "none")).setup()
    with pytest.raises(DataError, match="no folders, one a class"):
        InkFolder(str(tmp_path)).setup()
    with pytest.raises(DataError, match="too few for three splits"):
        InkFolder(str(lines(tmp_path / "a.jsonl", [None, None]))).setup()
    file = tmp_path / "b.jsonl"
    file.write_text("\n".join(json.dumps(ink("bar", None, number)) for number in range(9)), encoding="utf-8")
    with pytest.raises(DataError, match="at least two classes"):
        InkFolder(str(file)).setup()


# Pendigits


def test_what_is_missing_or_damaged_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"set data\.root"):
        PenDigits(str(tmp_path)).setup()
    (tmp_path / "pendigits").mkdir()
    (tmp_path / "pendigits" / "pendigits-orig.tra").write_text("x")
    with pytest.raises(DataError, match=r"pendigits-orig\.tra is damaged"):
        PenDigits(str(tmp_path)).setup()


@pytest.mark.skipif(not Path(ZOO_DATA, "pendigits").is_dir() or not ZOO_DATA, reason="needs $ZOO_DATA/pendigits")
def test_pendigits() -> None:
    data = PenDigits(ZOO_DATA)
    data.setup()
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [6497, 997, 3498]
    parts: dict[str, Written] = data.read()
    assert len(set(parts["train"].writers)) == 26
    assert len(set(parts["val"].writers)) == 4
    assert len(set(parts["test"].writers)) == 14


def test_drawings_of_quick_draw(tmp_path: Path) -> None:
    """A file a class, in which a stroke is its xs, its ys, and times or none; they are read as the same strokes are."""
    same = []
    for word in ("cat", "dog"):
        lines = []
        for n in range(10):
            across, down, time = [0, 9 + n, 5, 5], [0, 0, 20, 30 + n], [0, 7, 9, 20]
            drawing = [[across[:2], down[:2], time[:2]], [across[2:], down[2:]]]
            lines.append(json.dumps({"word": word, "recognized": True, "drawing": drawing}))
            strokes = [list(zip(across[:2], down[:2])), list(zip(across[2:], down[2:]))]
            same.append(json.dumps({"label": word, "strokes": strokes}))
        (tmp_path / f"{word}.ndjson").write_text("\n".join(lines))
    drawn = InkFolder(str(tmp_path))
    drawn.setup()
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "all.jsonl").write_text("\n".join(same))
    listed = InkFolder(str(tmp_path / "same" / "all.jsonl"))
    listed.setup()
    assert drawn.spec == listed.spec
    assert drawn.spec.output.names == ("cat", "dog")
    one, other = (data.splits["train"].columns[0] for data in (drawn, listed))
    assert all(torch.equal(one[row], other[row]) for row in range(len(drawn.splits["train"])))
    encode = drawn.spec.input.encode
    assert torch.equal(encode(json.loads(lines[0])), encode(json.loads(same[10])))
    (tmp_path / "one.json").write_text(lines[0])
    assert torch.equal(encode(tmp_path / "one.json"), encode(json.loads(lines[0])))
