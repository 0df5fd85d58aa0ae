"""Training from Python: the names, the objects and the mistakes of `zoo.train`."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch import nn

import zoo
from zoo.data import Digits
from zoo.inference.evaluate import measure
from zoo.models import MODELS

SMALL: dict[str, Any] = {"epochs": 1, "threads": 1, "trainer": "cpu", "callbacks.progress": None}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_plots: None) -> None:
    """Runs leave their folders in one of the test's own, and models of the test are forgotten after it."""
    monkeypatch.chdir(tmp_path)
    for name in ("tiny", "narrow", "broken", "nothing", "rows", "sure", "tied"):
        monkeypatch.setitem(MODELS, name, MODELS["cnn"])
        monkeypatch.delitem(MODELS, name)


@pytest.fixture
def frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    size = random.normal(100, 30, 60).round(1)
    return pd.DataFrame(
        {
            "size": size,
            "city": random.choice(["Bonn", "Köln"], 60),
            "built": pd.date_range("2001-05-01", periods=60, freq="31D"),
            "lift": random.random(60) > 0.5,
            "rooms": pd.array([2, None, 4] * 20, dtype="Int64"),
            "kind": pd.Categorical(random.choice(["flat", "house"], 60)),
            "price": size * 3 + random.normal(0, 9, 60),
        }
    )


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    """300 images of 6 x 5 pixels, of three classes by their brightness."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    return (random.integers(0, 80, (300, 6, 5)) + 80 * labels[:, None, None]).astype(np.uint8), labels


def tiny(spec: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 3))


def narrow(spec: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 2))


def broken(spec: Any) -> nn.Module:
    return nn.Linear(7, 3)


def nothing(spec: Any) -> Any:
    return None


def rows(spec: Any) -> nn.Module:
    return nn.LazyLinear(1)


def train(*overrides: str, **settings: Any) -> Any:
    return zoo.train(*overrides, **{**SMALL, **settings})


def called(trained: Any, **names: Any) -> Any:
    """Overrides and arguments of the call in Python that stands in the card of a run, with these names."""
    (call,) = re.findall(r"(?m)^    (zoo\.train\(.*\))$", (trained.folder / "card.md").read_text(encoding="utf-8"))
    return eval(call, {"zoo": SimpleNamespace(train=lambda *overrides, **parts: (overrides, parts)), **names})


def test_the_same_weights_as_on_the_command_line(
    root: Path, tmp_path: Path, forks: Any, pytestconfig: pytest.Config
) -> None:
    names = ["model=cnn", "model.widths=[4,8]", "data=digits", "epochs=2", "threads=1", "trainer=cpu"]
    names += [f"seed={7 + pytestconfig.getoption('seed_shift')}"]  # by which a fork shifts none
    names += ["data.augment={_target_: zoo.data.images.RandomShift, pixels: 1}"]
    done = forks.run(root / "scripts" / "train.py", *names, "folder=commanded", cwd=tmp_path, drawn=False)
    assert done.returncode == 0, done.stderr[-2000:]
    shift = {"_target_": "zoo.data.images.RandomShift", "pixels": 1}
    options = {"model.widths": [4, 8], "data.augment": shift, "epochs": 2}
    torch.manual_seed(123)  # of the caller, which changes nothing
    found = train(model="cnn", data="digits", seed=7, **options)
    expected = zoo.load(tmp_path / "commanded" / "model.safetensors")
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], tensor), name
    assert {**found.metrics, "train/seconds": 0} == {**expected.metrics, "train/seconds": 0}


def test_a_forecaster_answers_as_it_did_once_it_is_read_again(tmp_path: Path) -> None:
    """What it was built with and no file holds is there, too: which of the columns are predicted, and in what order."""
    random = np.random.default_rng(0)
    columns = {name: random.normal(level, 2, 90) for name, level in (("a", 5), ("b", -40), ("c", 300))}
    table = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=90).astype(str), **columns})
    table.to_csv(tmp_path / "days.csv", index=False)
    options = {"data.path": str(tmp_path / "days.csv"), "data.time": "day", "data.targets": ["c", "a"]}
    sizes = {"data.context_length": 6, "data.horizon": 2, "model.hidden_size": 8}
    trained = train(model="gru", task="forecasting", data="csv_series", **options, **sizes)
    loaded = zoo.load(trained.folder / "model.safetensors")
    buffers = dict(loaded.network.named_buffers())
    for name, buffer in trained.network.named_buffers():
        assert torch.equal(buffers[name], buffer), name
    past = table.tail(6)  # with days, whose weekdays it reads
    assert loaded(past) == trained(past)
    batch = loaded.spec.input.prepare(loaded.spec.input.collate([loaded.spec.input.encode(past)]))
    with torch.inference_mode():
        assert torch.equal(zoo.models.apply(loaded.network, batch), zoo.models.apply(trained.network, batch))


def test_what_is_given_back(drawn: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = train("task.optimizer.lr=0.02", model="mlp", data="wine", task="classification")
    assert trained.folder.parent == tmp_path / "runs" / "mlp_classification_wine"
    assert trained.plots.keys() >= {"confusion_matrix", "curves"}
    assert all(file.is_file() for file in trained.plots.values())
    assert trained.metrics == zoo.load(trained.folder / "model.safetensors").metrics
    assert not trained.network.training
    assert (trained.monitor, trained.mode) == ("val/loss", "min")
    best = min(float(row) for row in pd.read_csv(trained.folder / "metrics.csv")["val/loss"].dropna())
    assert trained.score == pytest.approx(best)
    assert OmegaConf.load(trained.folder / ".hydra" / "config.yaml").task.optimizer.lr == 0.02


def test_a_data_frame_is_as_a_csv_file(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "flats.csv", index=False)
    given = train(data=frame, target="price")
    read = train(model="mlp", data="csv", target="price", **{"data.path": "flats.csv"})
    assert given.spec.input.columns == read.spec.input.columns  # how the file is written is kept beside them
    assert given.spec.output == read.spec.output
    tensors = zip(given.network.state_dict().values(), read.network.state_dict().values())
    assert all(torch.equal(one, other) for one, other in tensors)
    assert given(frame[:3]) == read(frame[:3])
    for file in ("card.md", "train.log"):
        assert "frame: DataFrame 60 x 7" in (given.folder / file).read_text(encoding="utf-8")
    overrides, parts = called(given, frame=frame)
    assert parts == {"data": frame}
    assert {"model=mlp", "data.target=price"} <= {*overrides}
    with pytest.raises(zoo.DataError, match=r"^the data was given in Python \('DataFrame 60 x 7'\)"):
        measure(zoo.load(given.folder / "model.safetensors"), tmp_path)


def test_rows_of_numbers() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(90, 3))
    classes = np.where(inputs[:, 0] > 0, "high", "low")
    quick = {"epochs": 10, "task.optimizer.lr": 0.05}
    assert train(data=(inputs, classes), **quick).metrics["test/accuracy"] > 0.8
    values = train(data=(torch.from_numpy(inputs), torch.from_numpy(inputs[:, :1] * 7 + 3)), **quick)
    assert values.metrics["test/r2"] > 0.8
    named = train(data=(pd.DataFrame(inputs, columns=list("abc")), pd.Series(classes, name="level")), epochs=1)
    assert [column.name for column in named.spec.input.columns] == ["a", "b", "c"]


@pytest.mark.parametrize("form", ["N H W", "N H W 3", "N 3 H W", "float", "tensor"])
def test_images_as_arrays(images: tuple[np.ndarray, np.ndarray], form: str) -> None:
    pixels, labels = images
    given = {
        "N H W": pixels,
        "N H W 3": np.stack([pixels] * 3, axis=3),
        "N 3 H W": np.stack([pixels] * 3, axis=1),
        "float": pixels / 255,
        "tensor": torch.from_numpy(pixels),
    }[form]
    names = np.array(["dark", "grey", "light"])[labels]
    trained = train(data=(given, names), epochs=4, **{"model.widths": [8], "data.batch_size": 32})
    assert trained.spec.output.names == ("dark", "grey", "light")
    assert trained.spec.input.channels == (3 if "3" in form else 1)
    card = (trained.folder / "card.md").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| (\w+) \| \d+ \|$", card) == ["train", "val", "test"]
    answers = trained(list(pixels[:60]))
    assert sum(answer["label"] == name for answer, name in zip(answers, names)) > 45


def test_a_data_module(digits: Digits, tmp_path: Path) -> None:
    trained = train(data=digits, model="mlp", **{"model.hidden_sizes": [8]})
    assert trained.folder.parent.name == "mlp_supervised_module"
    with pytest.raises(zoo.DataError, match="given in Python"):
        measure(trained, tmp_path)


def test_a_network_of_ones_own(images: tuple[np.ndarray, np.ndarray]) -> None:
    trained = train(model=tiny, data=images, **{"task.optimizer.lr": 0.1})
    assert trained.folder.parent.name == "tiny_classification_image_arrays"
    assert called(trained, images=images[0], labels=images[1], tiny=tiny)[1] == {"model": tiny, "data": images}
    again = zoo.load(trained.folder / "model.safetensors")
    assert again(images[0][0]) == trained(images[0][0])
    assert train(model=tiny, data=images).model == "tiny"  # the same builder, once more
    assert train(model=rows, data=(np.random.rand(30, 4), np.random.rand(30))).spec.output.names == ("target",)


def test_a_running_hydra_goes_on(root: Path, compose: Callable[..., Any]) -> None:
    outer = compose("train", "model=gan", "hydra.run.dir=elsewhere")
    with hydra.initialize_config_dir(str(root / "conf"), version_base="1.3"):
        OmegaConf.register_new_resolver("now", lambda pattern: "then", replace=True)
        instance = GlobalHydra.instance()
        mine = instance.hydra
        trained = train(model="mlp", data="wine")
        assert GlobalHydra.instance() is instance
        assert instance.hydra is mine
        assert OmegaConf.create({"when": "${now:%Y}"}).when == "then"
    OmegaConf.clear_resolver("now")
    assert trained.folder.parent.name == "mlp_supervised_wine"
    assert outer.choices.model == "gan"


def test_lines_of_the_log_are_printed_where_nothing_else_would(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    zoo.train(model="mlp", data="wine", epochs=1)
    out, err = capsys.readouterr()
    assert [line.split(" ")[0] for line in out.splitlines()] == ["mlp", "test/loss", "Results:", "Use"]
    assert err == ""
    assert logging.getLogger("zoo").handlers == []


def test_an_interrupted_run_does_not_end_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*args: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    def interrupted(*args: Any, **options: Any) -> None:
        try:
            fit()
        except KeyboardInterrupt:
            sys.exit(1)  # as Lightning does

    monkeypatch.setattr(L.Trainer, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(model="mlp", data="wine")


SPOILT = np.full((9, 4, 4), np.nan)


@pytest.mark.parametrize(
    ("settings", "kind", "message"),
    [
        ({"epoch": 3}, zoo.ConfigError, "unknown setting 'epoch'; did you mean 'epochs'? choices: batches"),
        ({"task.optimizer.lrr": 1}, zoo.ConfigError, "unknown setting 'task.optimizer.lrr'; did you mean 'task.opt"),
        ({"optimiser": "adam"}, zoo.ConfigError, "optimiser is now optimizer"),
        ({"model": "cnnn"}, zoo.ConfigError, "unknown model 'cnnn'; did you mean 'cnn'?"),
        ({"data": "mnits"}, zoo.ConfigError, "unknown data 'mnits'; did you mean 'mnist'?"),
        ({"trainer": {"device": 2}}, zoo.ConfigError, "unknown setting 'trainer.device'; did you mean 'trainer.dev"),
        (
            {"trainer": None},
            zoo.ConfigError,
            "a choice, such as model=cnn, is a name; null, a number or a list is none",
        ),
        ({"seed": object()}, zoo.ConfigError, "seed: a setting is a number, text, true, false, null, or lists and"),
        ({"model": 5}, zoo.ConfigError, "model is a name, or a function build(spec) -> nn.Module"),
        ({"model": lambda spec: None}, zoo.ConfigError, "model is a name, or a function build(spec) -> nn.Module"),
        ({"data": 5}, zoo.DataError, "data is a name, a DataFrame or rows of one, a pair of arrays"),
        ({"data": "frame", "target": "x"}, zoo.DataError, "data of Python is wanted, as in zoo.train(data=…)"),
        ({"data": "module"}, zoo.ConfigError, "data=module is for Python: zoo.train(data=…)"),
        ({"data": (np.zeros((9, 4, 4), "uint8"), [0] * 8)}, zoo.DataError, "9 images and 8 labels; there is one of"),
        ({"data": (np.zeros((9, 4)), [0] * 8)}, zoo.DataError, "9 rows and 8 targets; there is one of each"),
        ({"data": (SPOILT, [0] * 9)}, zoo.DataError, "float images lie in 0..1, not nan..nan"),
        ({"data": (np.zeros((9, 4, 4), int), [0] * 9)}, zoo.DataError, "images are uint8 (0..255) or floats (0..1),"),
        ({"data": (np.zeros((9, 4, 4, 4), "u1"), [0] * 9)}, zoo.DataError, "images are N x H x W, or N x H x W x C"),
        ({"data": (np.zeros((9, 3, 4, 3), "u1"), [0] * 9)}, zoo.DataError, "images of 9 x 3 x 4 x 3 (uint8) may have"),
        ({"data": (np.zeros((9, 4, 4), "u1"), [0.5] * 9)}, zoo.DataError, "column 'value' has the same value"),
        ({"data": (np.zeros((9, 4, 4), "u1"), [0] * 9)}, zoo.DataError, "all images have the same label: 0"),
        ({"data": (np.zeros((9, 4, 4), "u1"), [0] * 8 + [1])}, zoo.DataError, "label 1 has 1 images; each needs at"),
        ({"data": (np.zeros((9, 4, 4), "u1"), [0, 1, 2] * 3)}, zoo.DataError, "all pixels of the training images are"),
        ({"data": (np.full((30, 2), "a"), [0] * 30)}, zoo.DataError, "rows of a table are numbers N x F, not 30 x 2"),
    ],
)
def test_a_mistake_is_one_line(settings: dict[str, Any], kind: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(kind) as caught:
        train(**settings)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 300
    assert not (tmp_path / "runs").exists()


def test_mistakes_with_a_data_frame(frame: pd.DataFrame) -> None:
    with pytest.raises(zoo.DataError, match="unknown column 'prize'; did you mean 'price'"):
        train(data=frame, target="prize")
    with pytest.raises(zoo.ConfigError, match=r"^data\.target is needed"):
        train(data=frame)
    frame.columns = [*frame.columns[:-2], "city", "price"]
    with pytest.raises(zoo.DataError, match="two columns of the DataFrame are called 'city'"):
        train(data=frame, target="price")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (narrow, "model: narrow gives 3 x 2 of torch.float32 for a batch of 3 x 1 x 6 x 5; image → classes wants fl"),
        (broken, "model: broken fails on a batch of 3 x 1 x 6 x 5 (RuntimeError: "),
        (nothing, "model: nothing gives 'NoneType', and not an nn.Module"),
    ],
)
def test_a_network_that_does_not_fit_the_spec(
    images: tuple[np.ndarray, np.ndarray], build: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(zoo.ConfigError) as caught:
        train(model=build, data=images)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.rglob("*.*")) == []


def test_train_is_a_function_once_all_is_imported() -> None:
    for module in pkgutil.walk_packages(zoo.__path__, "zoo."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert callable(zoo.train)
    assert zoo.train.__module__ == "zoo"


def test_a_place_is_no_data_and_the_line_says_how_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("a,b\n1,2\n")
    for place, source in ((tmp_path / "houses.csv", "csv"), (tmp_path, "image_folder")):
        for given in (place, str(place)):
            with pytest.raises(zoo.ConfigError, match=f'is a place: zoo.train.data="{source}"'):
                zoo.train(data=given, target="b")


def test_a_network_is_given_by_what_makes_it() -> None:
    with pytest.raises(zoo.ConfigError, match=r"not 'Linear'; def mine\(spec\)"):
        zoo.train(model=nn.Linear(2, 2), data="digits")


def sure(spec: Any) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(30, 3), nn.Softmax(dim=1))


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(30, 30), nn.Linear(30, 30, bias=False), nn.Linear(30, 3)
        self.second.weight = self.first.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.last(self.second(self.first(images.flatten(1)).relu()))


def tied(spec: Any) -> nn.Module:
    return Tied()


def test_a_network_of_probabilities_is_told(images: Any) -> None:
    with pytest.raises(zoo.ConfigError, match=r"model: sure gives probabilities.* leave out its softmax"):
        train(model=sure, data=images)


def test_weights_that_are_tied_are_kept(images: Any) -> None:
    trained = train(model=tied, data=images)
    loaded = zoo.load(trained.folder / "model.safetensors")
    assert loaded(images[0][0]) == trained(images[0][0])
    weights = loaded.network.state_dict()
    assert torch.equal(weights["first.weight"], weights["second.weight"])
