"""Many inputs at once: what is read, what is written, and what becomes of those that do not fit."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from omegaconf import DictConfig

import zoo
from zoo.cli import LOADING
from zoo.data.images import Digits
from zoo.errors import ConfigError, DataError, SpecError
from zoo.inference.predict import WRITERS, predict
from zoo.models import build
from zoo.spec import (
    Classes,
    Image,
    Ink,
    MaskedImage,
    Ratings,
    Recommendations,
    Series,
    Spec,
    Strokes,
    Text,
    TextLine,
    Transcript,
)
from zoo.weights.artefact import Artefact


@pytest.fixture
def scans(digits: Digits, tmp_path: Path) -> Path:
    """A folder of seven digits, and the labels that they have."""
    folder = tmp_path / "scans"
    folder.mkdir()
    images, labels = digits.splits["test"].columns
    for number, (image, label) in enumerate(zip(images[:7], labels)):
        PIL.Image.fromarray(image[0].numpy()).save(folder / f"scan {number} of {label}.png")
    return folder


@pytest.fixture
def predicted(compose: Callable[..., DictConfig], capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Predict with some overrides; gives how many failed, what was written, and the complaints."""

    def predicted(*overrides: str) -> tuple[int, str, str]:
        failures = predict(compose("use/predict", "device=cpu", *overrides))
        written = capsys.readouterr()
        return failures, written.out, written.err

    return predicted


def test_images_by_pattern(predicted: Callable[..., Any], scans: Path) -> None:
    failures, written, complaints = predicted(
        "model=cnn.digits", f"input='{scans}/*.png'", "format=jsonl", "batch_size=3"
    )
    files = sorted(map(str, scans.iterdir()))
    assert (failures, complaints) == (0, "")
    rows = [json.loads(line) for line in written.splitlines()]
    expected = zoo.load("cnn.digits")(files)
    assert [row.pop("input") for row in rows] == files
    for row, answer in zip(rows, expected, strict=True):
        assert row["label"] == answer["label"]
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-5)


def test_table_and_csv_say_the_same(predicted: Callable[..., Any], scans: Path, tmp_path: Path) -> None:
    given = ("model=cnn.digits", f"input='{scans}/*.png'")
    table = predicted(*given)[1].splitlines()
    assert table[0].split() == ["input", "label", "probability"]
    assert len({line.rindex(line.split()[-1]) for line in table[1:]}) == 1  # columns are aligned
    assert predicted(*given, "format=csv", f"output={tmp_path / 'answers.csv'}")[1] == ""
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [line.split()[-2] for line in table[1:]]
    for row in rows:
        assert float(row[f"probabilities.{row['label']}"]) == float(row["probability"])
    assert len(rows[0]) == 3 + 10


def test_names_on_standard_input(predicted: Callable[..., Any], scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(map(str, scans.iterdir()))
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join([*files, ""])))
    assert [
        json.loads(line)["input"] for line in predicted("model=cnn.digits", "format=jsonl")[1].splitlines()
    ] == files


def test_a_file_without_a_line_is_told(predicted: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text(" \n\n")
    failures, answers, complaints = predicted("model=lstm.dates", f"input={tmp_path}/none.txt", "format=jsonl")
    assert (failures, answers) == (0, "")
    assert "none.txt: no line with anything in it" in complaints


def test_one_that_does_not_fit_is_told_and_the_others_are_answered(predicted: Callable[..., Any], scans: Path) -> None:
    broken = scans / "scan 3 is broken.png"
    broken.write_bytes(b"not an image")
    shutil.copy(next(scans.iterdir()), scans / os.fsdecode(b"scan \xff.png"))  # whose name is no text
    failures, written, complaints = predicted("model=cnn.digits", f"input='{scans}/*.png'", "format=jsonl")
    assert failures == 1
    assert complaints.count("\n") == 1
    assert f"cannot read {broken} as an image" in complaints
    answered = [json.loads(line)["input"] for line in written.splitlines()]
    assert answered == sorted(str(path) for path in scans.iterdir() if path != broken)


@pytest.fixture
def masses(tmp_path: Path) -> Path:
    from sklearn.datasets import load_breast_cancer

    load_breast_cancer(as_frame=True).frame.head(9).to_csv(tmp_path / "masses.csv", index=False)
    return tmp_path / "masses.csv"


def test_rows_of_a_table(predicted: Callable[..., Any], masses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("model=mlp.breast_cancer", "format=jsonl", "batch_size=4")
    written = predicted(*given, f"input={masses}")[1]
    rows = [json.loads(line) for line in written.splitlines()]
    assert [row["input"] for row in rows] == [str(number) for number in range(1, 10)]
    for row, answer in zip(rows, zoo.load("mlp.breast_cancer")(masses), strict=True):
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(masses.read_bytes())))
    assert predicted(*given)[1] == written
    header, _, rest = masses.read_text(encoding="utf-8").partition("\n")
    quoted = '"' + header.replace(",", '","') + '"\n'  # as PowerShell writes it, after a mark of the order of bytes
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((quoted + rest).encode("utf-8-sig")), "utf-8"))
    assert predicted(*given)[1] == written


