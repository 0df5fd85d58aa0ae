"""Figures computed anew, and runs made into published weights."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

import zoo
from zoo.data.images import MNIST, Digits
from zoo.errors import ArtefactError, ConfigError, DataError
from zoo.inference import publish as publishing
from zoo.inference.evaluate import evaluate, measure
from zoo.inference.publish import publish
from zoo.training import report
from zoo.training.run import train
from zoo.weights import catalogue
from zoo.weights.artefact import Artefact

Compose = Callable[..., DictConfig]


def test_the_figures_are_those_of_a_plain_count(digits: Digits, tmp_path: Path) -> None:
    """The published artefact answers each test picture; its accuracy is how often it is right."""
    artefact = zoo.load("cnn.digits")
    images, labels = digits.splits["test"].columns
    answers = artefact([image[0].numpy() for image in images])
    right = sum(answer["label"] == str(int(label)) for answer, label in zip(answers, labels))
    measured = measure(artefact, tmp_path)
    assert measured["test/accuracy"] == pytest.approx(right / len(labels), abs=1e-6)
    assert measured["test/accuracy"] == pytest.approx(artefact.metrics["test/accuracy"], abs=1e-6)


def test_all_that_is_at_hand_agrees(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(compose("use/evaluate", "weights=*digits", f"root={tmp_path}", "accelerator=cpu"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["cnn.digits", "test/loss"], ["cnn.digits", "test/accuracy"]]
    assert len(set(lines[2].split()[2:4])) == 1  # claimed and measured


def test_a_false_claim_is_found(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artefact = zoo.load("cnn.digits")
    boast = replace(artefact, metrics={**artefact.metrics, "test/accuracy": 1.0})
    zoo.save(boast, tmp_path / "boast.safetensors")
    assert not evaluate(compose("use/evaluate", f"weights={tmp_path / 'boast.safetensors'}", "accelerator=cpu"))
    found = [line for line in capsys.readouterr().out.splitlines() if line.endswith("DIFFERS")]
    assert len(found) == 1
    assert "test/accuracy" in found[0]
    absent = replace(artefact, metrics={**artefact.metrics, "test/beauty": 1.0})
    zoo.save(absent, tmp_path / "boast.safetensors")
    assert not evaluate(compose("use/evaluate", f"weights={tmp_path / 'boast.safetensors'}", "accelerator=cpu"))


def test_a_network_that_changed_is_found(compose: Compose, tmp_path: Path) -> None:
    artefact = zoo.load("cnn.digits")
    artefact.network.classifier.bias.data[3] += 1
    zoo.save(artefact, tmp_path / "other.safetensors")
    assert not evaluate(compose("use/evaluate", f"weights={tmp_path / 'other.safetensors'}", "accelerator=cpu"))


def test_data_that_is_not_there(compose: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artefact = zoo.load("cnn.digits")
    artefact.recipe["config"]["data"] = {"_target_": "zoo.data.images.MNIST"}
    with pytest.raises(DataError, match=f"MNIST is not in {tmp_path}"):
        measure(artefact, tmp_path)
    assert evaluate(compose("use/evaluate", "weights='cnn.[dm]*'", f"root={tmp_path}", "accelerator=cpu"))
    skipped = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "skipped: MNIST is not in" in line]
    assert "cnn.mnist" in skipped
    with pytest.raises(DataError, match="MNIST is not in"):
        evaluate(compose("use/evaluate", "weights=cnn.mnist", f"root={tmp_path}", "accelerator=cpu"))
    assert capsys.readouterr().out == ""  # and no header of a table without rows


def test_other_data_than_it_was_trained_on(tmp_path: Path) -> None:
    artefact = zoo.load("cnn.digits")
    artefact.recipe["config"]["data"] = {"_target_": "zoo.data.images.Digits", "split_seed": 5}
    with pytest.raises(DataError, match="the data is not that on which it was trained"):
        measure(artefact, tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "shutil.rmtree",
        "zoo.data.images.math.sin",
        "zoo.data.tables.Path",
        "zoo.training.run.train",
        "zoo.tasks.task.os.system",
        "zoo.plots.line_chart",
        "zoo.data.images.whole_number",
        "torch.load",
        "torch.hub.load",
        "torch.nn.functional.os.system",
        "zoo.data.nothing",
        7,
    ],
)
@pytest.mark.parametrize("part", ["data", "task", "within"])
def test_a_recipe_can_call_nothing_but_parts_of_the_zoo(tmp_path: Path, target: Any, part: str) -> None:
    """A file from a stranger may say what it likes: nothing that it names is called, or even imported from afar."""
    artefact = zoo.load("cnn.digits")
    hostile = {"_target_": target, "_args_": ["echo hacked"]}
    if part == "within":
        artefact.recipe["config"]["task"]["loss"] = {"_target_": "torch.nn.CrossEntropyLoss", "weight": [hostile]}
    else:
        artefact.recipe["config"][part] = hostile
    with pytest.raises(ArtefactError, match=f"its recipe cannot be followed: (data|task)[a-z_.]*.*{target}"):
        measure(artefact, tmp_path)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({}, "does not say on what data"),
        ({"config": {"data": {}, "task": {}, "seed": 1}}, "does not say on what data"),
        ({"config": {"seed": "abc"}}, "its recipe has no seed but 'abc'"),
        ({"config": {"data": {"_target_": "zoo.data.images.Digits", "x": "${oc.env:HOME}"}}}, "interpolation"),
        ({"config": {"data": {"_target_": "zoo.data.images.Digits", "pace": 3}}}, "cannot be followed.*'pace'"),
        (
            {"config": {"data": {"_target_": "zoo.data.images.Digits", "batch_size": 0}}},
            "cannot be followed.*batch_size",
        ),
    ],
)
def test_a_recipe_that_cannot_be_followed(tmp_path: Path, recipe: dict[str, Any], message: str) -> None:
    artefact = zoo.load("cnn.digits")
    if "config" in recipe:
        recipe = {"config": {**artefact.recipe["config"], **recipe["config"]}}
    with pytest.raises(ArtefactError, match=message):
        measure(replace(artefact, recipe=recipe), tmp_path)


@pytest.mark.parametrize("place", ["root", "path"])
def test_a_recipe_writes_and_reads_nothing_at_a_place_of_its_choice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not even where it is asked to download what is missing: that is for the folder that the command names."""
    monkeypatch.setattr(MNIST, "download", lambda data: Path(data.root, "MNIST").mkdir(parents=True))
    foreign, ours = tmp_path / "foreign", tmp_path / "ours"
    artefact = zoo.load("cnn.mnist")
    data = {"_target_": "zoo.data.images.MNIST", place: str(foreign)}
    artefact.recipe["config"]["data"] = data
    with pytest.raises(ArtefactError, match=f"names a place on this machine, data.{place}") as caught:
        measure(artefact, ours, download=True)
    assert len(str(caught.value)) <= 300
    assert not foreign.exists()
    data |= {place: "$ZOO_DATA/../foreign"}
    with pytest.raises(ArtefactError, match="names a place on this machine"):
        measure(artefact, ours, download=True)
    assert not foreign.exists()


