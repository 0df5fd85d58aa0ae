"""Labelled sequences of numbers: a table in long format, and a folder with a file for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from zoo.data.csv_sequences import CsvSequences
from zoo.errors import DataError, SpecError
from zoo.spec import Classes, Series, Values

COUNT = 40


def steps(number: int) -> pd.DataFrame:
    length = 3 + number % 4
    x = number + np.arange(length) / 10
    return pd.DataFrame({"who": f"s{number}", "t": range(length), "x": x, "y": -x, "kind": "ab"[number % 2]})


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.concat([steps(number) for number in range(COUNT)])


def test_long_format(tmp_path: Path, table: pd.DataFrame) -> None:
    """Whatever the order of rows, each sequence comes whole, in the order of time."""
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "a.csv", index=False)
    data = CsvSequences(str(tmp_path / "a.csv"), id="who", target="kind", time="t")
    data.setup()
    assert isinstance(data.spec.input, Series)
    assert data.spec.input.names == ("x", "y")
    assert data.spec.output == Classes(("a", "b"))
    seen = []
    for examples in data.splits.values():
        for values, label in (examples[row] for row in range(len(examples))):
            number = round(values[0, 0].item())
            seen.append(number)
            assert torch.allclose(values[:, 0], torch.tensor(steps(number)["x"].to_numpy()).float())
            assert label == number % 2
    assert sorted(seen) == list(range(COUNT))
    train = torch.cat([values for values, _ in (data.splits["train"][n] for n in range(len(data.splits["train"])))])
    assert data.spec.input.mean == pytest.approx(train.double().mean(dim=0).tolist(), rel=1e-5)
    assert data.spec.input.encode(steps(3)).shape == (6, 2)
    with pytest.raises(SpecError, match="several series, told apart by 'who'"):  # not taken for one long sequence
        data.spec.input.encode(table)


def test_a_folder_with_a_table_of_labels(tmp_path: Path) -> None:
    for number in range(COUNT):
        steps(number)[["t", "x", "y"]].to_csv(tmp_path / f"{number}.csv", index=False)
    labels = pd.DataFrame({"file": [f"{n}.csv" for n in range(COUNT)], "size": [n / 3 for n in range(COUNT)]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    data = CsvSequences(str(tmp_path), time="t")
    data.setup()
    assert isinstance(data.spec.output, Values)
    values, target = data.splits["test"][0]
    assert data.spec.output.restore(target[None]).item() == pytest.approx(round(values[0, 0].item()) / 3, abs=1e-4)


@pytest.mark.parametrize("header", ["auto", None])
def test_a_folder_of_classes(header: str | None, tmp_path: Path) -> None:
    for number in range(COUNT):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        path = tmp_path / "ab"[number % 2] / f"{number}.csv"
        steps(number)[["x", "y"]].to_csv(path, index=False, header=header is not None)
    data = CsvSequences(str(tmp_path), header=header)
    data.setup()
    assert data.spec.output == Classes(("a", "b"))
    assert sum(map(len, data.splits.values())) == COUNT


@pytest.mark.parametrize(
    ("change", "options", "fault"),
    [
        ({}, {}, r"give data\.id=COLUMN"),
        ({}, {"target": "sort", "id": "who"}, "unknown column 'sort'"),
        ({"kind": ["a", "b"]}, {"target": "kind", "id": "who"}, "'kind' changes within the sequence 's0'"),
        ({"x": [1, None]}, {"target": "kind", "id": "who"}, "row 2: 'x' is missing"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, table: pd.DataFrame, change: dict, options: dict, fault: str) -> None:
    for name, cells in change.items():
        table[name] = [*cells, *table[name].iloc[len(cells) :]]
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match=fault):
        CsvSequences(str(tmp_path / "a.csv"), **options).setup()


def test_a_step_without_a_time_is_named(tmp_path: Path, table: pd.DataFrame) -> None:
    table["t"] = table["t"].astype(float)
    table.iloc[4, 1] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(DataError, match="'t', row 5: the time of a step is missing"):
        CsvSequences(str(tmp_path / "a.csv"), id="who", target="kind", time="t").setup()
