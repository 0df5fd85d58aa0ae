"""The catalogue: whatever is published is tested here, and found by its name."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf
from safetensors import safe_open
from torch import nn

import zoo
from zoo import models
from zoo.data.images import Digits
from zoo.inference.publish import MAX_FILE, MAX_PLOT, MAX_TOGETHER, NAME
from zoo.inference.weight_pages import page, weight_page
from zoo.models import CNN
from zoo.spec import Counts, Features, Spec, Text
from zoo.weights import catalogue
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import Weights

NAMES = [weights.name for weights in zoo.list_weights()]


@pytest.fixture(params=NAMES)
def weights(request: pytest.FixtureRequest) -> Weights:
    """Each published weight in turn."""
    return catalogue.find(request.param)


# Every published weight


def test_its_record_is_true(weights: Weights, root: Path) -> None:
    assert NAME.fullmatch(weights.name)
    assert hashlib.sha256(weights.file.read_bytes()).hexdigest() == weights.sha256
    assert weights.licence
    assert weights.data
    assert set(weights.tolerance) == set(weights.test_metrics) != set()
    assert all(0 < allowed <= 0.1 * abs(weights.test_metrics[name]) for name, allowed in weights.tolerance.items())
    plot = root / weights.plot
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert plot.stat().st_size <= MAX_PLOT
    assert weights.command.startswith("python scripts/train.py")
    assert not any(private in json.dumps(weights.header["recipe"]) for private in ("/tmp/", "/home/", "/work/"))


def test_its_command_still_says_what_trained_it(
    weights: Weights, compose: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A default that has changed since would train something else: an experiment states what it depends on."""
    monkeypatch.setenv("ZOO_DATA", "$ZOO_DATA")
    _, script, *overrides = shlex.split(weights.command)
    assert script == "scripts/train.py"
    cfg = compose("train", *(re.sub(r"(\$ZOO_DATA.*)", r"'\1'", override) for override in overrides))
    recipe = weights.header["recipe"]["config"]
    for name in models.defaults(cfg.model.name, weights.spec):  # for which null stands
        if recipe["model"].get(name) is None and name in recipe["model"]:
            recipe["model"][name] = weights.header["options"][name]
    options = OmegaConf.to_container(cfg.model, resolve=True)
    given = {name: value for name, value in options.items() if value is not None}
    for part, default in (("supervised_task", "Classification"), ("memory_task", "Tagging")):  # what it chooses here
        for config in (cfg.task, recipe["task"]):
            config["_target_"] = config["_target_"].replace(part, default)
    cfg.model = {**models.defaults(cfg.model.name, weights.spec), **given}
    for name in ("model", "task", "data", "seed", "epochs", "batches"):
        part = OmegaConf.to_container(cfg[name], resolve=True) if OmegaConf.is_config(cfg[name]) else cfg[name]
        assert _within(part, recipe[name]) == recipe[name], name


def _within(part: Any, recipe: Any) -> Any:
    """Of settings those that a recipe has too; where the data lies, and what a later version added, do not count."""
    if not isinstance(part, dict) or not isinstance(recipe, dict):
        return part
    kept = {name: _within(part[name], recipe[name]) for name in recipe if name in part}
    places = ("root", "path")
    return {**{name: recipe[name] for name in recipe if name in places or recipe[name] is None}, **kept}


def test_its_parameters_are_recounted(weights: Weights) -> None:
    names = {name for name, _ in zoo.load(weights.name).network.named_parameters()}
    with safe_open(weights.file, "np") as file:
        count = sum(file.get_tensor(name).size for name in names)
    assert weights.parameters == count > 0
    assert f"{count:,} parameters" in str(weights)


def test_it_answers(weights: Weights, raw_inputs: Callable[..., Any]) -> None:
    artefact = zoo.load(weights.name)
    assert artefact.model == weights.name.split(".")[0]
    assert artefact.spec == weights.spec
    for tensor in artefact.network.state_dict().values():
        assert not tensor.is_floating_point() or tensor.dtype == torch.float32
    columns = [list(column) for column in zip(*raw_inputs(artefact.spec, 2))]
    assert len(artefact(*columns)) == 2


def test_its_network_comes_bare_by_its_tag(weights: Weights) -> None:
    model, _, tag = weights.name.partition(".")
    network = zoo.create_model(model, weights=tag)
    assert not network.training
    loaded = zoo.load(weights.name).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in network.state_dict().items())


def test_together_they_are_small() -> None:
    sizes = [path.stat().st_size for path in catalogue.PUBLISHED.glob("*.safetensors")]
    assert max(sizes) <= MAX_FILE
    assert sum(sizes) <= MAX_TOGETHER
    shipped = {path.stem for path in catalogue.PUBLISHED.glob("*.safetensors")}
    assert shipped == {name for name in NAMES if catalogue.find(name).url is None}


