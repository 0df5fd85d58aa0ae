"""Forecasts as people get them: rows with times, of files and on the command line, and from exported programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

import zoo
from zoo import models
from zoo.inference.export import export_artefact
from zoo.inference.predict import predict
from zoo.spec import Calibration, Forecast, Series, Spec
from zoo.spec.clock import Clock
from zoo.weights.artefact import Artefact, save

DAYS = Clock("day", "day", 1.0, "%d.%m.%Y", calendar=("weekday",))


@pytest.fixture
def artefact() -> Artefact:
    """An untrained network of two shops, whose promotions are known ahead."""
    torch.manual_seed(0)
    series = Series(
        ("sales", "promotion"),
        (5.0, 0.5),
        (2.0, 0.5),
        context_length=6,
        horizon=3,
        future=("promotion",),
        masked=True,
        id="shop",
        clock=DAYS,
    )
    spec = Spec(series, Forecast(("sales",), (5.0,), (2.0,), 3, quantiles=(0.05, 0.5, 0.95)))
    network = models.build("gru", spec, hidden_size=4)
    return Artefact(
        "gru", {"hidden_size": 4}, spec, network, calibration=Calibration(coverage=0.9, widths=((0.1,), (0.2,), (0.3,)))
    )


@pytest.fixture
def table() -> pd.DataFrame:
    parts = []
    for shop, scale in (("a", 1.0), ("b", 100.0)):
        days = [day.strftime("%d.%m.%Y") for day in pd.date_range("2024-01-28", periods=13)]
        sales = [scale * (5 + n % 3) if n < 10 and n != 6 else None for n in range(13)]
        parts.append(pd.DataFrame({"day": days, "shop": shop, "sales": sales, "promotion": [n % 2 for n in range(13)]}))
    return pd.concat(parts, ignore_index=True)


def test_a_row_for_each_step_and_series(artefact: Artefact, table: pd.DataFrame) -> None:
    rows = artefact(table)
    assert [row["shop"] for row in rows] == ["a"] * 3 + ["b"] * 3
    assert [row["time"] for row in rows] == ["07.02.2024", "08.02.2024", "09.02.2024"] * 2
    assert all(row["sales"]["low"] < row["sales"]["value"] < row["sales"]["high"] for row in rows)
    assert rows[3]["sales"]["value"] == pytest.approx(100 * rows[0]["sales"]["value"], rel=1e-3)
    assert artefact([table, table[table["shop"] == "b"]]) == [rows, rows[3:]]
    with pytest.raises(zoo.SpecError, match="reads promotion of the 3 steps to come, and 2 are given"):
        artefact(table[(table["shop"] == "a")].iloc[:-1])


def test_rows_are_written(
    artefact: Artefact,
    table: pd.DataFrame,
    compose: Callable[..., DictConfig],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(artefact, tmp_path / "model.safetensors")
    table.to_csv(tmp_path / "shops.csv", index=False)
    names = f"model={tmp_path / 'model.safetensors'}", f"input={tmp_path / 'shops.csv'}"
    expected = artefact(table)
    assert predict(compose("use/predict", *names, "format=jsonl")) == 0
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [{name: part for name, part in row.items() if name != "input"} for row in written] == expected
    assert predict(compose("use/predict", *names, "format=csv")) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert list(rows[0]) == ["input", "shop", "time", "sales.value", "sales.low", "sales.high"]
    assert float(rows[5]["sales.high"]) == pytest.approx(expected[5]["sales"]["high"])
    assert predict(compose("use/predict", *names, "format=table")) == 0
    assert "sales.low" in capsys.readouterr().out


@pytest.mark.usefixtures("onnx")
def test_a_forecaster_is_exported(artefact: Artefact, table: pd.DataFrame, tmp_path: Path) -> None:
    import onnxruntime

    file = tmp_path / "forecaster.onnx"
    assert export_artefact(artefact, file, "onnx") == {"series": {0}}
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    series = artefact.spec.input
    assert isinstance(series, Series)
    given = series.collate([part.encoded for part in series.parts(table)])
    values, low, high = session.run(None, {"series": given.numpy()})
    rows = artefact(table)
    for name, found in (("value", values), ("low", low), ("high", high)):
        np.testing.assert_allclose(found.flatten(), [row["sales"][name] for row in rows], rtol=1e-4)