@pytest.mark.parametrize("batch_size", [1, 64])
@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda row: row.replace(row.split(",")[2], "large", 1), "row 8: 'large' is not a number"),
        (lambda row: f"{row},1", "line 9: row 8 has 32 cells, and the header has 31"),
        (lambda row: f'"{row}', "line 9: row 8 has a quote that is not closed"),
        (lambda row: f"{'1' * 200_000}{row}", "line 9: row 8 cannot be read"),
    ],
    ids=["wrong cell", "ragged", "quote", "long"],
)
def test_a_wrong_row_of_a_file_costs_that_row(
    predicted: Callable[..., Any], masses: Path, damage: Callable[[str], str], fault: str, batch_size: int
) -> None:
    given = ("model=mlp.breast_cancer", f"input={masses}", f"batch_size={batch_size}", "format=jsonl")
    expected = [json.loads(line) for line in predicted(*given)[1].splitlines()]
    lines = masses.read_text(encoding="utf-8").splitlines()
    lines[8] = damage(lines[8])
    masses.write_text("\n".join(lines), encoding="utf-8")
    failed, written, told = predicted(*given)
    answers = [json.loads(line) for line in written.splitlines()]
    assert [answer["input"] for answer in answers] == ["1", "2", "3", "4", "5", "6", "7", "9"]
    for answer, good in zip(answers, [row for row in expected if row["input"] != "8"]):
        assert answer["probabilities"] == pytest.approx(good["probabilities"], abs=1e-6)
    assert failed == 1
    assert len(told.splitlines()) == 1
    assert fault in told
    assert len(told) <= 300


