"""Objects that are given in Python as data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from zoo.data.arrays import Arrays, Frame, ImageArrays
from zoo.data.core.data_module import DataModule
from zoo.data.given import given_as
from zoo.errors import DataError
from zoo.spec import Classes, MultiLabel, Table, Values

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({"size": RANDOM.normal(100, 30, 60).round(1), "city": ["Bonn", "Köln", "Trier"] * 20})
PRICE, RENT = FRAME["size"] * 3.5, FRAME["size"] / 70
IMAGES = RANDOM.integers(0, 255, (60, 6, 5), dtype=np.uint8)
SOURCES = {"frame": Frame, "arrays": Arrays, "image_arrays": ImageArrays}


def loaded(data: Any, **options: Any) -> DataModule:
    source, arguments = given_as(data)
    module = SOURCES[source](**{**arguments, **options})
    module.setup()
    return module


WHOLE = FRAME.assign(price=PRICE)


@pytest.mark.parametrize("form", ["records", "list", "records array"])
def test_a_table_in_other_forms_is_that_of_the_frame(form: Any) -> None:
    given: Any = WHOLE.to_records(index=False) if form == "records array" else WHOLE.to_dict(form)
    found, expected = loaded(given, target="price"), loaded(WHOLE, target="price")
    assert found.spec == expected.spec
    for split, examples in expected.splits.items():
        assert torch.equal(found.splits[split].columns[0], examples.columns[0])


def test_arrow_s_table() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    assert loaded(pyarrow.Table.from_pandas(WHOLE), target="price").spec == loaded(WHOLE, target="price").spec


@pytest.mark.parametrize("inputs", [FRAME[["size"]], FRAME[["size"]].to_numpy()])
def test_several_targets(inputs: Any) -> None:
    values = loaded((inputs, np.stack([PRICE, RENT], axis=1)))
    assert isinstance(values.spec.output, Values)
    assert values.spec.output.names == ("target0", "target1")
    assert values.splits["train"].columns[1].shape[1] == 2
    marks = loaded((inputs, pd.DataFrame({"near": [0, 1] * 30, "far": [1, 0, 0] * 20})))
    assert isinstance(marks.spec.output, MultiLabel)


def test_targets_of_a_frame_keep_their_names() -> None:
    assert loaded((FRAME, pd.DataFrame({"price": PRICE, "rent": RENT}))).spec.output.names == ("price", "rent")
    assert loaded((FRAME, pd.DataFrame({"price": PRICE}))).spec.output.names == ("price",)


@pytest.mark.parametrize(
    ("labels", "options", "output"),
    [
        ([0, 1, 2] * 20, {}, Classes),
        (["a", "b"] * 30, {}, Classes),
        (list(range(60)), {"target_kind": "values"}, Values),
        (PRICE, {}, Values),
        (np.stack([PRICE, RENT], axis=1), {}, Values),
        (np.eye(3)[[0, 1, 2] * 20], {}, MultiLabel),
    ],
)
def test_what_is_learned_of_images(labels: Any, options: dict[str, Any], output: type) -> None:
    data = loaded((IMAGES, labels), **options)
    assert isinstance(data.spec.output, output)
    if isinstance(data.spec.output, Values):
        rows = {tuple(image.flatten().tolist()): number for number, image in enumerate(torch.from_numpy(IMAGES))}
        images, targets = data.splits["test"].columns
        places = [rows[tuple(image.flatten().tolist())] for image in images]
        expected = torch.as_tensor(np.asarray(labels)[places]).double().reshape(len(places), -1)
        assert torch.allclose(data.spec.output.restore(targets).double(), expected, rtol=1e-5)


def test_datasets_of_pytorch() -> None:
    rows = TensorDataset(torch.tensor(FRAME[["size"]].to_numpy()), torch.tensor([0, 1] * 30))
    assert isinstance(loaded(rows).spec.input, Table)
    images = loaded(TensorDataset(torch.from_numpy(IMAGES) / 255, torch.tensor([0, 1] * 30)))
    assert images.spec.output == Classes(("0", "1"))
    assert sum(map(len, images.splits.values())) == 60


@pytest.mark.parametrize(
    ("data", "options", "fault"),
    [
        (DataLoader(TensorDataset(torch.ones(3, 2))), {}, "not 'DataLoader'"),
        (TensorDataset(torch.ones(3, 2)), {}, r"pairs \(input, target\), not tuple 1"),
        ({"a": [1, 2], "b": [1]}, {}, "makes no table"),
        ((IMAGES, [[0, 2]] * 60), {"target_kind": "labels"}, "are 0 and 1"),
        ((IMAGES, [*PRICE[:-1], np.nan]), {}, "row 59: .* not finite"),
        ((IMAGES, [["a", "b"]] * 60), {}, "are numbers"),
        ((IMAGES, np.ones((60, 2, 2))), {}, r"one an example, \(N,\), or several"),
    ],
)
def test_what_cannot_be_data_is_told(data: Any, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        loaded(data, **options)


@pytest.mark.parametrize("texts", [["good", "bad"] * 5, np.array(["good", "bad"] * 5), pd.Series(["good", "bad"] * 5)])
def test_texts_with_labels_are_told_where_they_go(texts: Any) -> None:
    with pytest.raises(DataError, match=r"TextClassifier.*csv_text"):
        given_as((texts, [1, 0] * 5))


def test_a_dataset_of_texts_is_told_where_it_goes() -> None:
    class Texts(Dataset[Any]):
        def __len__(self) -> int:
            return 4

        def __getitem__(self, place: int) -> tuple[str, int]:
            return "good", place % 2

    with pytest.raises(DataError, match="TextClassifier"):
        given_as(Texts())


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (pd.Index([f"p{n}" for n in range(60)]), "index is not learned from"),
        (pd.date_range("2024-01-01", periods=60, name="day"), "index, 'day', is not learned from"),
        (pd.RangeIndex(60, name="patient"), "index, 'patient', is"),
        (pd.MultiIndex.from_product([range(30), ["a", "b"]]), "index is not learned from"),
        (pd.Index(RANDOM.permutation(60)), ""),  # as a choice of rows leaves it
    ],
)
def test_an_index_that_means_something_is_said_to_be_left_out(index: pd.Index, said: str) -> None:
    notes = loaded(WHOLE.set_axis(index), target="price").notes
    assert any(said in note for note in notes) if said else not any("index" in note for note in notes)
