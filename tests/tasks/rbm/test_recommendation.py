"""Recommendation: the conditional of ratings against enumeration, and what is learned against what can be known."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from sklearn.metrics import ndcg_score
from torch.nn import functional
from torch.utils.data import DataLoader

import zoo
from zoo import models
from zoo.data.core.sparse import SparseRows
from zoo.data.images import Digits
from zoo.data.ratings import BinaryRatings
from zoo.errors import SpecError
from zoo.models.rbm import RatingRBM
from zoo.optim.options import TrainingOptions
from zoo.tasks.rbm import ContrastiveDivergence, DivergenceOptions, Recommendation
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.baseline_models import item_and_user_effects
from zoo.training.run import train

SGD = partial(torch.optim.SGD, lr=0.4)
NETWORK = partial(models.build, "rbm", num_hidden=20)


def spread(rbm: RatingRBM) -> RatingRBM:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in rbm.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        rbm.visible.values.sub_(0.2 * torch.rand(rbm.visible.values.shape, generator=generator))
    return rbm


def test_expected_ratings_are_those_of_the_joint_distribution() -> None:
    """By free energies of all values of an item, the other unrated ones left out."""
    rbm = spread(RatingRBM(4, 3, scale=(1, 2, 5)))
    codes = torch.tensor([[2, 0, 3, 0], [0, 1, 0, 0]])
    v = functional.one_hot(codes, 4)[:, :, 1:].float()
    answers = rbm(v.flatten(1))
    assert answers.isnan().tolist() == (codes > 0).tolist()
    for person, item in (codes == 0).nonzero().tolist():
        filled = v[person].repeat(3, 1, 1)
        filled[:, item] = torch.eye(3)
        shares = (-rbm.free_energy(filled.flatten(1))).softmax(dim=0)
        assert answers[person, item].item() == pytest.approx((shares @ rbm.scale).item(), abs=1e-5)


def test_codes_tell_the_hidden_units_what_one_hot_ratings_do() -> None:
    rbm = spread(RatingRBM(30, 7, scale=(1, 2, 5)))
    codes = torch.randint(0, 4, (9, 30), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    codes[4] = 0
    v = functional.one_hot(codes.long(), 4)[:, :, 1:].float().flatten(1)
    torch.testing.assert_close(rbm.hidden_input_of(codes), rbm.hidden_input(v), atol=1e-5, rtol=1e-5)


def test_items_are_predicted_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rbm = spread(RatingRBM(30, 7))
    v = functional.one_hot(torch.randint(0, 6, (9, 30)), 6)[:, :, 1:].float().flatten(1)
    whole = rbm(v)
    monkeypatch.setattr("zoo.models.rbm.ratings.CACHED", 4 * 5 * 7)
    torch.testing.assert_close(rbm(v), whole, equal_nan=True)


def test_many_items_are_measured_alike(likes: BinaryRatings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only what was held out is predicted, its errors and ranks are those of whole rows."""
    task = Recommendation(likes.spec, NETWORK, SGD).eval()
    spread(task.network)
    batches = list(DataLoader(likes.splits["test"], 50, collate_fn=lambda batch: batch))[:4]
    found = []
    for limit in (2**20, 0):
        monkeypatch.setattr("zoo.tasks.rbm.recommendation.MANY", limit)
        monkeypatch.setattr("zoo.tasks.rbm.recommendation.RANKED_USERS", limit)
        with torch.no_grad():
            for number, batch in enumerate(batches):
                task.eval_step(batch, number, "test")
        found.append([task.rmse.compute(), task.ndcg.compute()])
        task.rmse.reset(), task.ndcg.reset()
    torch.testing.assert_close(*found)


def test_ratings_are_counted_as_one_hot_vectors_would_be(likes: BinaryRatings) -> None:
    task = Recommendation(likes.spec, NETWORK, SGD)
    batches = list(DataLoader(likes.splits["train"], 400, collate_fn=lambda batch: batch))
    for counted, summed in zip(task.moments(batches), ContrastiveDivergence.moments(task, batches), strict=True):
        assert torch.equal(counted, summed)


def test_only_what_is_asked_and_not_given_counts(likes: BinaryRatings) -> None:
    """Other ratings of what is asked change the loss, and gaps do not."""
    task = Recommendation(likes.spec, NETWORK, SGD, max_targets=5)
    spread(task.network)
    codes = likes.splits["train"].columns[0].dense()[:30]
    v = likes.spec.input.prepare(codes)
    torch.manual_seed(1)
    error = task.conditional_error(v, codes)
    assert 0 < error.item() < 4
    torch.manual_seed(1)
    rated = (codes > 0).sum().item()
    turned = torch.where(codes > 0, 3 - codes, 0)
    assert task.conditional_error(v, turned).item() != pytest.approx(error.item(), rel=1e-3)
    nobody = torch.zeros_like(codes)
    assert task.conditional_error(torch.zeros_like(v), nobody).item() == 0
    assert rated > 0


@pytest.fixture(scope="module")
def likes() -> BinaryRatings:
    data = BinaryRatings(num_users=600)
    data.setup()
    return data


