"""Tables: kinds of columns, honest splits, and what is wrong with a table in one line."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import zoo
from zoo import DataError
from zoo.data.core.examples import MappedRows, in_memory
from zoo.data.core.table_data import TableData
from zoo.data.tables import (
    Admissions,
    BreastCancer,
    Csv,
    Diabetes,
    Wine,
    generate_admissions,
)
from zoo.spec import Classes, Features, Table, Values, mapped

ROWS = 60


def frame(**columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(0)
    houses = {
        "size": random.normal(100, 20, ROWS).round(1),
        "city": random.choice(["Rome", "Oslo", "Lima"], ROWS),
        "new": random.choice(["yes", "no"], ROWS),
        "sold": pd.date_range("2020-01-01", periods=ROWS, freq="9D").strftime("%Y-%m-%d"),
        "price": random.normal(300, 50, ROWS),
    }
    return pd.DataFrame({**houses, **columns})


def csv(folder: Path, table: pd.DataFrame, **options: Any) -> Csv:
    table.to_csv(folder / "table.csv", index=False)
    return Csv(str(folder / "table.csv"), **{"target": "price", **options})


def kinds(data: Csv) -> dict[str, str]:
    data.setup()
    assert isinstance(data.spec.input, Table)
    return {column.name: column.kind for column in data.spec.input.columns}


def test_columns_are_typed(tmp_path: Path) -> None:
    found = kinds(csv(tmp_path, frame(mixed=["1", "?", "2.5"] * 20)))
    assert found == {"size": "number", "city": "category", "new": "boolean", "sold": "date", "mixed": "number"}


@pytest.mark.parametrize("ticked", ["x", "1", "yes"])
def test_a_box_that_is_ticked_or_not_tells_something(ticked: str, tmp_path: Path) -> None:
    data = csv(tmp_path, frame(ticked=[ticked, None] * 30))
    assert kinds(data)["ticked"] == ("boolean" if ticked == "yes" else "category")
    rows = [
        {"size": 100, "city": "Rome", "new": "yes", "sold": "2020-01-01", "ticked": cell} for cell in (ticked, None)
    ]
    first, second = data.spec.input.prepare(data.spec.input.encode(rows))
    assert not torch.equal(first, second)


def test_kinds_can_be_overridden(tmp_path: Path) -> None:
    rank = np.arange(ROWS) % 4
    data = csv(tmp_path, frame(rank=rank), kinds={"rank": "category", "sold": "ignore", "new": "category"})
    assert kinds(data) == {"size": "number", "city": "category", "new": "category", "rank": "category"}


def test_statistics_are_of_the_training_split_alone(tmp_path: Path) -> None:
    table = frame()
    table["size"] = np.where(np.arange(ROWS) % 7 == 0, np.nan, table["size"])
    data = csv(tmp_path, table, split_seed=3)
    data.setup()
    column = data.spec.input.columns[0]
    encoded = data.splits["train"].columns[0][:, 0].double()
    known = encoded[~encoded.isnan()]
    assert known.mean().item() == pytest.approx(0, abs=1e-6)
    assert known.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert column.missing
    raw = known * column.std + column.mean
    assert set(raw.numpy().round(1)) <= set(table["size"].dropna())
    assert column.mean != pytest.approx(table["size"].mean(), abs=1e-6)
    targets = data.splits["train"].columns[1]
    assert targets.mean().item() == pytest.approx(0, abs=1e-6)


def test_a_category_that_only_the_test_split_has_is_unseen(tmp_path: Path) -> None:
    table = frame(price=100.0 + np.arange(ROWS))
    data = csv(tmp_path, table)
    data.setup()
    test_prices = data.spec.output.restore(data.splits["test"].columns[1])[:, 0]
    in_test = np.isclose(table["price"].to_numpy()[:, None], test_prices.numpy(), rtol=1e-5).any(axis=1)
    assert in_test.sum() == len(test_prices)
    table.loc[in_test, "city"] = "Ulan Bator"
    data = csv(tmp_path, table)
    data.setup()
    assert data.spec.input.columns[1].values == ("Lima", "Oslo", "Rome")
    assert data.splits["test"].columns[0][:, data.spec.input.slices["city"]].unique().tolist() == [1.0]


@pytest.mark.parametrize("source", [Admissions, BreastCancer, Wine, Diabetes])
def test_splits_are_disjoint_complete_and_stratified(source: type[TableData]) -> None:
    data = source()  # type: ignore[call-arg]
    data.setup()
    total = len(data.read())
    assert sum(len(examples) for examples in data.splits.values()) == total
    assert len(data.splits["test"]) == pytest.approx(0.15 * total, abs=2)
    rows = torch.cat([examples.columns[0] for examples in data.splits.values()])
    different = {tuple(row) for row in rows.tolist()}
    assert len(different) == len({tuple(row) for row in data.read().drop(columns=data.target).to_numpy().tolist()})
    if isinstance(data.spec.output, Classes):
        shares = [examples.columns[1].bincount() / len(examples) for examples in data.splits.values()]
        assert (shares[0] - shares[2]).abs().max() < 0.02


def test_the_split_depends_on_its_seed_alone() -> None:
    first, again, other = Wine(), Wine(), Wine(split_seed=1)
    for data in (first, again, other):
        data.setup()
    assert torch.equal(first.splits["test"].columns[0], again.splits["test"].columns[0])
    assert not torch.equal(first.splits["test"].columns[0], other.splits["test"].columns[0])


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (["b", "a", "c"] * 20, ("a", "b", "c")),
        ([True, False, True] * 20, ("False", "True")),
        ([10, 2, 1] * 20, ("1", "2", "10")),
        ([1.0, 0.0, None] * 20, ("0", "1")),
        (list(range(ROWS)), None),
        ([0.5, 1.5, 2.5] * 20, None),
    ],
    ids=["text", "booleans", "whole numbers", "with missing ones", "many numbers", "fractions"],
)
def test_the_target_decides(tmp_path: Path, cells: list[Any], names: tuple[str, ...] | None) -> None:
    data = csv(tmp_path, frame(price=cells))
    data.setup()
    if names is None:
        assert isinstance(data.spec.output, Values)
    else:
        assert data.spec.output == Classes(names)


def test_the_target_can_be_overridden(tmp_path: Path) -> None:
    data = csv(tmp_path, frame(price=[1, 2, 3] * 20), target_kind="values")
    data.setup()
    assert isinstance(data.spec.output, Values)
    data = csv(tmp_path, frame(price=[0.5, 1.5, 2.5] * 20), target_kind="classes")
    data.setup()
    assert data.spec.output == Classes(("0.5", "1.5", "2.5"))


def test_rows_without_target_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = frame()
    table.loc[:9, "price"] = np.nan
    data = csv(tmp_path, table)
    with caplog.at_level(logging.INFO):
        data.setup()
    assert sum(map(len, data.splits.values())) == ROWS - 10
    assert "10 rows without 'price' are dropped" in caplog.text


def test_useless_columns_are_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = frame(note=[f"note {row}" for row in range(ROWS)], same="x", empty=None)
    with caplog.at_level(logging.INFO):
        found = kinds(csv(tmp_path, table))
    assert not {"note", "same", "empty"} & set(found)
    assert "column 'note' is dropped: it is text, and no two rows have the same" in caplog.text
    assert "column 'same' is dropped: it never changes" in caplog.text
    assert "column 'empty' is dropped: it is empty" in caplog.text


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"target": "prise"}, "unknown column 'prise'; did you mean 'price'"),
        ({}, {"kinds": {"siz": "number"}}, "unknown column 'siz'; did you mean 'size'"),
        ({}, {"kinds": {"city": "number"}}, r"column 'city', row \d+: '\w+' is not a number"),
        ({"price": 7}, {}, "the target 'price' has the same value in all rows: 7"),
        ({"price": None}, {}, "the target 'price' is missing in all rows"),
        ({"price": [f"p{row}" for row in range(ROWS)]}, {}, "has 60 classes in 60 rows, and '.*' only 1"),
        ({"price": ["x", "y"] * 29 + ["z", "z"]}, {}, "'z' only 2; each class needs at least 3 rows"),
        ({"size": [*range(ROWS - 1), "inf"]}, {}, "column 'size', row 60: 'inf' is not finite"),
        ({"price": [*range(ROWS - 1), "-inf"]}, {}, "column 'price', row 60: '-inf' is not finite"),
        ({"city": "x", "new": "x", "sold": "x", "size": 1}, {}, "no column is left from which to learn 'price'"),
    ],
    ids=str,
)
def test_a_bad_table(tmp_path: Path, columns: Any, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        csv(tmp_path, frame(**columns), **options).setup()
    assert "\n" not in str(caught.value)


def test_too_few_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 10 rows with a target are needed, got 9"):
        csv(tmp_path, frame().head(9)).setup()


@pytest.mark.parametrize(
    "options",
    [
        {"target_kind": "class"},
        {"kinds": {"a": "text"}},
        {"val_fraction": 0.0},
        {"val_fraction": 0.5, "test_fraction": 0.5},
        {"batch_size": 0},
    ],
    ids=str,
)
def test_an_option_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)).split("_")[0].rstrip("s")):
        Csv("table.csv", "price", **options)


def test_the_admissions_are_as_generated() -> None:
    pd.testing.assert_frame_equal(Admissions().read().reset_index(drop=True), generate_admissions())


def test_files_of_their_own_for_val_and_test(tmp_path: Path) -> None:
    for name in ("val", "test"):
        frame(price=np.arange(ROWS) + 1000.0).to_csv(tmp_path / f"{name}.csv", index=False)
    data = csv(tmp_path, frame(), val_path=str(tmp_path / "val.csv"), test_path=str(tmp_path / "test.csv"))
    data.setup()
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [ROWS, ROWS, ROWS]
    restored = data.spec.output.restore(data.splits["test"].columns[1])
    assert restored.flatten().tolist() == pytest.approx([1000.0 + n for n in range(ROWS)])
    plain = csv(tmp_path, frame())
    plain.setup()
    drawn = torch.cat([plain.spec.output.restore(part.columns[1]) for part in plain.splits.values()])
    torch.testing.assert_close(data.spec.output.restore(data.splits["train"].columns[1]), drawn)  # in this order
    alone = csv(tmp_path, frame(), test_path=str(tmp_path / "test.csv"))
    alone.setup()
    assert len(alone.splits["train"]) + len(alone.splits["val"]) == ROWS


def test_rows_are_split_by_time(tmp_path: Path) -> None:
    table = frame(day=[f"{n % 28 + 1}.{n // 28 + 1}.2020" for n in range(ROWS)]).sample(frac=1, random_state=0)
    data = csv(tmp_path, table, split_by="day")
    data.setup()
    days = {
        split: examples.columns[0][:, data.spec.input.slices["day"].start] for split, examples in data.splits.items()
    }
    assert days["train"].max() < days["val"].min()
    assert days["val"].max() < days["test"].min()


def test_no_group_is_in_two_splits(tmp_path: Path) -> None:
    patients = np.arange(ROWS) % 12
    data = csv(tmp_path, frame(patient=patients, mark=patients * 1.5), group="patient")
    data.setup()
    assert "patient" not in data.spec.input.slices
    place = data.spec.input.slices["mark"].start
    marks = [set(examples.columns[0][:, place].tolist()) for examples in data.splits.values()]
    assert sum(map(len, marks)) == len(set.union(*marks)) == 12


def test_several_targets_or_none(tmp_path: Path) -> None:
    data = csv(tmp_path, frame(rent=np.arange(ROWS) * 2.0), target=["price", "rent"])
    data.setup()
    assert data.spec.output.names == ("price", "rent")
    assert data.splits["train"].columns[1].shape[1] == 2
    unlabelled = csv(tmp_path, frame(), target=None)
    unlabelled.setup()
    assert "price" in unlabelled.spec.input.slices
    assert isinstance(unlabelled.spec.output, Features)
    assert len(unlabelled.splits["train"].columns) == 1


def test_a_text_beside_other_columns_is_left_out_and_alone_is_sent_elsewhere(tmp_path: Path) -> None:
    texts = [f"a text of many words, number {n % 40}" for n in range(ROWS)]
    data = csv(tmp_path, frame(note=texts))
    data.setup()
    assert "data=csv_text" in " ".join(data.notes)
    label = pd.DataFrame({"text": texts, "label": ["good", "bad"] * 30})
    with pytest.raises(DataError, match=r"data=csv_text data\.text=text data\.label=label"):
        csv(tmp_path, label, target="label").setup()


def marks(step: int) -> list[int]:
    return [int(row % step == 0) for row in range(ROWS)]


def test_labels_that_say_nothing_are_told(tmp_path: Path) -> None:
    labels = ["spam", "news"]
    never = frame(spam=marks(3), news=[0] * ROWS)
    with pytest.raises(DataError, match="the label 'news' is 0 in all rows"):
        csv(tmp_path, never, target=labels).setup()
    ticked = frame(spam=["x" if mark else "" for mark in marks(9)], news=["x" if mark else "" for mark in marks(4)])
    with pytest.raises(DataError, match="where an empty cell means no, write 0"):
        csv(tmp_path, ticked, target=labels).setup()
    joined = frame(tags=["a;b" if mark else "b" for mark in marks(2)])
    data = csv(tmp_path, joined, target="tags")
    data.setup()
    assert any("'a;b' is one class" in note and "data.target=" in note for note in data.notes)


def test_a_target_whose_name_is_a_number(tmp_path: Path) -> None:
    data = csv(tmp_path, frame().rename(columns={"price": "2020"}), target=2020)
    data.setup()
    assert data.spec.output.names == ("2020",)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"na_values": ["Rome", 100.5], "target_kind": "classes"},
        {"split_by": "sold", "weight": "weight"},
        {"group": "city", "target": "new"},
        {"val_path": "val.csv", "test_path": "test.csv"},
        {"target": ["price", "size"]},
        {"target": None},
    ],
    ids=str,
)
def test_a_large_table_lies_in_a_mapped_file(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    table = frame(weight=np.arange(ROWS) % 3 + 1, note=[f"a text of many words {n}" for n in range(ROWS)])
    table.loc[3:7, "size"] = np.nan
    if options.get("target_kind") == "classes":
        table["price"] = [None, 0.5, 1.5, 2.5] * 15
    for name in ("val", "test"):
        table.assign(city=["Rome", "Bonn"] * 30).to_csv(f"{name}.csv", index=False)
    wanted = csv(tmp_path, table, **options)
    wanted.setup()
    monkeypatch.setattr(mapped, "LARGE", 0)
    found = csv(tmp_path, table, **options)
    found.setup()
    assert (found.spec, found.notes) == (wanted.spec, wanted.notes)
    for split, examples in found.splits.items():
        assert isinstance(examples.columns[0], MappedRows)
        for ours, theirs in zip(examples.columns, wanted.splits[split].columns, strict=True):
            assert torch.equal(in_memory(ours).nan_to_num(9), in_memory(theirs).nan_to_num(9))
        assert torch.equal(examples[3][0].nan_to_num(9), wanted.splits[split][3][0].nan_to_num(9))
    again = pickle.loads(pickle.dumps(found.splits["test"]))
    assert torch.equal(again.columns[0].nan_to_num(9), in_memory(found.splits["test"].columns[0]).nan_to_num(9))


@pytest.mark.usefixtures("no_plots")
def test_a_network_learns_the_same_from_a_mapped_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    frame().to_csv(tmp_path / "table.csv", index=False)
    settings = (f"data.path={tmp_path / 'table.csv'}", "data.target=price", "epochs=2", "trainer=cpu", "threads=1")
    trained = []
    for large in (mapped.LARGE, 0):
        monkeypatch.setattr(mapped, "LARGE", large)
        trained.append(zoo.train("data=csv", *settings, model="mlp", folder=str(tmp_path / str(large))))
    weights = [one.network.state_dict() for one in trained]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    first, second = ({**one.metrics, "train/seconds": 0} for one in trained)
    assert first == second
