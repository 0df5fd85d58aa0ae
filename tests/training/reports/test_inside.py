"""Looks inside networks: what is chosen, that it is what the network does, and that training is as without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

import zoo
from zoo import models, plots
from zoo.data.core.examples import Examples, Ragged
from zoo.data.images import Digits
from zoo.models import CNN
from zoo.models.rnn.recurrent import Layer
from zoo.spec import Calibration, Classes, Labels, Sentence, Spec, Table, Text, Tokens, Values
from zoo.spec.columns import Category, Number
from zoo.tasks.sequence import LanguageModelling, Tagging
from zoo.tasks.supervised import Classification, Regression, Sentiment
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.inside import images, layers, tables, texts
from zoo.training.run import train
from zoo.weights.artefact import Artefact

ADAM = partial(torch.optim.Adam, lr=0.01)
WORDS = Text(tuple(map(str, range(10, 20))), "words")
GOOD = Spec(WORDS, Classes(("bad", "good")))
HOUSES = Table((
    Number("size", 100.0, 20.0, False),
    Number("age", 30.0, 10.0, True),
    Category("city", ("Oslo", "Rome")),
    Number("rooms", 3.0, 1.0, False),
))  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[Any, ...]]:
    """What plots of insides were given, by the name of the plot; nothing is drawn."""
    seen: dict[str, tuple[Any, ...]] = {}

    def keep(name: str, *given: Any) -> None:
        seen[name] = given

    for name in (
        "first_filters", "feature_maps", "attributions", "marked_texts", "unit_maps", "layer_bands", "decision_border",
        "value_surface",
    ):  # fmt: skip
        monkeypatch.setattr(plots, name, partial(keep, name))
    return seen


def looked(task: Any, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    captions: dict[str, str] = {}
    for view in report.views(task, evaluation).values():
        captions |= view(folder)
    return captions


def evaluated(task: Any, test: Examples) -> Evaluation:
    return Evaluation(task, dict.fromkeys(("train", "val", "test"), test), 32)


def ragged(count: int, longest: int, *more: int) -> Ragged:
    return Ragged.of([torch.randint(2, 12, (int(torch.randint(1, longest, ())), *more)) for _ in range(count)])


@pytest.mark.usefixtures("views")
def test_images_and_the_surest_mistakes(digits: Digits, tmp_path: Path, drawn: dict[str, tuple[Any, ...]]) -> None:
    task = Classification(digits.spec, partial(models.build, "cnn"), ADAM)
    evaluation = Evaluation(task, digits.splits, 64)
    assert set(looked(task, evaluation, tmp_path)) == {"first_filters.png", "feature_maps.png", "mistakes.png"}
    assert drawn["first_filters"][0].shape == (16, 1, 5, 5)
    assert [tuple(maps.shape) for maps in drawn["feature_maps"][1]] == [(3, 16, 4, 4), (3, 16, 2, 2), (3, 16, 1, 1)]
    shown, maps, names, _ = drawn["attributions"]
    (pixels,) = maps.values()  # maps of the stages after the first are too small to point
    assert pixels.shape == (6, 8, 8)
    labels = digits.splits["test"].columns[1]
    sure, answers = torch.cat(evaluation.predictions("test")).softmax(dim=1).max(dim=1)
    worst = max(float(p) for p, answer, label in zip(sure, answers, labels) if answer != label)
    assert f"({worst:.0%})" in names[0]
    task.network.eval()
    with torch.no_grad():  # completeness: pixels add up to the answer's lead over the truth, against black's
        black, x = (digits.spec.input.prepare(given) for given in (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), shown))
        found = [re.fullmatch(r"(\d) \(\d+%\)\ntrue: (\d)", name) for name in names]
        answer, truth = torch.tensor([[int(part) for part in one.groups()] for one in found if one]).t()
        lead = partial(_lead, task.network, answer, truth)
        torch.testing.assert_close(pixels.sum(dim=(1, 2)), lead(x) - lead(black.expand_as(x)), rtol=0.05, atol=0.02)


def _lead(network: nn.Module, answer: Tensor, truth: Tensor, x: Tensor) -> Tensor:
    logits = network(x)
    return (logits.gather(1, answer[:, None]) - logits.gather(1, truth[:, None]))[:, 0]


@pytest.mark.parametrize(("side", "stage"), [(8, None), (28, 2), (224, 2)])
def test_grad_cam_points_with_a_stage_that_has_cells(side: int, stage: int | None) -> None:
    network = CNN(1, 3, widths=[4, 8, 8]).eval()
    chosen = images._pointing_stage(network, torch.zeros(1, 1, side, side))
    assert chosen is (None if stage is None else network.stages[stage])


@pytest.mark.usefixtures("views")
@pytest.mark.parametrize("model", ["lstm", "cnn"])
def test_words_of_right_and_wrong_texts(model: str, tmp_path: Path, drawn: dict[str, tuple[Any, ...]]) -> None:
    task = Sentiment(GOOD, partial(models.build, model), ADAM)
    evaluation = evaluated(task, Examples(ragged(40, 90), torch.arange(40) % 2))
    evaluation.calibration = Calibration(temperature=2.0)
    captions = looked(task, evaluation, tmp_path)
    assert set(captions) == ({"words.png", "gates.png"} if model == "lstm" else {"words.png"})
    (marked, _) = drawn["marked_texts"]
    assert [text.is_right for text in marked] == [True] * 3 + [False] * 3
    text = next(text for text in marked if 1 < len(text.words) < texts.WORDS)
    given, label = [word for word, _ in text.words], GOOD.output.names.index(text.heading.split(",")[0])
    model_of_text = Artefact(model, {}, GOOD, task.network, {}, {}, calibration=evaluation.calibration)
    whole, without = model_of_text([" ".join(given), " ".join(given[1:])])
    name = GOOD.output.names[label]
    odds = [torch.tensor(answer["probabilities"][name]).double().logit() for answer in (whole, without)]
    assert text.words[0][1] == pytest.approx(float(odds[0] - odds[1]), rel=1e-2, abs=1e-4)
    assert f"{whole['probability']:.0%}" in text.heading


@pytest.mark.usefixtures("views")
def test_gates_are_of_the_layer_that_reads_the_text(tmp_path: Path, drawn: dict[str, tuple[Any, ...]]) -> None:
    sentence = Sentence(WORDS.vocabulary, tuple("abc"))
    labels = Ragged(torch.zeros(60, dtype=torch.long), torch.full((6,), 10))
    words = Ragged(torch.randint(1, 5, (60, 21)), torch.full((6,), 10))
    tagging = Tagging(Spec(sentence, Labels(("O", "B-X"))), partial(models.build, "lstm", hidden_size=8), ADAM)
    assert "each word of a text" in looked(tagging, evaluated(tagging, Examples(words, labels)), tmp_path)["gates.png"]
    parts, names, _ = drawn["unit_maps"]
    assert list(parts) == ["input gate", "forget gate", "output gate", "memory", "state"]
    with torch.no_grad():
        answers = tagging.network(words[0][None])[0].argmax(dim=1)
    assert [name.split()[-1] for name in names] == [("O", "B-X")[answer] for answer in answers.tolist()]
    layer = next(part for part in tagging.network.modules() if isinstance(part, Layer))
    with torch.no_grad():
        states = layer(tagging.network.vectors(words[0][None]))[0][0]  # T, H
    shown = parts["state"]
    assert sorted(shown.sum(dim=0).tolist()) == pytest.approx(sorted(states.sum(dim=0).tolist()), abs=1e-5)

    characters = Text(tuple("abcdefghij"), "characters")
    task = LanguageModelling(
        Spec(characters, Tokens(characters.vocabulary, "characters", 9)), partial(models.build, "gru"), ADAM
    )
    caption = looked(task, evaluated(task, Examples(torch.randint(2, 12, (5, 80)))), tmp_path)["gates.png"]
    assert "each character of a text" in caption
    assert list(drawn["unit_maps"][0]) == ["reset gate", "update gate", "state"]


@pytest.mark.usefixtures("views")
def test_the_plane_is_what_the_network_answers_there(tmp_path: Path, drawn: dict[str, tuple[Any, ...]]) -> None:
    """Against answers of the artefact for raw rows, with the other columns at their medians."""
    rows = torch.randn(51, 4)
    rows[:, 2] = torch.randint(2, 4, (51,)).float()
    rows[:5, 1] = float("nan")
    described = Classes(("cheap", "dear"))
    task = Classification(Spec(HOUSES, described), partial(models.build, "mlp", hidden_sizes=[8]), ADAM)
    evaluation = evaluated(task, Examples(rows, (rows[:, 0] > 0).long()))
    evaluation.calibration = Calibration(temperature=1.5, threshold=0.3)
    captions = looked(task, evaluation, tmp_path)
    probabilities, ranges, points, labels, _, names, _, threshold = drawn["decision_border"]
    assert threshold == 0.3
    assert "2 other columns are held at their medians" in captions["border.png"]
    assert len(points) == len(labels) == (46 if "age" in names else 51)  # a point without a place is not drawn
    model = Artefact("mlp", {}, task.spec, task.network, {}, {}, calibration=evaluation.calibration)
    size, age, city, rooms = (float(column.nanmedian()) for column in rows.t())
    medians = {
        "size": 100 + 20 * size,
        "age": 30 + 10 * age,
        "rooms": 3 + rooms,
        "city": ("Oslo", "Rome")[int(city) - 2],
    }
    for up, right in ((0, 0), (0, tables.GRID - 1), (tables.GRID - 1, 0)):
        place = {name: ends[-1 if at else 0] for name, ends, at in zip(names, ranges, (right, up))}
        answer = model({**medians, **place})
        assert answer["probabilities"]["dear"] == pytest.approx(float(probabilities[up, right, 1]), abs=1e-4)


@pytest.mark.usefixtures("views")
def test_two_columns_are_all_there_is(tmp_path: Path, drawn: dict[str, tuple[Any, ...]]) -> None:
    table = Table((Number("x", 0.0, 1.0, False), Number("y", 0.0, 2.0, False)))
    task = Regression(Spec(table, Values(("z",), (10.0,), (2.0,))), partial(models.build, "mlp"), ADAM)
    evaluation = evaluated(task, Examples(torch.randn(30, 2), torch.randn(30, 1)))
    assert "other column" not in looked(task, evaluation, tmp_path)["border.png"]
    values, _, points, true, name, names, _ = drawn["value_surface"]
    assert values.shape == (tables.GRID, tables.GRID)
    assert (name, names) == ("z", ["x", "y"])
    torch.testing.assert_close(points[:, 1], 2 * evaluation.splits["test"].columns[0][:, 1])
    torch.testing.assert_close(true.float(), 10 + 2 * evaluation.splits["test"].columns[1][:, 0])


@pytest.mark.usefixtures("views")
def test_a_table_of_one_number_has_no_plane(tmp_path: Path) -> None:
    table = Table((Number("x", 0.0, 1.0, False), Category("city", ("Oslo",))))
    task = Classification(Spec(table, Classes(("a", "b"))), partial(models.build, "mlp"), ADAM)
    rows = torch.stack([torch.randn(9), torch.full((9,), 2.0)], dim=1)
    assert looked(task, evaluated(task, Examples(rows, torch.arange(9) % 2)), tmp_path) == {}


def test_quantiles_of_layers_are_those_of_backward(digits: Digits) -> None:
    task = Classification(digits.spec, partial(models.build, "cnn", dropout=0.5), ADAM)
    batch = digits.splits["val"].__getitems__(torch.arange(32))
    task._sums, state = {"loss": torch.tensor(3.0)}, torch.random.get_rng_state()
    modes = [part.training for part in task.modules()]
    before = {name: value.clone() for name, value in task.state_dict().items()}
    found = layers.layer_quantiles(task, batch)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [part.training for part in task.modules()] == modes
    assert all(parameter.grad is None for parameter in task.parameters())
    assert task._sums == {"loss": torch.tensor(3.0)}
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())
    assert list(found) == ["stages.0.0", "stages.1.0", "stages.2.0", "classifier"]

    task.network.eval()
    x = task.spec.input.prepare(batch[0])
    nn.functional.cross_entropy(task.network(x), batch[1]).backward()
    quantiles = torch.tensor(plots.QUANTILES)
    sizes = task.network.classifier.weight.grad.abs().flatten()
    expected = {
        layers.ACTIVATIONS: task.network.forward_features(x).flatten().quantile(quantiles),
        layers.GRADIENTS: sizes[sizes > 0].quantile(quantiles),
    }
    for quantity, values in expected.items():
        assert found["classifier"][quantity] == pytest.approx(values.tolist(), rel=1e-4)


def test_a_recurrent_layer_is_looked_at_in_the_mode_that_cudnn_needs(digits: Digits) -> None:
    task = Classification(digits.spec, partial(models.build, "lstm", recurrent_dropout=0.5), ADAM)
    modes = {name: part.training for name, part in task.network.named_modules()}
    seen: list[bool] = []
    layer = next(part for part in task.network.modules() if isinstance(part, Layer))
    layer.rnn.register_forward_hook(lambda module, given, output: seen.append(module.training and not layer.training))
    found = layers.layer_quantiles(task, digits.splits["val"].__getitems__(torch.arange(4)))
    assert seen == [True]
    assert all(layers.GRADIENTS in its for its in found.values())
    assert {name: part.training for name, part in task.network.named_modules()} == modes


def test_what_is_added_to_a_linear_part_is_looked_at_where_none_of_it_is_kept() -> None:
    table = Table((Number("x", 0.0, 1.0, False), Number("y", 0.0, 1.0, False)))
    task = Regression(Spec(table, Values(("z",), (0.0,), (1.0,))), partial(models.build, "mlp", linear=True), ADAM)
    nn.init.normal_(task.network.output.weight)
    task.network.gate.zero_()
    found = layers.layer_quantiles(task, Examples(torch.randn(8, 2), torch.randn(8, 1)).__getitems__(torch.arange(8)))
    assert all(layers.GRADIENTS in its for its in found.values())
    assert task.network.gate == 0


def test_the_last_rows_of_an_epoch_count(tmp_path: Path) -> None:
    """As after a run that went on from a checkpoint of the epoch before."""
    for epoch, value in ((1, 1.0), (2, 9.0), (2, 2.0)):
        layers._write(tmp_path / layers.FILE, epoch, {"output": {layers.ACTIVATIONS: [value] * 5}})
    assert layers.read(tmp_path / layers.FILE) == {"output": {layers.ACTIVATIONS: {1: [1.0] * 5, 2: [2.0] * 5}}}


@pytest.mark.usefixtures("blank_plots")
@pytest.mark.usefixtures("no_plots")
def test_training_is_as_without_looks(
    compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["model=cnn", "model.dropout=0.3", "data=digits", "epochs=2", "trainer=cpu"]

    def run(name: str) -> Mapping[str, Tensor]:
        return train(compose("train", f"folder={tmp_path / name}", *options)).network.state_dict()

    looked_at = run("looked")
    assert len(layers.read(tmp_path / "looked" / layers.FILE)) > 1
    monkeypatch.setattr(report, "callbacks", lambda task, splits: [])
    alone = run("alone")
    assert not (tmp_path / "alone" / layers.FILE).exists()
    assert all(torch.equal(value, looked_at[name]) for name, value in alone.items())


def test_a_look_that_fails_stops_nothing(digits: Digits, tmp_path: Path) -> None:
    class Odd(Classification):
        def unrecorded_loss(self, batch: Any) -> Tensor:
            raise RuntimeError("a fault")

    task = Odd(digits.spec, partial(models.build, "cnn"), ADAM)
    (callback,) = report.callbacks(task, digits.splits)
    assert isinstance(callback, layers.LayerStatistics)
    trainer: Any = type("Trainer", (), {"is_global_zero": True, "max_epochs": 3, "current_epoch": 0,
                                        "default_root_dir": str(tmp_path)})()  # fmt: skip
    callback.on_train_epoch_end(trainer, task)
    assert not callback.works


@pytest.mark.usefixtures("views", "blank_plots")
def test_one_that_fails_costs_one_line_and_the_card_has_the_others(
    compose: Callable[..., DictConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*given: Any) -> None:
        raise RuntimeError("a fault\nof two lines")

    monkeypatch.setattr(plots, "decision_border", fail)
    options = ["model=mlp", "data=wine", "model.hidden_sizes=[4]", "epochs=2", "trainer=cpu", "callbacks.progress=null"]
    train(compose("train", *options, f"folder={tmp_path}"))
    lines = [record.getMessage() for record in caplog.records if "failed" in record.getMessage()]
    assert lines == [
        "the plot of decision border failed: RuntimeError: a fault of two lines; the trained network is kept"
    ]
    zoo.load(tmp_path / "model.safetensors")
    card = (tmp_path / "card.md").read_text()
    assert "(layers.png)" in card
    assert (tmp_path / "layers.png").exists()
