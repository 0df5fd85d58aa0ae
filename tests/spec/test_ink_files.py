"""Ink in files: what is read, and that damaged files are one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import DataError
from zoo.spec import Strokes
from zoo.spec.ink_files import read_ink, read_unipen

CROSS = [[[0.0, 5.0], [10.0, 5.0]], [[5.0, 0.0], [5.0, 10.5]]]
INKML = """<?xml version="1.0"?>
<ink xmlns="http://www.w3.org/2003/InkML">
  <traceFormat><channel name="T" type="integer"/><channel name="X" type="decimal"/><channel name="Y"/></traceFormat>
  <trace>0 0 5, 1 10 5</trace><traceGroup><trace id="b">2 5 0,3 5.0 10.5</trace></traceGroup>
</ink>"""
FILES = {
    "a.json": "[[[0, 5], [10, 5]], [[5, 0], [5, 10.5]]]",
    "b.json": '{"strokes": [[[0, 5], [10, 5]], [[5, 0], [5, 10.5]]], "label": "+"}',
    "c.inkml": INKML,
    "d.inkml": "<ink><trace>0 5 7, 10 5 8</trace><trace>5 0 9, 5 10.5 9</trace></ink>",
    "h.inkml": '<ink><traceFormat><channel name="X"/><channel name="Y" orientation="-ve"/></traceFormat>'
    "<trace>0 -5, 10 -5</trace><trace>5 0, 5 -10.5</trace></ink>",
    "e.csv": "stroke,x,y\n1,0,5\n1,10,5\n2,5,0\n2,5,10.5\n",
    "g.csv": "stroke;x;y\n1;0,0;5\n1;10,0;5\n2;5,0;0\n2;5,0;10,5\n",
    "f.csv": "X;Y;Stroke\n0;5;first\n10;5;first\n5;0;next\n5;10.5;next\n",
}


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1", "utf-8-sig"])
def test_ink_of_other_encodings(encoding: str, tmp_path: Path) -> None:
    text = INKML.replace("?>", "?><!-- é -->").replace("?>", f' encoding="{encoding.removesuffix("-sig")}"?>')
    (tmp_path / "a.inkml").write_bytes(text.encode(encoding))
    assert read_ink(tmp_path / "a.inkml") == CROSS


@pytest.mark.parametrize("name", FILES)
def test_all_forms_hold_the_same_ink(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(FILES[name], encoding="utf-8")
    assert read_ink(file) == CROSS
    assert Strokes().encode(str(file)).shape == (4, 3)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("a.json", "[[", "no JSON"),
        ("a.json", '{"lines": []}', "'strokes'"),
        ("a.inkml", "<ink><trace>", "no InkML"),
        ("a.inkml", "<svg/>", "'svg', not 'ink'"),
        ("a.inkml", "<ink><trace>1 2, '3 '4</trace></ink>", "trace 1, point 2"),
        ("a.inkml", "<ink><trace>1, 2</trace></ink>", "trace 1, point 1"),
        ("a.inkml", '<!DOCTYPE ink [<!ENTITY a "1 2">]><ink><trace>&a;</trace></ink>', "entities"),
        ("a.csv", "x,y\n1,2\n3,4\n", "no column 'stroke'"),
        ("a.csv", "stroke,x,y\n1,2,3\n1,,5\n", "row 2"),
        ("a.csv", "ink,stroke,x,y\n1,1,2,3\n2,1,4,5\n", "2 inks"),
        ("a.txt", "1 2", r"'\.txt'"),
    ],
)
def test_damaged_files_are_one_line(name: str, text: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=fault) as caught:
        read_ink(tmp_path / name)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="no such file"):
        read_ink(tmp_path / "none.json")


UNIPEN = """.INCLUDE x.doc
.SEGMENT DIGIT 0-1 ? "4"
.COMMENT 4 12 224
.PEN_DOWN
 10  20
 11  18
.PEN_UP
.DT 100
.PEN_DOWN
 12  19
 12  15
.PEN_UP
"""


def test_unipen() -> None:
    (segment,) = read_unipen(UNIPEN, Path("file"))
    label, comment, strokes = segment
    assert (label, comment) == ("4", ["4", "12", "224"])
    assert strokes == [[[10, -20], [11, -18]], [[12, -19], [12, -15]]]  # y downwards


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (UNIPEN.replace(".PEN_UP\n.DT 100\n", ""), r"line 7: the stroke before has no \.PEN_UP"),
        (UNIPEN.rpartition(".PEN_UP")[0], r"its last stroke has no \.PEN_UP"),
        (UNIPEN.replace(".PEN_DOWN\n 10", " 10"), "line 4: .* is no point of a stroke"),
        (UNIPEN.replace("11  18", "11  x"), "line 6: .* is not two numbers"),
    ],
)
def test_damaged_unipen_is_one_line(text: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        list(read_unipen(text, Path("file")))