def test_no_weights_of_that_name(compose: Compose) -> None:
    with pytest.raises(ConfigError, match="no weights match rbn"):
        evaluate(compose("use/evaluate", "weights=rbn*"))
    with pytest.raises(ConfigError, match=r"unknown weights 'cnn\.digist'; did you mean 'cnn\.digits'"):
        evaluate(compose("use/evaluate", "weights=cnn.digist"))


# Publishing


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A short run's folder."""
    import hydra
    from hydra.core.hydra_config import HydraConfig

    folder = tmp_path_factory.mktemp("run") / "once"
    with hydra.initialize_config_dir(str(root / "conf"), version_base="1.3"):
        cfg = hydra.compose("train", ["trainer=cpu", "epochs=2", f"folder={folder}"], return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "views", lambda task, evaluation: {})
        train(cfg)
    HydraConfig.instance().cfg = None
    return folder


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of its own, empty."""
    for module in (catalogue, publishing):
        monkeypatch.setattr(module, "PUBLISHED", tmp_path / "published")
    (tmp_path / "published").mkdir()
    return tmp_path / "published"


@pytest.fixture
def publishes(compose: Compose, run: Path, tmp_path: Path) -> Callable[..., None]:
    def publishes(*overrides: str) -> None:
        given = ["name=cnn.short", "licence=Apache-2.0", f"run={run}", f"docs={tmp_path / 'docs'}", *overrides]
        publish(compose("use/publish", *given))

    return publishes


def test_a_run_is_published(
    publishes: Callable[..., None], shelf: Path, run: Path, tmp_path: Path, compose: Compose
) -> None:
    publishes("tolerance={test/loss: 0.5}", "example='a text'")
    (weights,) = zoo.list_weights()
    assert (weights.name, weights.licence, weights.data[:5]) == ("cnn.short", "Apache-2.0", "1,797")
    assert weights.sha256 == hashlib.sha256((shelf / "cnn.short.safetensors").read_bytes()).hexdigest()
    assert Path(weights.plot).read_bytes() == (run / "confusion_matrix.png").read_bytes()
    assert weights.tolerance["test/loss"] == 0.5
    assert weights.example == "a text"
    assert weights.size < 0.6 * (run / "model.safetensors").stat().st_size  # half precision
    assert set(weights.metrics) == set(zoo.load(run / "model.safetensors").metrics)
    assert "## cnn.short" in (tmp_path / "docs.md").read_text(encoding="utf-8")
    assert evaluate(compose("use/evaluate", "accelerator=cpu"))


def test_full_precision_where_the_half_changes_figures(
    publishes: Callable[..., None], shelf: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_coarsely(artefact: Artefact, root: Path, **more: Any) -> dict[str, float]:
        exact = zoo.load(run / "model.safetensors")
        whole = all(
            tensor.equal(exact.network.state_dict()[name]) for name, tensor in artefact.network.state_dict().items()
        )
        return {name: value + (not whole) for name, value in exact.metrics.items() if name.startswith("test/")}

    monkeypatch.setattr(publishing, "measure", measure_coarsely)
    publishes()
    (weights,) = zoo.list_weights()
    assert weights.size == pytest.approx((run / "model.safetensors").stat().st_size, rel=0.01)


def test_noise_is_what_the_test_draws_at_random(
    publishes: Callable[..., None], shelf: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = zoo.load(run / "model.safetensors").metrics

    def drawn(artefact: Artefact, root: Path, *, seed: int) -> dict[str, float]:
        return {**claimed, "test/loss": claimed["test/loss"] + 0.01 * (seed - 42)}

    monkeypatch.setattr(publishing, "measure", drawn)
    publishes()
    (weights,) = zoo.list_weights()
    assert weights.tolerance["test/loss"] == pytest.approx(4 * 0.02)
    assert weights.tolerance["test/accuracy"] == pytest.approx(0.002 * claimed["test/accuracy"], rel=0.05)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["name=mlp.short"], "mlp.short names another model than the run's, which is cnn"),
        (["name=cnn"], "a name is <model>.<tag> of small letters, digits and _, not cnn"),
        (["name=../cnn.short"], "a name is <model>.<tag>"),
        (["plot=absent.png"], "no such plot: .*; there are confusion_matrix.png"),
        (["run=nowhere"], "no such file"),
    ],
)
def test_what_will_not_do_is_not_published(
    publishes: Callable[..., None], shelf: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises((ConfigError, ArtefactError), match=message):
        publishes(*overrides)
    assert list(shelf.iterdir()) == []


@pytest.mark.parametrize(
    ("limit", "message"),
    [("MAX_FILE", "train a smaller network"), ("MAX_TOGETHER", "all weights"), ("MAX_PLOT", "is the limit")],
)
def test_limits_of_size(
    publishes: Callable[..., None], shelf: Path, monkeypatch: pytest.MonkeyPatch, limit: str, message: str
) -> None:
    monkeypatch.setattr(publishing, limit, 1000)
    with pytest.raises(ConfigError, match=message):
        publishes()
    assert list(shelf.iterdir()) == []


def test_figures_that_do_not_repeat_are_refused(
    publishes: Callable[..., None], shelf: Path, run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    artefact = zoo.load(folder / "model.safetensors")
    zoo.save(replace(artefact, metrics={"test/accuracy": 0.123}), folder / "model.safetensors")
    with pytest.raises(ConfigError, match=r"do not repeat: test/accuracy was 0\.123 and is"):
        publishes(f"run={folder}")
    assert list(shelf.iterdir()) == []


def test_a_recipe_keeps_no_path_of_this_machine(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in the folder of data sets is named below $ZOO_DATA; other places are nobody's business."""
    from zoo.training.recipe import recipe as _recipe

    def recipe(path: str) -> dict[str, Any]:
        cfg = compose(
            "train", "model=mlp", "data=csv", f"data.path={path}", "data.target=y", "trainer=cpu", f"folder={tmp_path}"
        )
        cfg.choices = {"overrides": [f"data.path={path}", "data.target=y", "callbacks.progress=null"]}
        return _recipe(cfg)

    monkeypatch.setenv("ZOO_DATA", str(tmp_path))
    inside, outside = recipe(f"{tmp_path}/houses/a.csv"), recipe("/elsewhere/a.csv")
    assert inside["command"] == "python scripts/train.py data.path=$ZOO_DATA/houses/a.csv data.target=y"
    assert inside["config"]["data"]["path"] == "$ZOO_DATA/houses/a.csv"
    assert "elsewhere" not in json.dumps(outside)
    augment = "data.augment={_target_: zoo.data.images.RandomShift, pixels: 1}"
    cfg = compose("train", augment, "trainer=cpu", f"folder={tmp_path}")
    cfg.choices = {"overrides": [augment, "model.widths=[4,8]"]}
    assert shlex.split(_recipe(cfg)["command"]) == ["python", "scripts/train.py", augment, "model.widths=[4,8]"]
    assert str(tmp_path) not in json.dumps(inside)


def test_a_recipe_writes_out_what_would_steer_a_terminal(compose: Compose, tmp_path: Path) -> None:
    """The commands behind the weights that it starts from may be of others; cards show them."""
    from zoo.training.recipe import recipe

    cfg = compose("train", "trainer=cpu", f"folder={tmp_path}")
    cfg.choices = {"overrides": []}
    foreign = replace(zoo.load("cnn.digits"), recipe={"command": "python \x1b[2J\n\ud800", "parent_commands": ["\a"]})
    assert recipe(cfg, foreign)["parent_commands"] == ["\\x07", "python \\x1b[2J\\n\\ud800"]
