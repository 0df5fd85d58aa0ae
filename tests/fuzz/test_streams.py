"""Streams of CSV, text and JSON to predict: each line is answered or told by its number, whatever stands beside it."""

from __future__ import annotations

import csv
import io
import json
import random
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
from zoo.spec import Classes, Ratings, Recommendations, Spec, Table, Text
from zoo.spec.columns import Category, Number
from zoo.weights.artefact import Artefact

from .campaign import Case

pytestmark = pytest.mark.fuzz

SHAPES = ("round", "long, thin", 'the "new" one', "ünï")
WORDS = ("a", "quiet", "triumph", "dull", "ünï")
BAD_CELLS = ("large", "false", "TRUE", "7" * 310, "1e999", "inf", "x" * 200_000, "12 cm")


def models() -> dict[str, Artefact]:
    torch.manual_seed(0)
    table = Table((Number("size", 1.0, 2.0, False), Number("mass", 5.0, 3.0, True), Category("shape", SHAPES)))
    titles = Ratings(("x", "ünï"), (0, 1)), Recommendations(("x", "ünï"), (0, 1))
    specs: dict[str, tuple[str, Spec, dict[str, Any]]] = {
        "csv": ("mlp", Spec(table, Classes(("no", "yes"))), {"hidden_sizes": [4]}),
        "text": ("gru", Spec(Text(WORDS, "words"), Classes(("no", "yes"))), {"embedding_dim": 4, "hidden_size": 4}),
        "json": ("rbm", Spec(*titles), {"num_hidden": 2}),
    }
    return {
        kind: Artefact(name, options, spec, build(name, spec, **options))
        for kind, (name, spec, options) in specs.items()
    }


class Streams:
    """Makes cases for three small networks."""

    def __init__(self, folder: Path) -> None:
        self.models = models()
        self.files = {kind: folder / f"{kind}.safetensors" for kind in self.models}
        for kind, artefact in self.models.items():
            zoo.save(artefact, self.files[kind])

    def __call__(self, draw: random.Random, folder: Path) -> Case:
        kind, sound = draw.choice(list(self.models)), draw.random() < 0.5
        rows = [self.row(kind, draw, not sound and draw.random() < 0.3) for _ in range(draw.randrange(1, 12))]
        names, data = {"csv": self.as_csv, "text": self.as_lines, "json": self.as_lines}[kind](rows, draw)
        settings = {"model": str(self.files[kind]), "input": "-", "format": "jsonl", "output": None, "device": "cpu"}
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
                if kind == "csv" and answer["input"] != str(place + 1):
                    return f"row {place + 1} is called {answer['input']}"
                if abs(got - wanted) > 1e-5:
                    return f"row {place + 1}: {got}, not {wanted}"
            for line, place in zip(told, [place for place, (_, value) in enumerate(rows) if value is None]):
                if not line.startswith(f"line {names[place]}") or len(line) > 300:
                    return f"told: {line[:400]}, and it is line {names[place]}"
            return ""

        return Case(sound, f"{kind} of {len(rows)} rows", act, fault)

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
        value = {
            "size": round(draw.uniform(-9, 9), 3),
            "mass": round(draw.uniform(0, 9), 3),
            "shape": draw.choice(SHAPES),
        }
        cells = [f"{value['size']}", f"{value['mass']}", value["shape"]]
        if not bad:
            if draw.random() < 0.2:
                cells[1], value["mass"] = draw.choice(["", "?", "NA", "nan"]), None
            return cells, value
        how = draw.choice(["cell", "cell", "short", "long", "quote", "bytes"])
        if how == "cell":
            cells[draw.randrange(2)] = draw.choice(BAD_CELLS)
            return cells, None
        if how in ("short", "long"):
            return (cells[:2] if how == "short" else [*cells, "1"]), None
        return (b'1,2,"never closed' if how == "quote" else b"1,2,\xe9t\xe9"), None

    def as_csv(self, rows: list[tuple[Any, Any]], draw: random.Random) -> tuple[list[int], bytes]:
        """The lines of the rows, and the file: with quotes, ends of lines, blank lines and more columns as it comes."""
        quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
        end = draw.choice(["\n", "\r\n"])
        order = draw.sample(range(4), 4) if all(value is not None for _, value in rows) else [0, 1, 2]
        lines, number, data = [], 2, b"\xef\xbb\xbf" if draw.random() < 0.3 else b""
        for place, cells in enumerate([["size", "mass", "shape", "note"], *(written for written, _ in rows)]):
            if place:
                lines.append(number)
            if isinstance(cells, bytes):
                text = cells + end.encode()
            else:
                if len(order) == 4:
                    note = draw.choice(["", "x", "one\ntwo", 'say "so", then\nno more\n', "1,2,3"])
                    cells = cells if place == 0 else [*cells, note]
                    cells = [cells[column] for column in order]
                elif place == 0:
                    cells = cells[:3]
                file = io.StringIO(newline="")
                csv.writer(file, quoting=quoting, lineterminator=end).writerow(cells)
                text = file.getvalue().encode()
            blank = end.encode() * (draw.random() < 0.1)
            data += text + blank
            number += (text + blank).count(b"\n") * (place > 0) + (len(blank) > 0) * (place == 0)
        return lines, data

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
            failures = predict(OmegaConf.create(settings))
            written, told = sys.stdout.getvalue(), sys.stderr.getvalue()
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
        lines = sorted(told.splitlines(), key=lambda line: int(line.removeprefix("line ").split(":")[0].split()[0]))
        return failures, [json.loads(line) for line in written.splitlines()], lines


def test_streams(fuzz: Callable[..., None], tmp_path: Path) -> None:
    fuzz("streams", Streams(tmp_path))