def test_a_file_that_does_not_fit_is_one_error(
    predicted: Callable[..., Any], masses: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one for each row."""
    header, *rows = masses.read_text(encoding="utf-8").splitlines()
    masses.write_text("\n".join([header, *("large" + row[row.index(",") :] for row in rows)]), encoding="utf-8")
    with pytest.raises(SpecError, match="row 1: 'large' is not a number"):
        predicted("model=mlp.breast_cancer", f"input={masses}", "batch_size=2")
    masses.write_text("\n".join(["a" + header, *rows, "1,2"]), encoding="utf-8")
    with pytest.raises(DataError, match="row 10"):
        predicted("model=mlp.breast_cancer", f"input={masses}")
    assert capsys.readouterr().out == ""


def complaints(err: Path) -> list[str]:
    """The lines in a file of errors, but for those of progress, which a busy machine adds."""
    of_progress = re.compile(r" so far$|: done after ")
    return [line for line in err.read_text().splitlines() if line != LOADING and not of_progress.search(line)]


def pipe(path: Path) -> Path:
    """A named pipe, through which a process reads or writes as through one of a shell."""
    os.mkfifo(path)
    return path


def test_rows_are_scored_as_they_come(root: Path, masses: Path, tmp_path: Path, forks: Any) -> None:
    """The answer to a row is there before the next one is sent; a bad row is told, and the others are answered."""
    header, *rows = masses.read_text(encoding="utf-8").splitlines()
    wrong = rows[2].replace(rows[2].split(",")[2], "large", 1)
    blank = "," * (header.count(",") - 1) + ",0"  # but for the diagnosis, of which it knows nothing
    script = [root / "scripts" / "predict.py", "model=rbm.anomaly_breast_cancer", "format=jsonl", "batch_size=1"]
    stdin, out, err = pipe(tmp_path / "in"), pipe(tmp_path / "out"), tmp_path / "err"
    running = forks.start(*script, cwd=tmp_path, stdin=stdin, out=out, err=err)
    with stdin.open("w", buffering=1) as given, out.open() as said:
        given.write(f"{header}\n")
        answers = []
        for row in rows[:2]:
            given.write(f"{row}\n")
            answers.append(json.loads(said.readline()))
        given.write("\n".join([wrong, "1,2", blank, rows[3]]))
        given.close()
        answers += [json.loads(line) for line in said]
    running.join()
    expected = zoo.load("rbm.anomaly_breast_cancer")(masses)
    assert [answer["input"] for answer in answers] == ["1", "2", "6"]
    for answer, row in zip(answers, (0, 1, 3)):
        assert answer["score"] == pytest.approx(expected[row]["score"], abs=1e-4)
        assert answer["anomaly"] is expected[row]["anomaly"]
    assert running.exitcode == 1
    lines = complaints(err)
    assert len(lines) == 3
    assert "row 3: 'large' is not a number" in lines[0]
    assert lines[1] == f"line 5: row 4 has 2 cells, and the header has {header.count(',') + 1}"
    assert lines[2] == "line 6: row 5: all cells are missing; give at least one"


@pytest.mark.parametrize(
    ("stream", "error", "fault"),
    [
        ("", DataError, "standard input is empty"),
        ("a,b,a\n1,2,3\n", DataError, "standard input has two columns named 'a'"),
        ("a,b\n1,2\n", SpecError, "the table has no column mean radius; its columns must be"),
        ("Gr\xf6\xdfe\n1\n", DataError, "line 1 of standard input is not utf-8"),
    ],
)
def test_a_stream_that_is_no_table(
    predicted: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, stream: str, error: type[Exception], fault: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.encode("latin-1")), encoding="utf-8"))
    with pytest.raises(error, match=fault):
        predicted("model=rbm.anomaly_breast_cancer")


def test_images_that_come_out_go_into_a_folder(predicted: Callable[..., Any], tmp_path: Path) -> None:
    """An inpainter takes two patterns; answers of one name do not overwrite each other."""
    grey = Image(1, 8, 8, (0.5,), (0.5,))
    spec = Spec(MaskedImage(**vars(grey)), grey)
    options = {"width": 8, "depth": 1}
    inpainter = Artefact("gan", options, spec, build("gan", spec, **options))
    zoo.save(inpainter, tmp_path / "gan.safetensors")
    mask = np.zeros((8, 8), bool)
    mask[2:4, 3:5] = True
    for folder in "ab":
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(np.full((8, 8), ord(folder), np.uint8)).save(tmp_path / folder / "x.png")
        PIL.Image.fromarray(mask).save(tmp_path / folder / "mask.bmp")
    given = (f"model={tmp_path / 'gan.safetensors'}", "format=jsonl")
    both = f"input=['{tmp_path}/?/x.png','{tmp_path}/?/mask.bmp']"
    written = predicted(*given, both, f"output={tmp_path / 'restored'}")[1]
    files = [json.loads(line)["answer"] for line in written.splitlines()]
    assert files == [str(tmp_path / "restored" / name) for name in ("x.png", "x_2.png")]
    for folder, file in zip("ab", files):
        restored = np.asarray(PIL.Image.open(file))
        assert (restored[~mask] == ord(folder)).all()
    with pytest.raises(ConfigError, match=r"answers with images"):
        predicted(*given, both)
    with pytest.raises(ConfigError, match=r"give input=\[…\] with 2 patterns of files, for image, mask"):
        predicted(*given, f"input='{tmp_path}/a/x.png'", "output=x")
    with pytest.raises(ConfigError, match=r"as many files of each: 2 of .*, 1 of"):
        predicted(*given, f"input=['{tmp_path}/?/x.png','{tmp_path}/a/mask.bmp']", f"output={tmp_path / 'c'}")


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["input='absent/*.png'"], ConfigError, r"no file matches absent/\*\.png"),
        (["format=yaml"], ConfigError, "unknown format 'yaml'"),
        (["batch_size=0"], ConfigError, "batch_size must be a whole number of at least 1"),
        (["model=cnn.digist"], ConfigError, "did you mean 'cnn.digits'"),
        (["options={temperature: 2}"], SpecError, "unknown option 'temperature'"),
        (["options=2"], ConfigError, "options have names"),
        (["device=gpu"], ConfigError, "device=gpu: Expected one of cpu, cuda"),
        (["device=meta"], ConfigError, "device=meta computes nothing"),
        (["input=5"], ConfigError, "no file matches 5"),
        (["output=5"], ConfigError, "output is the name of a file or folder; got 5"),
        (["model=gan.generation_mnist", f"output={__file__}"], ConfigError, "cannot be the folder of images"),
        (["model=lstm.reviews", "input=[one.txt,two.txt]"], ConfigError, "give one file or"),
    ],
)
def test_mistakes(
    predicted: Callable[..., Any], scans: Path, overrides: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        predicted("model=cnn.digits", f"input='{scans}/*.png'", *overrides)


def test_an_impossible_option_is_told_once_and_not_for_each_input(
    predicted: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "dates.txt").write_text("4 March 2021\n5 March 2021\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"^num_beams must be a whole number"):
        predicted("model=lstm.dates", f"input={tmp_path / 'dates.txt'}", "options={num_beams: 0}")


def test_the_script_ends_quietly_when_nobody_reads_on(root: Path, scans: Path, tmp_path: Path, forks: Any) -> None:
    """`… | head -1`, on more answers than a pipe holds."""
    names, out, err = tmp_path / "names.txt", pipe(tmp_path / "out"), tmp_path / "err"
    names.write_text("\n".join([str(next(scans.iterdir()))] * 1000), encoding="utf-8")
    script = root / "scripts" / "predict.py", "model=cnn.digits", "format=jsonl"
    running = forks.start(*script, cwd=tmp_path, stdin=names, out=out, err=err)
    with out.open() as said:
        assert json.loads(said.readline())["label"]
    running.join()
    assert (complaints(err), running.exitcode) == ([], 0)


def test_a_page_is_read_line_by_line(predicted: Callable[..., Any], tmp_path: Path) -> None:
    spec = Spec(TextLine(32), Transcript("abc"))
    options = {"widths": [4, 4], "hidden_size": 4}
    zoo.save(Artefact("cnn", options, spec, build("cnn", spec, **options)), tmp_path / "reader.safetensors")
    sheet = np.full((200, 300), 255, np.uint8)
    for top in (20, 80, 140):
        for left in range(30, 200, 12):
            sheet[top : top + 20, left : left + 6] = 0
    for name, pixels in (("a page", sheet), ("a line", sheet[10:50]), ("blank", sheet * 0)):
        PIL.Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "no image.png").write_bytes(b"no image")
    failures, written, complaints = predicted(
        f"model={tmp_path / 'reader.safetensors'}", f"input='{tmp_path}/*.png'", "format=jsonl", "batch_size=2"
    )
    page, line = tmp_path / "a page.png", tmp_path / "a line.png"
    rows = [json.loads(row) for row in written.splitlines()]
    assert [row["input"] for row in rows][:4] == [str(line), *(f"{page}, line {number}" for number in (1, 2, 3))]
    assert {*rows[0]} == {"input", "text", "confidence"}
    assert failures == 2
    assert f"{tmp_path / 'blank.png'}: no line of text found in an image of 300 x 200 pixels" in complaints
    assert f"cannot read {tmp_path / 'no image.png'} as an image" in complaints


def test_lines_of_text(predicted: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec(Text(("a", "quiet", "triumph", "dull"), "words"), Classes(("bad", "good")))
    options = {"embedding_dim": 4, "hidden_size": 4}
    reader = Artefact("gru", options, spec, build("gru", spec, **options))
    zoo.save(reader, tmp_path / "reader.safetensors")
    lines = ["a quiet triumph", "dull, dull, dull", "a Füchslein"]
    (tmp_path / "lines.txt").write_text("\n".join([lines[0], "", *lines[1:]]), encoding="utf-8")
    given = (f"model={tmp_path / 'reader.safetensors'}", "format=jsonl")
    written = predicted(*given, f"input={tmp_path / 'lines.txt'}")[1]
    rows = [json.loads(line) for line in written.splitlines()]
    assert [row["input"] for row in rows] == lines
    for row, answer in zip(rows, reader(lines), strict=True):
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines)))
    assert predicted(*given)[1] == written
    (tmp_path / "marked.txt").write_text("\n".join(lines), encoding="utf-8-sig")
    assert predicted(*given, f"input={tmp_path / 'marked.txt'}")[1] == written
    with pytest.raises(ConfigError, match=r"cannot read absent\.txt: No such file or directory"):
        predicted(*given, "input=absent.txt")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines[2].encode("latin-1")), "utf-8"))
    failures, written, complaints = predicted(*given)
    assert (failures, written, complaints) == (1, "", "line 1 is not utf-8 (byte 0xfc at character 4)\n")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("a.csv", 'id,review,stars\n1,"a quiet, quiet triumph",good\n2,dull dull,bad\n3,,bad\n'),
        ("a.tsv", "review\tstars\na quiet, quiet triumph\tgood\ndull dull\tbad\n\tgood\n"),
        ("a.csv", 'text,other\n"a quiet, quiet triumph",a dull dull dull dull a\ndull dull,a\n,a\n'),
        ("a.jsonl", '{"t": "a quiet, quiet triumph"}\n{"t": "dull dull"}\n{"t": ""}\n'),
    ],
)
def test_a_table_has_a_column_of_texts(predicted: Callable[..., Any], tmp_path: Path, name: str, table: str) -> None:
    """Neither its header nor its other columns are read as texts."""
    spec = Spec(Text(("a", "quiet", "triumph", "dull"), "words"), Classes(("bad", "good")))
    zoo.save(Artefact("gru", {"hidden_size": 4}, spec, build("gru", spec, hidden_size=4)), tmp_path / "reader")
    (tmp_path / name).write_text(table, encoding="utf-8")
    failures, written, complaints = predicted(
        f"model={tmp_path / 'reader'}", f"input={tmp_path / name}", "format=jsonl"
    )
    assert [json.loads(line)["input"] for line in written.splitlines()] == ["a quiet, quiet triumph", "dull dull"]
    assert failures == 1
    assert "holds the texts" in complaints
    assert "row 3: the text '' has no words" in complaints
    (tmp_path / "two.csv").write_text("en,de\na quiet triumph,a triumph\n", encoding="utf-8")
    with pytest.raises(DataError, match="each of 'en', 'de' may be the column of texts"):
        predicted(f"model={tmp_path / 'reader'}", f"input={tmp_path / 'two.csv'}")


def test_lines_that_are_no_json(predicted: Callable[..., Any], tmp_path: Path) -> None:
    """They are told, and the others are answered."""
    spec = Spec(Ratings(("x", "y"), (0, 1)), Recommendations(("x", "y"), (0, 1)))
    zoo.save(Artefact("rbm", {"num_hidden": 2}, spec, build("rbm", spec, num_hidden=2)), tmp_path / "rbm.safetensors")
    (tmp_path / "ratings.jsonl").write_text('{"x": 1}\n{"x":\n' + "[" * 10**5 + '\n{"y": 0}\n', encoding="utf-8")
    given = (f"model={tmp_path / 'rbm.safetensors'}", "format=jsonl", f"input={tmp_path / 'ratings.jsonl'}")
    failures, written, complaints = predicted(*given)
    assert failures == 2
    assert [json.loads(line)["answer"][0]["title"] for line in written.splitlines()] == ["y", "x"]
    assert complaints.startswith(
        'line 2: each line must be JSON, and this is not: {"x":\nline 3: each line must be JSON'
    )


def test_a_series_is_a_csv_file(predicted: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = Spec(Series(("load", "heat"), (0.0, 1.0), (1.0, 2.0)), Classes(("calm", "wild")))
    options = {"hidden_size": 4}
    try:
        network = build("gru", spec, **options)
    except SpecError:
        pytest.skip("no network goes from series to classes")
    reader = Artefact("gru", options, spec, network)
    zoo.save(reader, tmp_path / "reader.safetensors")
    numbers = np.random.default_rng(0).normal(size=(2, 5, 2)).round(3)
    for name, (load, heat) in zip("ab", numbers.transpose(0, 2, 1)):
        rows = "\n".join(f"{step},{one},{other}" for step, (one, other) in enumerate(zip(heat, load)))
        (tmp_path / f"{name}.csv").write_text(f"step,heat,load\n{rows}\n", encoding="utf-8")
    given = (f"model={tmp_path / 'reader.safetensors'}", "format=jsonl")
    answers = [json.loads(line) for line in predicted(*given, f"input='{tmp_path}/?.csv'")[1].splitlines()]
    for row, answer in zip(answers, reader(list(numbers)), strict=True):
        assert row["probabilities"] == pytest.approx(answer["probabilities"], abs=1e-6)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((tmp_path / "b.csv").read_bytes())))
    assert json.loads(predicted(*given)[1])["label"] == answers[1]["label"]
    (tmp_path / "c.csv").write_text("step,load\n1,2\n", encoding="utf-8")
    failures, written, complaints = predicted(*given, f"input='{tmp_path}/?.csv'")
    assert (failures, len(written.splitlines())) == (1, 2)
    assert f"{tmp_path / 'c.csv'}: the table has no column heat; its columns must be: load, heat" in complaints


SEVEN = [[[0, 0], [40, 0], [15, 80]]]


@pytest.fixture
def strokes_reader(tmp_path: Path) -> Path:
    spec = Spec(Strokes(8), Classes(("one", "seven")))
    zoo.save(Artefact("gru", {"hidden_size": 4}, spec, build("gru", spec, hidden_size=4)), tmp_path / "reader")
    return tmp_path / "reader"


def test_strokes_in_files_and_in_lines(predicted: Callable[..., Any], strokes_reader: Path, tmp_path: Path) -> None:
    expected = zoo.load(strokes_reader)(SEVEN)["probability"]
    (tmp_path / "a.json").write_text(json.dumps(SEVEN), encoding="utf-8")
    lines = [SEVEN, {"strokes": SEVEN}, [[0, 0], [1, 1]], SEVEN[0], [[[0, None], [1, 1]]]]
    (tmp_path / "all.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    for given, right, wrong in (("a.json", 1, 0), ("all.jsonl", 2, 3)):
        answer = predicted(f"model={strokes_reader}", f"input={tmp_path / given}", "format=jsonl")
        failures, written, complaints = answer
        rows = [json.loads(line) for line in written.splitlines()]
        assert [row["probability"] for row in rows] == pytest.approx([expected] * right, abs=1e-6)
        assert failures == complaints.count("\n") == wrong
    assert "line 3: these are points without strokes" in complaints
    assert "line 5: stroke 1, point 1" in complaints


def test_handwriting_is_saved_in_three_forms(predicted: Callable[..., Any], tmp_path: Path) -> None:
    spec = Spec(Text(("1", "7"), "characters", closed=True), Ink(0.1))
    zoo.save(Artefact("gru", {"hidden_size": 4}, spec, build("gru", spec, hidden_size=4)), tmp_path / "writer")
    (tmp_path / "texts.txt").write_text("7\n18\n17\n", encoding="utf-8")
    given = (f"model={tmp_path / 'writer'}", f"input={tmp_path / 'texts.txt'}", "options={seed: 3}")
    failures, written, complaints = predicted(*given, f"output={tmp_path / 'ink'}", "format=jsonl")
    assert failures == 1
    assert "line 2" in complaints
    rows = [json.loads(line) for line in written.splitlines()]
    assert [row["input"] for row in rows] == ["7", "17"]
    names = {"7.gif", "7.png", "7.svg", "17.gif", "17.png", "17.svg"}
    assert {file.name for file in (tmp_path / "ink").iterdir()} == names
    assert rows[0]["strokes"] == zoo.load(tmp_path / "writer")("7", seed=3)["strokes"]
    for_people = predicted(*given, f"output={tmp_path / 'more'}")[1]
    assert for_people.split("\n", 1)[0].split() == ["input", "answer"]
    with pytest.raises(ConfigError, match="folder"):
        predicted(*given)


@pytest.mark.parametrize("layout", WRITERS)
def test_an_answer_may_have_more_parts_than_the_first_or_fewer(layout: str) -> None:
    rows = [{"input": "1", "text": "a"}, {"input": "2", "text": "b", "copied": [1]}, {"input": "3"}]
    file = io.StringIO()
    WRITERS[layout](iter(rows), file)
    lines = file.getvalue().splitlines()
    assert len(lines) == 3 + (layout != "jsonl")
    assert [("2" in line, "b" in line) for line in lines].count((True, True)) == 1


def test_what_is_read_is_not_written_over(predicted: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("a quiet triumph\n")
    with pytest.raises(ConfigError, match="is read itself, and would be lost"):
        predicted("model=lstm.rt_polarity", f"input='{file}'", f"output='{tmp_path}/../{tmp_path.name}/texts.txt'")
    assert file.read_text() == "a quiet triumph\n"
