"""What a config describes: a pair that cannot work ends before its data is downloaded or read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo.data.core.data_module import DataModule
from zoo.errors import SpecError
from zoo.training.parts import check_pair, make_data
from zoo.training.run import train

Compose = Callable[..., DictConfig]


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data module downloads, prepares or reads anything."""

    def fail(*args: Any, **options: Any) -> None:
        pytest.fail("the data was prepared or read")

    for kind in vars(zoo.data).values():
        if isinstance(kind, type) and issubclass(kind, DataModule):
            for step in ("prepare_data", "setup", "load"):
                monkeypatch.setattr(kind, step, fail)


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("model=lstm task=sentiment data=mnist", "sentiment needs data of texts.* there is task=classification"),
        ("model=lstm task=tagging data=shapes", "tagging needs data with a label.* there is task=captioning"),
        (
            "model=lstm task=forecasting data=text_file data.path=no.txt",
            "forecasting.* there is task=language_modelling",
        ),
        ("model=mlp task=classification data=imdb", "mlp goes from table or image"),
        ("model=cnn task=regression data=twenty_newsgroups", "regression needs data with values"),
        ("model=cnn task=ocr data=csv data.path=nowhere.csv data.target=price", "ocr needs data with lines"),
    ],
)
def test_an_impossible_pair_is_refused_before_its_data(compose: Compose, tmp_path: Path, pair: str, words: str) -> None:
    folder = tmp_path / "run"
    with pytest.raises(SpecError, match=words):
        train(compose("train", "trainer=cpu", f"folder={folder}", *pair.split()))
    assert not folder.exists()


@pytest.mark.parametrize(
    "data",
    [
        zoo.data.Admissions(),
        zoo.data.BinaryRatings(),
        zoo.data.Diabetes(),
        zoo.data.DigitLines(rounds=1),
        zoo.data.MovingDigits(9, 9, 9),
        zoo.data.Photos(),
        zoo.data.Reviews(20, 9, 9),
        zoo.data.Shapes(9, 9, 9),
        zoo.data.Waves(),
    ],
    ids=lambda data: type(data).__name__,
)
def test_what_is_expected_of_data_is_what_it_turns_out_to_be(data: DataModule) -> None:
    expected = [(type(spec.input), type(spec.output)) for spec in data.expected_specs()]
    data.setup()
    assert (type(data.spec.input), type(data.spec.output)) in expected


def test_a_pair_is_checked_without_a_trace(compose: Compose) -> None:
    """Else the weights of a run would be others than they were."""
    cfg = compose("train", "model=cnn", "data=mnist", "data.root=nowhere")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    check_pair(cfg, make_data(cfg, {}), None)
    assert torch.equal(torch.rand(4), expected)
