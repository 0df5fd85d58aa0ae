"""Streams and files of CSV, text and JSON to predict: each row is answered or told, whatever stands beside it.

Tables are as their model learned them: with commas, as spreadsheets write them, or between tabs and without a header.
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

import zoo
from zoo.inference.predict import predict
from zoo.models import build
from zoo.progress import quiet
from zoo.spec import Classes, Ratings, Recommendations, Spec, Table, Text
from zoo.spec.columns import Category, Number
from zoo.spec.dialect import Dialect
from zoo.weights.artefact import Artefact

from .campaign import Case

pytestmark = pytest.mark.fuzz

SHAPES = ("round", "long, thin", 'the "new" one', "ünï")
WORDS = ("a", "quiet", "triumph", "dull", "ünï")
BAD_CELLS = ("large", "false", "TRUE", "7" * 310, "1e999", "inf", "x" * 200_000, "12 cm")


PLACE = re.compile(r"(?:^line|row) (\d+)")  # in a message
NAMES = ("size", "mass", "shape", "note")
TABLES = {"csv": Dialect(), "excel": Dialect(";", "cp1252", decimal=","), "bare": Dialect("\t", header=False)}


def table(kind: str) -> Table:
    size, mass, shape = NAMES[:3] if TABLES[kind].header else ("column_1", "column_2", "column_3")
    columns = Number(size, 1.0, 2.0, False), Number(mass, 5.0, 3.0, True), Category(shape, SHAPES)
    return Table(columns, dialect=TABLES[kind])


def models() -> dict[str, Artefact]:
    torch.manual_seed(0)
    titles = Ratings(("x", "ünï"), (0, 1)), Recommendations(("x", "ünï"), (0, 1))
    specs: dict[str, tuple[str, Spec, dict[str, Any]]] = {
        **{kind: ("mlp", Spec(table(kind), Classes(("no", "yes"))), {"hidden_sizes": [4]}) for kind in TABLES},
        "text": ("gru", Spec(Text(WORDS, "words"), Classes(("no", "yes"))), {"embedding_dim": 4, "hidden_size": 4}),
        "json": ("rbm", Spec(*titles), {"num_hidden": 2}),
    }
    return {
        kind: Artefact(name, options, spec, build(name, spec, **options))
        for kind, (name, spec, options) in specs.items()
    }


class Streams:
    """Makes cases for small networks."""

    def __init__(self, folder: Path) -> None:
        self.models = models()
        self.files = {kind: folder / f"{kind}.safetensors" for kind in self.models}
        for kind, artefact in self.models.items():
            zoo.save(artefact, self.files[kind])

    def __call__(self, draw: random.Random, folder: Path) -> Case:
        kind, sound = draw.choice(list(self.models)), draw.random() < 0.5
        rows = [self.row(kind, draw, not sound and draw.random() < 0.3) for _ in range(draw.randrange(1, 12))]
        if kind == "bare" and rows[0][1] is None:  # by which the width is known where no header tells it
            rows[0] = self.row(kind, draw, False)
        names, data = self.as_csv(kind, rows, draw) if kind in TABLES else self.as_lines(rows, draw)
        file = folder / "case.txt"
        file.write_bytes(data)
        settings = {"model": str(self.files[kind]), "format": "jsonl", "output": None, "device": "cpu"}
        settings["input"] = draw.choice(["-", str(file)])
        sizes = draw.sample([1, 2, 3, 64], 2)

        def act() -> list[tuple[int, list[Any], list[str]]]:
            return [self.predicted({**settings, "batch_size": size, "options": None}, data) for size in sizes]

        def fault(found: list[tuple[int, list[Any], list[str]]]) -> str:
            if found[0][2] != found[1][2] or [a["input"] for a in found[0][1]] != [a["input"] for a in found[1][1]]:
                return f"batches of {sizes} differ"
            failures, answers, told = found[0]
            good = [place for place, (_, value) in enumerate(rows) if value is not None]
            if len(answers) != len(good) or failures != len(rows) - len(good) or len(told) != failures:
                return f"{len(answers)} answers and {failures} failures of {len(good)} good rows of {len(rows)}: {told}"
            expected = self.models[kind]([rows[place][1] for place in good]) if good else []
            for answer, right, place in zip(answers, expected, good):
                got = (
                    answer.get("probability") or answer["answer"][0]["rating"]
                    if "answer" in answer
                    else answer["probability"]
                )
                wanted = right["probability"] if isinstance(right, dict) else right[0]["rating"]
                if kind in TABLES and answer["input"] != str(place + 1):
                    return f"row {place + 1} is called {answer['input']}"
                if abs(got - wanted) > 1e-5:
                    return f"row {place + 1}: {got}, not {wanted}"
            for line, place in zip(told, [place for place, (_, value) in enumerate(rows) if value is None]):
                right = [f"line {names[place]}"] + [f"row {place + 1}"] * (settings["input"] != "-")
                if PLACE.search(line)[0] not in right:
                    return f"told: {line[:400]}, and it is line {names[place]}"
                if len(line) > 300:
                    return f"told: {line[:400]}, and it is line {names[place]}"
            return ""

        through = "standard input" if settings["input"] == "-" else "a file"
        return Case(sound, f"{kind} of {len(rows)} rows through {through}", act, fault)

    def row(self, kind: str, draw: random.Random, bad: bool) -> tuple[Any, Any]:
        """What is written, and what it means; None where it means nothing."""
        if kind == "text":
            words = " ".join(draw.choices(WORDS, k=draw.randrange(1, 9)))
            return (draw.choice([b"sch\xf6n", b"\xff\xfe", b"zzz blorf"]), None) if bad else (words.encode(), words)
        if kind == "json":
            value = draw.choice([{"x": 1}, {"ünï": 0}])
            written = json.dumps(value, ensure_ascii=draw.random() < 0.5, indent=None).encode()
            wrong = [b"{", b"[" * 5000, b'{"x": 7}', b'{"y": 1}', b"null", b"\xff", b"NaN", b'"x"', b"9" * 5000]
            return (draw.choice(wrong), None) if bad else (written, value)
        value = dict(zip(table(kind).slices, (
            round(draw.uniform(-9, 9), 3), round(draw.uniform(0, 9), 3), draw.choice(SHAPES),
        )))  # fmt: skip
        mass, dialect = list(value)[1], TABLES[kind]
        cells = [str(cell).replace(".", dialect.decimal) for cell in value.values()]
        if not bad:
            if draw.random() < 0.2:
                cells[1], value[mass] = draw.choice(["", "?", "NA", "nan"]), None
            return cells, value
        how = draw.choice(["cell", "cell", "short", "long", "quote", "bytes"])
        if how == "cell":
            cells[draw.randrange(2)] = draw.choice(BAD_CELLS)
            return cells, None
        if how in ("short", "long"):
            return (cells[:2] if how == "short" else [*cells, "1"]), None
        row = '1,2,"never closed' if how == "quote" else "1,2,\udc81"  # a byte of neither UTF-8 nor cp1252
        return row.replace(",", dialect.separator).encode("utf-8", "surrogateescape"), None

    def as_csv(self, kind: str, rows: list[tuple[Any, Any]], draw: random.Random) -> tuple[list[int], bytes]:
        """The lines of the rows, and the file: with quotes, ends of lines, blank lines and more columns as it comes."""
        dialect = TABLES[kind]
        options: dict[str, Any] = {
            "delimiter": dialect.separator,
            "quoting": draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
            "lineterminator": draw.choice(["\n", "\r\n"]),
        }
        encoding = draw.choice(["utf-8", "utf-8-sig", dialect.encoding])
        order = [0, 1, 2]
        if all(value is not None for _, value in rows) and draw.random() < 0.8:  # and a note
            order = draw.sample(range(4), 4) if dialect.header else [0, 1, 2, 3]
        header = [(list(NAMES), None)] if dialect.header else []
        lines, number, data = [], 1, b""
        for place, (cells, _) in enumerate([*header, *rows]):
            if place >= len(header):
                lines.append(number)
            if isinstance(cells, bytes):
                text = cells + options["lineterminator"].encode()
            else:
                if len(order) == 4:
                    note = draw.choice(["", "x", "one\ntwo", 'say "so", then\nno more\n', "1,2,3"])
                    cells = [[*cells, note][column] for column in order]
                elif place < len(header):
                    cells = cells[:3]
                file = io.StringIO(newline="")
                csv.writer(file, **options).writerow(cells)
                text = file.getvalue().encode(encoding.removesuffix("-sig"))
            text += options["lineterminator"].encode() * (draw.random() < 0.1)
            data += text
            number += text.count(b"\n")
        return lines, b"\xef\xbb\xbf" * encoding.endswith("-sig") + data

    def as_lines(self, rows: list[tuple[Any, Any]], draw: random.Random) -> tuple[list[int], bytes]:
        end = draw.choice([b"\n", b"\r\n"])
        lines, number, data = [], 0, b"\xef\xbb\xbf" if draw.random() < 0.3 else b""
        for written, _ in rows:
            for _ in range(draw.random() < 0.1):
                data, number = data + end, number + 1
            data, number = data + written + end, number + 1
            lines.append(number)
        return lines, data if draw.random() < 0.5 else data.removesuffix(end)

    def predicted(self, settings: dict[str, Any], data: bytes) -> tuple[int, list[Any], list[str]]:
        before = sys.stdin, sys.stdout, sys.stderr
        sys.stdin = io.TextIOWrapper(io.BytesIO(data), "ascii")
        sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
        try:
            with quiet():  # a slow machine also says that it goes on
                failures = predict(OmegaConf.create(settings))
            written, told = sys.stdout.getvalue(), sys.stderr.getvalue()
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
        lines = sorted(told.splitlines(), key=lambda line: int(PLACE.search(line)[1]))
        return failures, [json.loads(line) for line in written.splitlines()], lines


def test_streams(fuzz: Callable[..., None], tmp_path: Path) -> None:
    fuzz("streams", Streams(tmp_path))
