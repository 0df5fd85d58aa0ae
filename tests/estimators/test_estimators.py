"""All seven estimators: in pipelines and searches, pickled, cloned, and on wrong input."""

from __future__ import annotations

import functools
import pickle
import pickletools
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import zoo
from zoo import estimators
from zoo.estimators import (
    Forecaster,
    ImageClassifier,
    MLPClassifier,
    MLPRegressor,
    RBMAnomalyDetector,
    RBMTransformer,
    TextClassifier,
)
from zoo.estimators.estimator import held_out
from zoo.models import build
from zoo.spec import Classes, Spec, Table, Values
from zoo.tasks import Classification, Regression

pytestmark = pytest.mark.estimators

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(60, 4))
SIDES = np.where(ROWS[:, 0] + ROWS[:, 1] > 0, "right", "left")
IMAGES = (RNG.random((40, 8, 8)) * 80).astype("uint8")
IMAGES[::2, :4] += 150  # bright above, and not
HALVES = np.arange(40) % 2
TEXTS = ["a good film", "a bad film", "very good indeed", "a very bad plot"] * 8
MOODS = ["good", "bad"] * 16
WAVE = np.sin(np.arange(200) / 5)

# An estimator that trains in a moment, what it is fitted to, and what it is asked for
CASES: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "MLPClassifier": (MLPClassifier([8], epochs=3, random_state=0), (ROWS, SIDES), "predict_proba"),
    "MLPRegressor": (MLPRegressor([8], epochs=3, random_state=0), (ROWS, ROWS[:, 0]), "predict"),
    "RBMTransformer": (RBMTransformer(6, epochs=3, random_state=0), (ROWS,), "transform"),
    "RBMAnomalyDetector": (RBMAnomalyDetector(6, epochs=3, random_state=0), (ROWS,), "score_samples"),
    "ImageClassifier": (ImageClassifier(epochs=2, random_state=0), (IMAGES, HALVES), "predict_proba"),
    "TextClassifier": (TextClassifier(epochs=2, random_state=0), (TEXTS, MOODS), "predict_proba"),
    "Forecaster": (Forecaster(10, 3, epochs=2, random_state=0), (WAVE,), "predict"),
}
each = pytest.mark.parametrize("name", CASES)


def answers(estimator: Any, data: tuple[Any, ...], method: str) -> np.ndarray:
    given = () if isinstance(estimator, Forecaster) else data[:1]
    found: np.ndarray = getattr(estimator, method)(*given)
    return found


@functools.cache
def fitted_once(name: str) -> Any:
    """One for all tests that do not change it."""
    estimator, data, _ = CASES[name]
    return clone(estimator).fit(*data)


def test_all_seven_are_here() -> None:
    assert sorted(estimators.__all__) == sorted(CASES)


@each
def test_random_state_decides_the_answers_and_the_process_is_left_as_it_was(name: str) -> None:
    estimator, data, method = CASES[name]
    expected = answers(fitted_once(name), data, method)
    torch.manual_seed(5)
    np.random.seed(5)
    states = [torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()]
    first = answers(clone(estimator).fit(*data), data, method)
    after = [torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), torch.get_num_threads()]
    assert all(np.array_equal(a, b) for a, b in zip(states[:2], after[:2]))
    assert states[2:] == after[2:]
    assert np.array_equal(first, expected)
    if not isinstance(estimator, Forecaster):  # a series as plain as this one is left to its linear part
        other = clone(estimator).set_params(random_state=1).fit(*data)
        assert not np.array_equal(first, answers(other, data, method))


@each
def test_a_pickle_holds_an_artefact_and_no_class_of_a_network(name: str) -> None:
    estimator, data, method = CASES[name]
    fitted = fitted_once(name)
    pickled = pickle.dumps(fitted)
    texts = [text for code, text, _ in pickletools.genops(pickled) if code.name == "SHORT_BINUNICODE"]
    assert {text for text in texts if text.startswith(("torch", "zoo"))} <= {type(estimator).__module__}
    again = answers(pickle.loads(pickled), data, method)
    np.testing.assert_allclose(again, answers(fitted, data, method), rtol=1e-9)  # convolutions lose their layout
    assert answers(fitted, data, method).dtype == np.float64