def test_it_nears_what_can_be_known_of_tastes(trainer: Callable[..., L.Trainer], likes: BinaryRatings) -> None:
    """It closes most of the gap between the effects of films and people and the posterior of the true tastes."""
    torch.manual_seed(0)
    L.seed_everything(0, verbose=False)
    task = Recommendation(
        likes.spec, partial(models.build, "rbm", num_hidden=40), TrainingOptions(SGD, "cosine", ema=0.99)
    )
    fitted = trainer(max_epochs=40, limit_val_batches=0)
    fitted.fit(task, likes)
    metrics = fitted.test(task, likes, verbose=False)[0]
    known, held = (column.dense() for column in likes.splits["test"].columns)
    chances = likes.chances()
    taste = (known == 2).float() @ chances.log().t() + (known == 1).float() @ (1 - chances).log().t()
    best = taste.softmax(dim=1) @ chances
    chosen = held > 0
    bound = (best[chosen] - (held[chosen] - 1.0)).square().mean().sqrt().item()
    simple = report.baselines(task, Evaluation(task, likes.splits, 64))
    gap = simple["rmse_item_and_user_effects"] - bound
    assert gap > 0.1
    assert metrics["test/rmse"] < bound + 0.4 * gap
    assert metrics["test/ndcg"] > simple["ndcg_popularity"] + 0.03

    answers = task.trained_network(likes.spec.input.prepare(known)).detach()
    gains = [(answers[row, items], held[row, items] - 1.0) for row, items in enumerate(chosen)]
    expected = [ndcg_score([truth.numpy()], [answer.numpy()], k=10) for answer, truth in gains if truth.any()]
    assert metrics["test/ndcg"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_contrastive_divergence_alone_learns_too(trainer: Callable[..., L.Trainer], likes: BinaryRatings) -> None:
    torch.manual_seed(0)
    task = Recommendation(
        likes.spec, NETWORK, partial(torch.optim.Adam, lr=0.02), discriminative=0, generative=1, item_lr_scale=1 / 72
    )
    fitted = trainer(max_epochs=15, limit_val_batches=0)
    fitted.fit(task, likes)
    metrics = fitted.test(task, likes, verbose=False)[0]
    assert (
        metrics["test/rmse"]
        < report.baselines(task, Evaluation(task, likes.splits, 64))["rmse_item_and_user_effects"] - 0.02
    )


def test_effects_are_those_of_ridge_regression() -> None:
    from sklearn.linear_model import Ridge

    codes = torch.randint(0, 6, (30, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    scale = torch.arange(1.0, 6)
    person, item = (codes > 0).nonzero().unbind(1)
    columns = torch.cat([functional.one_hot(person, 30), functional.one_hot(item, 8)], dim=1).numpy()
    ratings = codes[person, item].numpy().astype(float)
    ridge = Ridge(alpha=5.0, fit_intercept=False).fit(columns, ratings - ratings.mean())
    mean, of_item, of_person = item_and_user_effects(SparseRows.of_dense(codes), scale)
    found = mean + of_item[item] + of_person[person]
    expected = ridge.predict(columns) + ratings.mean()
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.mark.usefixtures("blank_plots")
def test_a_run_names_what_to_see(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    overrides = ["model=rbm", "task=recommendation", "data.num_users=100", "epochs=2", "model.num_hidden=5"]
    metrics = train(compose("train", *overrides, f"folder={tmp_path}")).metrics
    assert {
        "test/rmse",
        "test/ndcg",
        "test/recall",
        "test/mrr",
        "baseline/rmse_item_and_user_effects",
        "baseline/ndcg_popularity",
    } <= {*metrics}
    assert (tmp_path / "items.png").exists()
    assert "recommendations, with" in (tmp_path / "card.md").read_text(encoding="utf-8")
    model = zoo.load(tmp_path / "model.safetensors")
    answer = model({"comedy 1": 1, "horror 2": 0}, top_k=72)
    assert len(answer) == 70
    assert not {"comedy 1", "horror 2"} & {entry["title"] for entry in answer}
    ratings = [entry["rating"] for entry in answer]
    assert ratings == sorted(ratings, reverse=True)
    assert all(0 <= rating <= 1 for rating in ratings)
    assert len(model([{"comedy 1": 1}, {"comedy 2": 1}])) == 2
    with pytest.raises(SpecError, match="unknown title 'comdy 1'; the nearest are 'comedy 1'"):
        model({"comdy 1": 1})


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"discriminative": 0.0}, "discriminative and generative"),
        ({"max_targets": 0}, "max_targets .* 0"),
        ({"given_fraction": 1.0}, r"given_fraction .* 1\.0"),
        ({"item_lr_scale": 0.0}, r"item_lr_scale .* 0\.0"),
        ({"divergence": DivergenceOptions(particles=5, centering=False)}, "no particles"),
        ({"divergence": DivergenceOptions()}, "no centering"),
    ],
)
def test_an_option_out_of_range_is_a_value_error(likes: BinaryRatings, options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Recommendation(likes.spec, NETWORK, SGD, **options)


def test_other_data_is_refused(digits: Digits) -> None:
    with pytest.raises(SpecError, match="recommendation needs data of ratings"):
        Recommendation(digits.spec, NETWORK, SGD)