def test_the_page_shows_what_there_is(root: Path) -> None:
    """If not: python scripts/publish.py writes it anew."""
    assert (root / "docs" / "weights.md").read_text(encoding="utf-8") == page("weights")


def test_each_has_a_page_of_what_its_file_says(weights: Weights, root: Path) -> None:
    text = weight_page(weights)
    glossary = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    for name, value in weights.test_metrics.items():
        bare = name.removeprefix("test/")
        assert f"| [{bare}](../glossary.md#{bare}) | {value:.4g} | {weights.tolerance[name]:.2g} | " in text
        assert f"### {bare}\n" in glossary
    for told in (weights.licence, weights.sha256, weights.command, f"`zoo evaluate weights={weights.name}`"):
        assert told in text
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert (root / "docs" / "weights" / target).is_file(), target


@pytest.mark.parametrize(
    "name", [name for name in NAMES if isinstance(catalogue.find(name).spec.input, (Text, Counts))]
)
def test_the_text_that_its_page_gives_can_be_answered(name: str) -> None:
    weights = catalogue.find(name)
    assert weights.example is not None
    assert zoo.load(name)(weights.example)


# Finding them


def test_a_negated_judgement_is_its_opposite() -> None:
    polarity = zoo.load("lstm.rt_polarity")
    praise = ["not bad at all", "not a bad film", "never boring", "a quiet triumph"]
    blame = ["not good at all", "not a good film", "never funny", "a tedious mess"]
    assert [answer["label"] for answer in polarity(praise + blame)] == ["positive"] * 4 + ["negative"] * 4


def test_what_is_listed_can_be_loaded() -> None:
    (weights,) = zoo.list_weights("cnn.digits")
    assert zoo.load(weights).metrics == weights.metrics


def test_patterns() -> None:
    assert [weights.name for weights in zoo.list_weights("cnn.dig*")] == ["cnn.digits"]
    assert "mlp.breast_cancer" in [weights.name for weights in zoo.list_weights("*breast*")]
    assert zoo.list_weights("nothing*") == []
    assert sorted(NAMES) == NAMES


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(zoo.ConfigError, match=r"unknown weights 'cnn\.digist'; did you mean 'cnn\.digits'\?"):
        zoo.load("cnn.digist")
    with pytest.raises(zoo.ConfigError, match=r"unknown weights 'cnn\.digist'"):
        zoo.create_model("cnn", weights="digist")
    with pytest.raises(zoo.ConfigError, match="give the name of a weight, a path or an address; got None"):
        zoo.load(None)  # type: ignore[arg-type]
    for name in ("../published/cnn.digits", "..", "a\0b"):
        with pytest.raises(zoo.ZooError):
            catalogue.find(name)


def test_a_name_is_not_taken_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cnn.digits").write_bytes(b"something else")
    assert zoo.load("cnn.digits").model == "cnn"
    with pytest.raises(zoo.ArtefactError, match="not a safetensors file"):
        zoo.load("./cnn.digits")