@each
def test_what_is_not_fitted_says_so(name: str) -> None:
    estimator, data, method = CASES[name]
    with pytest.raises(NotFittedError):
        answers(clone(estimator), data, method)


@each
def test_the_artefact_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    fitted = fitted_once(name)
    zoo.save(fitted.artefact_, tmp_path / "model.safetensors")
    loaded = zoo.load(tmp_path / "model.safetensors")
    assert loaded.spec == fitted.artefact_.spec
    for mine, its in zip(fitted.artefact_.network.parameters(), loaded.network.parameters()):
        assert torch.equal(mine, its)


@each
def test_no_validation_keeps_the_last_epoch(name: str) -> None:
    estimator, data, _ = CASES[name]
    assert clone(estimator).set_params(validation_fraction=0).fit(*data).artefact_.metrics == {}
    assert any(metric.startswith("val/") for metric in fitted_once(name).artefact_.metrics)


def test_pipelines_cross_validation_and_grid_search() -> None:
    mlp = MLPClassifier([16], epochs=10, batch_size=16, learning_rate=0.05, random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), mlp), ROWS, SIDES, cv=3).mean() > 0.8
    features = make_pipeline(RBMTransformer(6, epochs=2, random_state=0), LogisticRegression())
    assert features.fit(ROWS, SIDES).predict(ROWS).shape == (60,)
    search = GridSearchCV(mlp, {"epochs": np.array([0, 10])}, cv=2).fit(ROWS, SIDES)  # a NumPy whole number each
    assert search.best_params_ == {"epochs": 10}


def test_a_frame_has_categories_booleans_and_gaps() -> None:
    frame = pd.DataFrame({"size": ROWS[:, 0], "colour": ["red", "green", "blue"] * 20, "new": [True, False] * 30})
    frame.loc[3, "size"] = np.nan
    fitted = MLPClassifier([16], epochs=20, learning_rate=0.05, random_state=0).fit(frame, frame["colour"] == "red")
    assert fitted.score(frame, frame["colour"] == "red") > 0.9
    assert isinstance(fitted.artefact_.spec.input, Table)
    assert fitted.feature_names_in_.tolist() == ["size", "colour", "new"]
    assert [column.kind for column in fitted.artefact_.spec.input.columns] == ["number", "category", "boolean"]
    probabilities = fitted.predict_proba(frame.iloc[:2])
    answer = fitted.artefact_(frame.iloc[:2])[1]["probabilities"]
    np.testing.assert_allclose(probabilities[1], list(answer.values()), atol=1e-5)


def test_values_keep_their_names_and_units() -> None:
    y = pd.DataFrame({"price": 1000 + 300 * ROWS[:, 0], "area": ROWS[:, 1]})
    fitted = MLPRegressor([16], epochs=15, batch_size=16, learning_rate=0.05, random_state=0).fit(ROWS, y)
    assert isinstance(fitted.artefact_.spec.output, Values)
    assert fitted.artefact_.spec.output.names == ("price", "area")
    assert fitted.predict(ROWS).shape == (60, 2)
    assert fitted.score(ROWS, y) > 0.7


