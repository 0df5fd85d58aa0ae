"""Tables that label images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from zoo.data.core.targets import Targets
from zoo.data.labels import of_table
from zoo.data.layouts import Layout, layout, table_of
from zoo.errors import DataError
from zoo.spec import Classes, Values


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(6):
        (tmp_path / "images" / f"{number:02}.png").touch()
    return tmp_path


def read(root: Path, text: str, target: str | list[str] | None = None, kind: str = "auto") -> tuple[Layout, Targets]:
    (root / "labels.csv").write_text(text, encoding="utf-8")
    return of_table(layout(root, "images"), root / "labels.csv", target, kind)


NAMES = ["images/{:02}.png", "{:02}.png", "{:02}", "./images/{:02}.png", "images\\{:02}.png"]
NAMES += [
    "/home/me/images/{:02}.png",
    "C:\\data\\{:02}.png",
    "{:02}.png#0",
    "data/my/{:02}.png",
    "{:02}.PNG",
    "data/images/{:02}.Png",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_column_names_the_images_in_some_way(root: Path, name: str, separator: str) -> None:
    rows = [f"{kind}{separator}{name.format(number)}" for number, kind in ((4, "dog"), (1, "cat"), (3, "dog"))]
    found, labels = read(root, "\ufeff" + "\n".join([f"label{separator}picture", *rows]))
    assert list(found.files.names) == ["images/04.png", "images/01.png", "images/03.png"]
    assert labels.names == ("cat", "dog")
    assert labels.codes.tolist() == [1, 0, 1]
    assert labels.output([0, 1]) == Classes(("cat", "dog"))
    assert any("'picture' names the images, and learned is 'label'" in note for note in found.notes)
    assert any("3 images are not in labels.csv" in note for note in found.notes)


def test_a_row_of_more_cells_loses_none_of_them(root: Path) -> None:
    text = "picture,label\n\n01.png,cat\n03.png,a dog, which runs\n"
    with pytest.raises(DataError, match=r"labels\.csv, line 4 has 3 cells, and the first line 2; a text with commas"):
        read(root, text)
    with pytest.raises(DataError, match=r"line 4 has 1 cells"):
        read(root, text.replace(",a dog, which runs", ""))
    with pytest.raises(DataError, match="two columns named 'label'"):
        read(root, "picture,label,label\n01.png,a,b\n")
    _, labels = read(root, "picture,label,\n01.png,cat,\n03.png,dog,,\n")  # separators at the end
    assert labels.names == ("cat", "dog")


def test_endings_in_capitals_are_those_in_small_letters(root: Path) -> None:
    (root / "images" / "04.png").rename(root / "images" / "04.PNG")
    found, labels = read(root, "picture,label\n04.png,dog\n01.PNG,cat\n03.png,dog\n")
    assert list(found.files.names) == ["images/04.PNG", "images/01.png", "images/03.png"]
    assert labels.codes.tolist() == [1, 0, 1]


def test_a_table_without_a_header_keeps_its_first_row(root: Path) -> None:
    for separator in (",", " ", "\t"):
        found, labels = read(root, "\n".join(f"{number:02}.png{separator}{'ab'[number % 2]}" for number in range(4)))
        assert labels.names == ("a", "b")
        assert labels.codes.tolist() == [0, 1, 0, 1]
        assert any("column 'column_1' names the images" in note for note in found.notes)
    _, labels = read(root, "00.png,1,1\n01.png,0,1\n02.png,0,0\n", ["column_2", "column_3"])
    assert labels.codes.tolist() == [[1, 1], [0, 1], [0, 0]]


def test_captions_with_commas_beside_a_tab(root: Path) -> None:
    _, labels = read(
        root, "\n".join(f"{number:02}.png#0\tA dog, {'brown' if number % 2 else 'white'}, runs" for number in range(4))
    )
    assert labels.names == ("A dog, brown, runs", "A dog, white, runs")


def test_commas_before_fractions(root: Path) -> None:
    _, labels = read(root, "file;age\n00;1,5\n01;2,5\n02;4")
    assert labels.kind == "values"
    assert labels.codes.tolist() == [[1.5], [2.5], [4.0]]


def test_json_lines_of_the_hub(root: Path) -> None:
    rows = [{"file_name": f"images/{number:02}.png", "labels": ["x", "y"][: number + 1]} for number in range(2)]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert table_of(root) == root / "metadata.jsonl"
    _, labels = of_table(layout(root, "images"), root / "metadata.jsonl", None, "auto")
    assert labels.names == ("x", "y")
    assert labels.codes.tolist() == [[1, 0], [1, 1]]
    (root / "metadata.jsonl").write_text('{"camera": "brown"}')
    assert table_of(root) is None


def test_numbers_are_values_and_few_whole_ones_classes(root: Path) -> None:
    _, labels = read(root, "file,age\n00,1.5\n01,2.5\n02,4.5")
    assert labels.kind == "values"
    output = labels.output([0, 1])
    assert output == Values(("age",), (2.0,), (0.5,))
    assert torch.equal(labels.encoded(output), torch.tensor([[-1.0], [1.0], [5.0]]))
    _, labels = read(root, "file,digit\n00,10\n01,9\n02,10")
    assert labels.names == ("9", "10")
    assert labels.codes.tolist() == [1, 0, 1]
    assert read(root, "file,digit\n00,10\n01,9\n02,10", kind="values")[1].kind == "values"
    assert read(root, "file,size\n00,1.5\n01,2\n02,2", kind="classes")[1].names == ("1.5", "2")


def test_several_columns_of_numbers_are_values(root: Path) -> None:
    _, labels = read(root, "file,x,y,name\n00,1,2,a\n01,3,5,b\n02,4,4,c", target=["y", "x"])
    assert labels.names == ("y", "x")
    assert labels.codes.tolist() == [[2, 1], [5, 3], [4, 4]]


def test_a_column_gives_the_splits(root: Path) -> None:
    found, _ = read(root, "file,label,split\n00,a,train\n01,b,Valid\n02,a,test\n03,b,train")
    assert found.splits == ("train", "val", "test", "train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n00,a\n07,b", "line 3: '07' is no image"),
        ("file,label\n00,a\n01,b\n00.png,b", r"line 4: '00\.png' was named in line 2"),
        ("file,label\n00,a\n01,", "line 3: 'label' is empty"),
        ("file,label\nx,a\ny,b", "no column .* names images .* 'x'"),
        ("file,label\n00,a\n01,a", "the same for all examples: 'a'"),
        ("file,age\n00,1.5\n01,old", None),
        ("file\n00\n01", "no column to learn"),
        ("file,a,b\n00,x,y\n01,y,x", r"several columns, and not all are numbers \(a, b\).*=a"),
        ("file,label,split\n00,a,train\n01,b,dev9", "line 3: 'dev9' is no split"),
        ("file,label", "has no rows"),
    ],
)
def test_a_mistake_is_named_with_its_line(root: Path, text: str, message: str | None) -> None:
    if message is None:  # words among numbers are classes
        assert read(root, text)[1].names == ("1.5", "old")
        with pytest.raises(DataError, match="line 3: 'age' is 'old', not a number"):
            read(root, text, kind="values")
        return
    with pytest.raises(DataError, match=message):
        read(root, text)


def test_a_name_that_several_images_have_is_refused(root: Path) -> None:
    (root / "more").mkdir()
    (root / "more" / "00.png").touch()
    with pytest.raises(DataError, match=r"line 2: '00\.png' may be one of several"):
        read(root, "file,label\n00.png,a\n01.png,b")
    found, _ = read(root, "file,label\nmore/00.png,a\n01.png,b")
    assert list(found.files.names) == ["more/00.png", "images/01.png"]


def test_a_value_that_never_changes_is_refused(root: Path) -> None:
    _, labels = read(root, "file,age\n00,1.5\n01,1.5\n02,4.5")
    with pytest.raises(DataError, match="'age' has the same value"):
        labels.output([0, 1])


def test_an_encoding_of_windows_and_a_counter_in_the_first_column(root: Path) -> None:
    rows = "".join(f"{n};{n:02}.png;{'Kätzchen' if n % 2 else 'Hund'}\n" for n in range(6))
    (root / "labels.csv").write_bytes(f";picture;label\n{rows}".encode("cp1252"))
    _, labels = of_table(layout(root, "images"), root / "labels.csv", None, "auto")
    assert labels.names == ("Hund", "Kätzchen")


def test_of_several_columns_one_of_words_is_proposed(root: Path) -> None:
    rows = "".join(f"{n:02}.png,{n},{'ab'[n % 2]}\n" for n in range(6))
    with pytest.raises(DataError, match=r"choose one: data\.target=kind"):
        read(root, f"picture,width,kind\n{rows}")


def test_classes_that_look_like_several_labels_are_said(root: Path) -> None:
    rows = "".join(f"{n:02}.png,{'a;b' if n % 2 else 'a'}\n" for n in range(6))
    found, labels = read(root, f"picture,label\n{rows}")
    assert labels.names == ("a", "a;b")
    assert any("'a;b' is one class; if it is several labels, give data.label_separator=';'" in n for n in found.notes)
