"""Runs side by side: which differences are real, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo import ConfigError
from zoo.training.compare import Run, _short, as_text, compare, compared, from_command, shared_metrics
from zoo.training.outcomes import FILE, Outcomes, load_outcomes, value_metrics

TRUE = torch.randn(300, 1, generator=torch.Generator().manual_seed(0)).double()


def outcomes(noise: float, seed: int, examples: str = "a") -> Outcomes:
    """Of answers whose root mean squared error is `noise`."""
    errors = torch.randn(300, 1, generator=torch.Generator().manual_seed(seed))
    errors *= noise / errors.square().mean().sqrt()
    return Outcomes("values", {"true": TRUE, "answers": TRUE + errors}, examples)


def run(name: str, found: Outcomes) -> Run:
    return Run(name, {**value_metrics(found.tensors["answers"], found.tensors["true"]), "loss": 1.0}, found)


def test_a_real_difference_is_told_from_chance() -> None:
    runs = [run("a", outcomes(0.5, 1)), run("same", outcomes(0.5, 2)), run("worse", outcomes(1.0, 3))]
    found = compared(runs, shared_metrics(runs))
    worse, same = found["rmse"]["worse"].difference, found["rmse"]["same"].difference
    assert worse is not None
    assert worse.low > 0.3
    assert same is not None
    assert not same.excludes_zero
    assert found["rmse"]["a"].value.low < 0.5 < found["rmse"]["a"].value.high
    assert found["loss"]["worse"].difference is None  # of which the examples are not known
    text = as_text(runs, found)
    assert text.count("| yes |") == 3  # rmse, mae, r2
    assert text.count("within chance") == 3


def test_a_plot_names_runs_without_the_folders_that_they_share() -> None:
    assert _short(["/data/runs/mlp/a", "/data/runs/cnn"]) == {"/data/runs/mlp/a": "mlp/a", "/data/runs/cnn": "cnn"}
    assert _short(["a", "runs/a"]) == {"a": "a", "runs/a": "runs/a"}


def test_other_test_examples_are_not_paired() -> None:
    runs = [run("a", outcomes(0.5, 1)), run("b", outcomes(1.0, 2, examples="others"))]
    found = compared(runs, ["rmse"])
    assert found["rmse"]["b"].difference is None
    assert "not tested on the same examples" in as_text(runs, found)


def test_outcomes_survive_the_disk_and_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    kept = outcomes(0.5, 1)
    kept.save(tmp_path / FILE)
    read = load_outcomes(tmp_path / FILE)
    assert read.metrics() == kept.metrics()
    assert read.same_examples(kept)
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_outcomes(tmp_path / FILE)


def test_ratios_of_sums_have_intervals_too(tmp_path: Path) -> None:
    """Such as character error rates: edits by characters, over lines of different lengths."""
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 40, (400,), generator=random).float()

    def read(rate: float) -> Outcomes:
        edits = torch.binomial(lengths, torch.full((400,), rate), generator=random)
        ones = torch.ones(400)
        errors = torch.stack([torch.full((400,), 4.0), ones], dim=1)
        return Outcomes("ratios", {"cer": torch.stack([edits, lengths], dim=1), "rmse": errors}, "a")

    good, bad = read(0.05), read(0.2)
    assert good.metrics()["cer"] == pytest.approx(float(good.tensors["cer"][:, 0].sum() / lengths.sum()))
    assert good.metrics()["rmse"] == pytest.approx(2.0)
    bad.save(tmp_path / FILE)
    runs = [Run("good", good.metrics(), good), Run("bad", bad.metrics(), load_outcomes(tmp_path / FILE))]
    difference = compared(runs, ["cer"])["cer"]["bad"].difference
    assert difference is not None
    assert 0.12 < difference.low < 0.15 < difference.high < 0.18
    other = Outcomes("ratios", {name: part * 2 for name, part in bad.tensors.items()}, "a")
    assert not good.same_examples(other)


@pytest.mark.parametrize(("places", "said"), [((), "two runs or more"), (("a", "b"), "not the folder of a run")])
def test_what_is_no_run_is_one_line(tmp_path: Path, places: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compare([tmp_path / place for place in places], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_setting_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown setting 'metric'; did you mean 'metrics'"):
        from_command(["runs/a", "runs/b", "metric=accuracy"])
    (tmp_path / "out").touch()
    with pytest.raises(ConfigError, match="out is a file"):
        compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out")


def test_metrics_that_runs_do_not_share_are_told_before_any_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.training.compare.read_run", lambda place: run(str(place), outcomes(0.5, 1)))
    monkeypatch.setattr("zoo.training.compare._draws", lambda found: pytest.fail("this takes long"))
    with pytest.raises(ConfigError, match="unknown metric of all these runs 'rsme'; did you mean 'rmse'"):
        compare([tmp_path / "a", tmp_path / "b"], tmp_path / "out", ["r2", "rsme"])
    with pytest.raises(ConfigError, match="no metric of the test split in common"):
        shared_metrics([run("a", outcomes(0.5, 1)), Run("b", {"accuracy": 1.0}, None)])
    assert shared_metrics([run("a", outcomes(0.5, 1)), Run("b", {"r2": 0.5, "rmse": 1.0}, None)], ["r2"]) == ["r2"]