def test_weights_count_and_a_weight_of_zero_leaves_a_row_out() -> None:
    wrong = np.where(np.arange(60) < 30, SIDES, np.where(SIDES == "left", "right", "left"))
    weights = np.where(np.arange(60) < 30, 1.0, 0.0)
    mlp = MLPClassifier([8], epochs=10, random_state=0)
    alone = clone(mlp).fit(ROWS[:30], SIDES[:30]).predict_proba(ROWS)
    assert np.array_equal(alone, clone(mlp).fit(ROWS, wrong, sample_weight=weights).predict_proba(ROWS))
    half = np.repeat([0.0, 1.0], 30)
    flat = np.zeros((60, 1)) + RNG.normal(size=(60, 1))
    heavy = MLPRegressor([4], epochs=40, random_state=0).fit(flat, half, sample_weight=np.where(half > 0, 9.0, 1.0))
    assert (
        heavy.predict(flat).mean() > MLPRegressor([4], epochs=40, random_state=0).fit(flat, half).predict(flat).mean()
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_weighted_losses_are_weighted_means(smoothing: float) -> None:
    table = MLPClassifier([4], epochs=0, random_state=0).fit(ROWS, SIDES).artefact_.spec.input
    weights = torch.rand(6) / 3
    logits, labels = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 0, 1])
    loss = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)
    task = Classification(Spec(table, Classes(("a", "b"))), partial(build, "mlp"), torch.optim.Adam, loss=loss)
    singly = torch.stack([loss(logits[i : i + 1], labels[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(task.weighted_loss(logits, labels, weights), (weights * singly).mean())
    values = Regression(
        Spec(table, Values(("a", "b"), (0.0,) * 2, (1.0,) * 2)), partial(build, "mlp"), torch.optim.Adam
    )
    squares = (logits - logits.flip(0)).square().mean(dim=1)
    torch.testing.assert_close(values.weighted_loss(logits, logits.flip(0), weights), (weights * squares).mean())


def test_an_odd_row_is_found_and_its_column_named() -> None:
    frame = pd.DataFrame(ROWS, columns=list("abcd")).assign(kind=["x", "y"] * 30)
    detector = RBMAnomalyDetector(6, epochs=20, random_state=0).fit(frame)
    odd = frame.iloc[:2].copy()
    odd.loc[1, "c"] = 50.0
    assert detector.predict(odd)[1] == -1
    told = detector.contributions(odd)
    assert told.columns.tolist() == ["a", "b", "c", "d", "kind"]
    assert told.loc[1].idxmax() == "c"
    assert detector.artefact_(odd)[1]["anomaly"] is True
    assert (detector.predict(frame) == -1).mean() == pytest.approx(0.05)


def test_images_come_as_arrays_paths_and_pil_images(tmp_path: Path) -> None:
    fitted = ImageClassifier(epochs=10, batch_size=8, random_state=0).fit(IMAGES, HALVES)
    assert fitted.score(IMAGES, HALVES) > 0.8
    pictures = [Image.fromarray(pixels) for pixels in IMAGES[:3]]
    pictures[0].save(tmp_path / "a.png")
    expected = fitted.predict_proba(IMAGES[:3])
    np.testing.assert_array_equal(fitted.predict_proba([str(tmp_path / "a.png"), *pictures[1:]]), expected)
    np.testing.assert_allclose(fitted.predict_proba(IMAGES[:3] / 255), expected)
    with pytest.raises(ValueError, match="8 x 8"):
        fitted.predict(IMAGES[:, :5])
    sizes = [Image.new("RGB", (9, 7)), Image.new("L", (8, 8))] * 4
    with pytest.raises(ValueError, match="size="):
        ImageClassifier().fit(sizes, [0, 1] * 4)
    assert clone(fitted).set_params(size=(6, 5), epochs=0).fit(
        pictures * 2, [0, 1, 0] * 2
    ).artefact_.spec.input.size == (
        6,
        5,
    )


def test_texts_are_classified_by_their_words() -> None:
    fitted = TextClassifier(epochs=25, batch_size=8, validation_fraction=0, random_state=0).fit(TEXTS, MOODS)
    assert fitted.predict(["a good plot", "a bad plot"]).tolist() == ["good", "bad"]
    assert fitted.score(pd.Series(TEXTS), MOODS) == 1
    one = fitted.predict_proba(TEXTS[:1])
    np.testing.assert_allclose(one, fitted.predict_proba(TEXTS)[:1])  # whatever is beside it


def test_a_series_goes_on() -> None:
    fitted = Forecaster(20, 5, epochs=25, random_state=0).fit(WAVE)
    following = np.sin(np.arange(200, 212) / 5)
    assert fitted.predict().shape == (5,)
    assert fitted.score(following) > 0.8  # two and a half times as far as it predicts at once
    assert np.array_equal(fitted.predict(7), fitted.predict(12)[:7])
    assert np.array_equal(fitted.predict(context=WAVE[-20:]), fitted.predict())
    assert len(cross_val_score(Forecaster(10, 3, epochs=1), WAVE, cv=TimeSeriesSplit(2))) == 2
    frame = pd.DataFrame({"a": WAVE, "b": WAVE[::-1]})
    two = Forecaster(10, 3, epochs=1).fit(frame)
    assert two.predict(4).shape == (4, 2)
    rows = two.artefact_(frame.iloc[-10:])
    assert [row["b"]["value"] for row in rows] == pytest.approx(two.predict()[:, 1].tolist(), abs=1e-5)


NAN = np.where(np.arange(60)[:, None] == 7, np.nan, ROWS)


@pytest.mark.parametrize(
    ("estimator", "data", "word"),
    [
        (MLPClassifier(), (NAN, SIDES), "NaN"),
        (MLPRegressor(), (ROWS, NAN[:, 0]), "NaN"),
        (RBMTransformer(), (NAN,), "NaN"),
        (RBMAnomalyDetector(), (NAN,), "NaN"),
        (Forecaster(), (NAN,), "NaN"),
        (MLPRegressor(), (np.array([["a"], ["b"]]), [1, 2]), "text"),
        (MLPClassifier(), (ROWS, ["a"] * 60), "one class"),
        (MLPClassifier(), (ROWS, SIDES[:5]), "inconsistent numbers"),
        (MLPClassifier(), (np.ones((60, 2)), SIDES), "no column"),
        (MLPClassifier(epochs=-1), (ROWS, SIDES), "epochs"),
        (MLPClassifier(validation_fraction=1.0), (ROWS, SIDES), "validation_fraction"),
        (MLPClassifier(batch_size=0), (ROWS, SIDES), "batch_size"),
        (MLPClassifier(activation="rleu"), (ROWS, SIDES), "relu"),
        (RBMAnomalyDetector(contamination=0.7), (ROWS,), "contamination"),
        (ImageClassifier(), (ROWS, SIDES), "N x H x W"),
        (ImageClassifier(), (IMAGES * 2.0, HALVES), "0..1"),
        (ImageClassifier("gan"), (IMAGES, HALVES), "gan"),
        (TextClassifier(), ("one text", MOODS), "list"),
        (TextClassifier(), ([1, 2], [0, 1]), "text 0"),
        (TextClassifier(), (["", "a"], [0, 1]), "text 0"),
        (Forecaster(100, 100), (WAVE,), "context_length=100"),
        (Forecaster(5, 2), (np.ones(50),), "never changes"),
    ],
)
def test_wrong_input_is_one_line_of_a_value_error(estimator: Any, data: tuple[Any, ...], word: str) -> None:
    with pytest.raises(ValueError, match=word) as caught:
        clone(estimator).fit(*data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 300


def test_predict_of_a_forecaster_takes_a_number_of_steps() -> None:
    fitted = Forecaster(10, 3, epochs=0).fit(WAVE)
    for wrong in (0, WAVE, "12", 2.5):
        with pytest.raises(ValueError, match=r"number"):
            fitted.predict(wrong)


def test_validation_takes_its_share_of_each_class() -> None:
    groups = np.repeat([0, 1, 2], [20, 10, 1])
    rows = held_out(groups, 0.2, seed=3)
    assert np.bincount(groups[rows["val"]]).tolist() == [4, 2]
    assert sorted([*rows["train"], *rows["val"]]) == list(range(31))
    assert list(held_out(groups, 0.0, seed=3)) == ["train"]


def test_cells_that_are_masked_are_missing() -> None:
    masked = np.ma.masked_array(ROWS, mask=np.arange(ROWS.size).reshape(ROWS.shape) == 1)
    with pytest.raises(ValueError, match="X holds NaN in row 0, column 1"):
        MLPClassifier([4], epochs=0, random_state=0).fit(masked, SIDES)