def test_a_file_that_is_not_the_one_of_the_record_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A whole and valid artefact, but another."""
    other = tmp_path / "cnn.digits.safetensors"
    other.write_bytes(catalogue.find("mlp.breast_cancer").file.read_bytes())
    (tmp_path / "cnn.digits.json").write_bytes((catalogue.PUBLISHED / "cnn.digits.json").read_bytes())
    monkeypatch.setattr(catalogue, "PUBLISHED", tmp_path)
    with pytest.raises(zoo.ArtefactError, match=r"its sha256 is .* and not"):
        zoo.load("cnn.digits")
    with pytest.raises(zoo.ArtefactError, match="its sha256 is"):
        zoo.load(other, sha256="0" * 64)
    assert zoo.load(other, sha256=hashlib.sha256(other.read_bytes()).hexdigest().upper()).model == "mlp"


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    artefact = zoo.load("cnn.digits")
    for half in (True, False):
        zoo.save(artefact, tmp_path / str(half), half=half)
    small, large = ((tmp_path / str(half)).stat().st_size for half in (True, False))
    assert small == pytest.approx(large / 2, rel=0.1)
    assert all(
        torch.equal(tensor, artefact.network.state_dict()[name])  # they came from half precision
        for name, tensor in zoo.load(tmp_path / "True").network.state_dict().items()
    )
    artefact.network.classifier.bias.data[0] = 70_000.0
    with pytest.raises(zoo.ArtefactError, match=r"classifier\.bias holds numbers above 65504"):
        zoo.save(artefact, tmp_path / "True", half=True)


# Features


def test_features_are_what_the_last_layer_sees(digits: Digits) -> None:
    extract, artefact = zoo.features("cnn.digits"), zoo.load("cnn.digits")
    pictures = [image[0].numpy() for image in digits.splits["test"].columns[0][:5]]
    features = extract(pictures)
    assert features.shape == (5, artefact.network.num_features)
    torch.testing.assert_close(extract(pictures[2]), features[2], rtol=1e-4, atol=1e-4)
    logits = artefact.network.classifier(features)
    assert [answer["label"] for answer in artefact(pictures)] == [str(int(row.argmax())) for row in logits]


def test_features_of_every_kind_of_network(
    model_name: str, spec: Spec, options: Any, raw_inputs: Callable[..., Any]
) -> None:
    """Where a network has features, its outputs depend on its input through them alone: one row for each input."""
    torch.manual_seed(0)
    artefact = Artefact(model_name, options, spec, models.build(model_name, spec, **options))
    columns = [list(column) for column in zip(*raw_inputs(spec, 3))]
    if hasattr(artefact.network, "forward_features") or isinstance(spec.output, Features):
        features = artefact.features(*columns)
        assert len(features) == 3
        assert features.isfinite().all()
        assert not torch.equal(features[0], features[1])
        with pytest.raises(zoo.SpecError, match="at least one"):
            artefact.features(*([] for _ in columns))
    else:
        with pytest.raises(zoo.SpecError, match="has no features"):
            artefact.features(*columns)


def test_a_network_without_features_says_so(tmp_path: Path, fitting: dict[str, Any]) -> None:
    spec, options = fitting["gan"]
    zoo.save(Artefact("gan", options, spec, models.build("gan", spec, **options)), tmp_path / "gan.safetensors")
    with pytest.raises(zoo.SpecError, match="has no features"):
        zoo.features(tmp_path / "gan.safetensors")


# Another head, other channels


def test_a_new_head_is_made_on_request_and_said(caplog: pytest.LogCaptureFixture) -> None:
    published = zoo.load("cnn.digits").network
    with caplog.at_level(logging.WARNING):
        network = zoo.create_model("cnn", weights="digits", num_classes=26)
    seen = published.num_features
    assert f"classifier.weight is new: it has shape [26, {seen}], and the weights' has [10, {seen}]" in caplog.text
    x = torch.randn(3, 1, 8, 8)
    assert network(x).shape == (3, 26)
    torch.testing.assert_close(network.forward_features(x), published.forward_features(x), rtol=1e-4, atol=1e-4)
    assert not network.training


def test_other_channels_see_their_mean(caplog: pytest.LogCaptureFixture) -> None:
    """A grey picture, given in three equal channels, gives what it gave in one."""
    published = zoo.load("cnn.digits").network
    with caplog.at_level(logging.WARNING):
        network = zoo.create_model("cnn", weights="digits", in_channels=3)
    assert "sees 3 channels in place of 1" in caplog.text
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(network(x.expand(-1, 3, -1, -1)), published(x), rtol=1e-4, atol=1e-4)


def test_nothing_is_said_where_nothing_changes(caplog: pytest.LogCaptureFixture) -> None:
    network = zoo.create_model("cnn", weights="digits", num_classes=10, in_channels=1)
    assert isinstance(network, nn.Module)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cnn", {"weights": "digits", "widths": [8]}, "only num_classes and in_channels can be chosen, not widths"),
        ("mlp", {"weights": "breast_cancer", "in_channels": 3}, "in_channels is for weights that take images"),
        ("cmn", {"weights": "digits"}, "unknown model 'cmn'; did you mean 'cnn'"),
        ("mlp", {"weights": "cnn.digits"}, "cnn.digits is a cnn, not a mlp"),
        ("mlp", {"weights": "digits"}, r"unknown weights 'mlp\.digits'"),
        ("cnn.digits", {}, r'create_model\("cnn", weights="digits"\) gives its network'),
        ("cnn.digist", {}, r"unknown weights 'cnn\.digist'; did you mean 'cnn\.digits'"),
    ],
)
def test_what_cannot_be_adapted_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(zoo.ConfigError, match=message):
        zoo.create_model(name, **options)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    zoo.save(zoo.load("cnn.digits"), tmp_path / "model.safetensors")
    for weights in (
        tmp_path / "model.safetensors",
        str(tmp_path / "model.safetensors"),
        *zoo.list_weights("cnn.digits"),
    ):
        assert isinstance(zoo.create_model("cnn", weights=weights), CNN)
        with pytest.raises(zoo.ConfigError, match="is a cnn, not a mlp"):
            zoo.create_model("mlp", weights=weights)
