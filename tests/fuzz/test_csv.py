"""CSV files to learn from: quoted, ended and ordered as it comes, or damaged; read independently by the csv module."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from zoo.data.tables import Csv
from zoo.spec.columns import Number

from .campaign import Case

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

NAMES = ["price", "area", "town", "old"]
TOWNS = ("Ulm", "Köln, Süd", 'the "Hague"', "Oslo")


def number(draw: random.Random) -> str:
    value = draw.uniform(-999, 999)
    return draw.choice([f"{value:.3f}", f"{value:.0f}", f"{value:.2e}", f"{value:+.1f}"])


def case(draw: random.Random, folder: Path) -> Case:
    sound = draw.random() < 0.5
    rows = [
        [number(draw), draw.choice([number(draw)] * 9 + [""]), draw.choice(TOWNS), draw.choice(["yes", "no"])]
        for _ in range(draw.randrange(40, 80))
    ]
    order = draw.sample(range(4), 4)
    quoting, end = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), draw.choice(["\n", "\r\n"])
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerows([row[column] for column in order] for row in [NAMES, *rows])
    data = text.getvalue().encode("utf-8-sig" if draw.random() < 0.3 else "utf-8")
    how = "sound" if sound else draw.choice(["bytes", "cut", "line", "quote", "long", "header"])
    data = data if sound else damaged(data, how, draw)
    path = folder / "case.csv"
    path.write_bytes(data)

    def act() -> Any:
        source = Csv(str(path), "price", target_kind="values" if sound else "auto")
        source.setup()
        return source

    def fault(source: Any) -> str:
        lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace"), newline="")))
        columns = {column.name: column for column in source.spec.input.columns}
        if sound and not ({"area", "town", "old"} <= set(columns) and isinstance(columns["area"], Number)):
            return f"columns {columns}"
        if not sound:
            return ""
        place, column = source.spec.input.slices["area"], columns["area"]
        picked = draw.sample(lines, 5)
        for line in picked:
            cells = {name: line[name] or None for name in columns}
            encoded = source.spec.input.encode(cells)[0]
            whole = source.spec.input.encode(pd.DataFrame([cells]))[0]
            if not encoded.equal(whole) and not (encoded.isnan() | (encoded == whole)).all():
                return f"as a dict {encoded}, and in a table {whole}"
            found = float(encoded[place][0]) * column.std + column.mean
            if line["area"] and abs(found - float(line["area"])) > 0.01:
                return f"area {line['area']} is {found}"
        count = sum(len(split) for split in source.splits.values())
        return "" if count == len(lines) else f"{count} rows of {len(lines)}"

    return Case(sound, how, act, fault)


def damaged(data: bytes, how: str, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    place = draw.randrange(1, len(lines))
    if how == "bytes":
        broken = bytearray(data)
        for _ in range(draw.choice([1, 5, 50])):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        return bytes(broken)
    if how == "cut":
        return data[: draw.randrange(len(data))]
    if how == "header":
        return b"".join(draw.choice([lines[1:], lines[:1], [b"price,price,a,b\n", *lines[1:]], [b"\n"] * 9]))
    extra = {"line": b"1,2\n", "quote": b'1,"2,3,4\n', "long": b"1,2," + b"x" * 200_000 + b",no\n"}[how]
    return b"".join([*lines[:place], extra, *lines[place:]])


def test_csv(fuzz: Callable[..., None]) -> None:
    fuzz("csv", case)
