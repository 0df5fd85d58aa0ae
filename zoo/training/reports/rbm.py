"""Reports of restricted Boltzmann machines: likelihoods, features, labels, anomalies and topics.

Shape letters: N examples, V visible, H hidden.
"""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import plots
from zoo.errors import DataError
from zoo.metrics.perplexity import Perplexity
from zoo.models.rbm import annealed_importance_sampling, log_partition
from zoo.models.rbm.likelihood import MOST_ENUMERATED
from zoo.models.rbm.units import bernoulli
from zoo.spec import Classes, Image, Values
from zoo.spec.calibration import Calibration
from zoo.tasks.rbm import (
    AnomalyDetection,
    ContrastiveDivergence,
    FeatureLearning,
    Hybrid,
    TopicModelling,
)
from zoo.tasks.rbm.contrastive_divergence import prepared
from zoo.training import report
from zoo.training.report import Evaluation
from zoo.training.reports.baseline_models import knn_accuracy, lda_perplexity
from zoo.training.reports.supervised import confusion_matrix, targets
from zoo.training.runtime import seeded

log = logging.getLogger(__name__)

SHOWN = 12  # images in a row
FILTERS = 64
GIBBS_STEPS = 1000  # after which samples of the model are shown
MAPPED = 1000  # test examples in the map of features
ESTIMATED = 50  # test documents by which the perplexity is estimated, as in the paper
SAME = 1e-6  # share of the largest number by which points differ at least, or they are one


# What all of them share


def inputs(task: ContrastiveDivergence, evaluation: Evaluation, split: str) -> Tensor:
    """The visible vectors (N, V) of a split, not binarized and without labels, on the CPU."""
    network: Any = task.network
    batches = evaluation.batches(split, task.chunk)
    return torch.cat([network.vector(prepared(task.spec.input, batch[0])).cpu() for batch in batches])


def base_rates(task: ContrastiveDivergence, evaluation: Evaluation) -> Tensor:
    """The means (V,) of the training data; a network that was trained elsewhere comes without them."""
    if task.visible_mean.isfinite().all():
        return task.visible_mean
    return task.moments(evaluation.batches("train", task.chunk))[0]


def in_the_plane(points: Tensor, *, perplexity: float, metric: str = "euclidean") -> Tensor:
    """Points (N, H), laid out in the plane by t-SNE: (N, 2).

    Raises:
        ValueError: they are fewer than 3, not finite, or all the same. There scikit-learn (1.9) divides by a standard
            deviation of 0, and its search among the NaN that follow ends the process.
    """
    from sklearn.manifold import TSNE

    points = points.double()
    size = points.abs().max()
    if len(points) < 3 or not size.isfinite() or not (points - points[0]).abs().max() > SAME * size:
        raise ValueError(f"t-SNE lays out 3 or more points that differ, and these are {len(points)} that do not")
    points = (points / size).float()  # squares of tiny numbers would be 0, and those of huge ones infinite
    start = "pca" if min(points.shape) > 1 else "random"  # in the plane, of two components
    perplexity = min(perplexity, (len(points) - 1) / 3)
    layout = TSNE(perplexity=perplexity, init=start, random_state=0, metric=metric).fit_transform(points.numpy())
    return torch.from_numpy(layout)


# Features


@report.split_metrics.register
def _(task: FeatureLearning, evaluation: Evaluation) -> dict[str, float]:
    """With Bernoulli units the `log_likelihood` (nats, an example; of rounded ones with `binarize=none`), by `log_z`,
    which is exact for up to 20 hidden units and estimated by annealed importance sampling for more; with classes the
    `knn_accuracy`, that of the 5 nearest neighbours among the training examples' features.
    """
    metrics: dict[str, float] = {}
    if task.bernoulli:
        metrics |= likelihood(task, evaluation)
    if task.classes is not None:
        train, test = (torch.cat(evaluation.predictions(split)) for split in ("train", "test"))
        metrics["knn_accuracy"] = knn_accuracy(train, targets(evaluation, "train"), test, targets(evaluation, "test"))
    return metrics


@torch.no_grad()
def likelihood(task: FeatureLearning, evaluation: Evaluation) -> dict[str, float]:
    """The mean log-likelihood of the test split and log Z, each with its standard error."""
    network: Any = task.trained_network
    if len(network.hidden_bias) <= MOST_ENUMERATED:
        log_z, error = log_partition(network), 0.0
    else:
        with seeded(0):
            log_z, error = annealed_importance_sampling(network, base_rates(task, evaluation), **task.ais)
    batches = enumerate(evaluation.batches("test"))
    visible = (task.rounded(task.visible(batch, task.generator(number))) for number, batch in batches)
    energies = torch.cat([network.free_energy(v).double() for v in visible])
    count = len(energies)
    total, squares = energies.sum().item(), energies.square().sum().item()
    variance = squares / count - (total / count) ** 2
    return {
        "log_likelihood": -total / count - log_z,
        "log_likelihood_error": math.sqrt(variance / count + error**2),
        "log_z": log_z,
        "log_z_error": error,
    }


@report.baselines.register
def _(task: FeatureLearning, evaluation: Evaluation) -> dict[str, float]:
    """The same neighbours by as many principal components, and by the inputs themselves; of Bernoulli units the
    log-likelihood where each is independent of the others."""
    train, test = (inputs(task, evaluation, split) for split in ("train", "test"))
    independent = {"log_likelihood_independent": independent_units(train, test)} if task.bernoulli else {}
    return independent | _neighbours_of_components(task, evaluation, train, test)


def independent_units(train: Tensor, test: Tensor) -> float:
    """The mean log-likelihood (nats) of test vectors (N, V), rounded to 0 and 1, where each unit is on by itself, as
    often as in training, with one example more of each."""
    rates = (train.round().sum(dim=0).double() + 1) / (len(train) + 2)
    binary = test.round().double()
    return float((binary * rates.log() + (1 - binary) * (1 - rates).log()).sum(dim=1).mean())


def _neighbours_of_components(
    task: FeatureLearning, evaluation: Evaluation, train: Tensor, test: Tensor
) -> dict[str, float]:
    if task.classes is None:
        return {}
    from sklearn.decomposition import PCA

    labels, truths = (targets(evaluation, split) for split in ("train", "test"))
    components = PCA(min(len(task.network.hidden_bias), *train.shape), random_state=0).fit(train)
    projected = [torch.from_numpy(components.transform(x)) for x in (train, test)]
    return {
        "knn_accuracy_pca": knn_accuracy(projected[0], labels, projected[1], truths),
        "knn_accuracy_inputs": knn_accuracy(train, labels, test, truths),
    }


@report.plots.register
def _(task: FeatureLearning, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    captions = draw_images(task, evaluation, folder) if isinstance(task.spec.input, Image) else {}
    features = torch.cat(evaluation.predictions("test"))[:MAPPED]
    try:
        layout = in_the_plane(features, perplexity=30.0)
    except ValueError as error:
        log.warning("map.png is not drawn: %s", error)
        return captions
    plots.scatter(layout, targets(evaluation, "test")[:MAPPED], task.classes, folder / "map.png")
    return {**captions, "map.png": f"Features of {len(features)} test examples, laid out in the plane by t-SNE."}


@torch.no_grad()
def draw_images(task: FeatureLearning, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw filters, reconstructions and samples of a network of images."""
    described, network = task.spec.input, task.trained_network
    assert isinstance(described, Image)
    any_network: Any = network
    size = described.channels, described.height, described.width
    strongest = any_network.weight.norm(dim=0).argsort(descending=True)[:FILTERS]
    plots.filters(any_network.weight[:, strongest].t().unflatten(1, size).mean(dim=1), folder / "filters.png")
    first = task.vectors(next(evaluation.batches("test", SHOWN)))
    binary = task.binary(first, task.generator(0))
    rows = {"original": first, "binarized": binary, "reconstructed": any_network.reconstruct(binary)}
    restored = {name: described.restore(v.unflatten(1, size)) for name, v in rows.items()}
    plots.image_rows(restored, folder / "reconstructions.png")
    with seeded(0):
        start = bernoulli(base_rates(task, evaluation).expand(SHOWN * 5, -1))
        samples = any_network.reconstruct(any_network.gibbs(start, GIBBS_STEPS))
    plots.image_grid(described.restore(samples.unflatten(1, size)), folder / "samples.png", columns=SHOWN)
    return {
        "filters.png": "Weights of the hidden units with the largest ones: blue draws a pixel on, red off.",
        "reconstructions.png": "Test images, binarized as the network gets them, and their mean reconstructions.",
        "samples.png": f"Samples of the model, {GIBBS_STEPS} Gibbs steps after noise.",
    }


# Labels


@report.baselines.register
def _(task: Hybrid, evaluation: Evaluation) -> dict[str, float]:
    """scikit-learn's linear model: logistic or ridge regression."""
    from sklearn.linear_model import LogisticRegression, Ridge

    train, test = (inputs(task, evaluation, split).numpy() for split in ("train", "test"))
    labels, truths = (targets(evaluation, split).flatten().numpy() for split in ("train", "test"))
    if isinstance(task.spec.output, Values):
        return {"r2_ridge": float(Ridge().fit(train, labels).score(test, truths))}
    linear = LogisticRegression(max_iter=1000).fit(train, labels)
    return {"accuracy_logistic_regression": float(linear.score(test, truths))}


@report.plots.register
def _(task: Hybrid, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    outputs, truths = torch.cat(evaluation.predictions("test")), targets(evaluation, "test")
    described = task.spec.output
    if isinstance(described, Classes):
        return confusion_matrix(outputs.argmax(dim=1), truths, described.names, folder)
    assert isinstance(described, Values)
    predicted, true = described.restore(outputs), described.restore(truths)
    plots.predicted_against_true(predicted, true, described.names, folder / "predicted.png")
    return {"predicted.png": "Predicted against true values of the test split."}


# Anomalies


@report.check_splits.register
def _(task: AnomalyDetection, splits: Any) -> None:
    for split in ("train", "val") if len(task.is_normal) else ():
        if not task.is_normal[splits[split].columns[1]].any():
            raise DataError(f"the {split} split has no example of {' or '.join(task.normal_classes)} to learn from")


def scores_and_normal(task: AnomalyDetection, evaluation: Evaluation, split: str) -> tuple[Tensor, Tensor]:
    """Of all examples of a split, on the CPU: free energies (N,), and whether each is normal (N,)."""
    return torch.cat(evaluation.predictions(split))[:, 0], normal_ones(task, evaluation, split)


def normal_ones(task: AnomalyDetection, evaluation: Evaluation, split: str) -> Tensor:
    """Whether each example of a split is normal (N,), on the CPU; all are, where there are no classes."""
    if len(task.is_normal):
        return task.is_normal.cpu()[targets(evaluation, split)]
    return torch.ones(len(evaluation.splits[split]), dtype=torch.bool)


def threshold(task: AnomalyDetection, evaluation: Evaluation) -> float:
    """The free energy that the chosen share of normal validation examples exceeds."""
    scores, normal = scores_and_normal(task, evaluation, "val")
    return float(scores[normal].quantile(1 - task.false_positive_rate))


@report.calibrate.register
def _(task: AnomalyDetection, evaluation: Evaluation) -> Calibration:
    return Calibration(threshold=threshold(task, evaluation))


@report.split_metrics.register
def _(task: AnomalyDetection, evaluation: Evaluation) -> dict[str, float]:
    """The shares of normal examples, and where there are classes of anomalies, above the threshold."""
    scores, normal = scores_and_normal(task, evaluation, "test")
    above = (scores > threshold(task, evaluation)).float()
    recall = {"recall": float(above[~normal].mean())} if len(task.is_normal) else {}
    return {"false_positive_rate": float(above[normal].mean()), **recall}


@report.baselines.register
def _(task: AnomalyDetection, evaluation: Evaluation) -> dict[str, float]:
    """scikit-learn's isolation forest of the normal training examples, where there are anomalies to be told."""
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    if not len(task.is_normal):
        return {}
    normal = {split: normal_ones(task, evaluation, split) for split in ("train", "test")}
    forest = IsolationForest(random_state=0).fit(inputs(task, evaluation, "train")[normal["train"]].numpy())
    scores = -forest.score_samples(inputs(task, evaluation, "test").numpy())
    return {"auroc_isolation_forest": float(roc_auc_score(~normal["test"].numpy(), scores))}


@report.notes.register
def _(task: AnomalyDetection, evaluation: Evaluation) -> list[str]:
    if not task.normal_classes:
        return ["The data has no classes: all of its examples are taken for normal."]
    normal = " and ".join(f"`{name}`" for name in task.normal_classes)
    return [f"Normal is {normal}; all else is an anomaly, of which training saw none."]


@report.plots.register
def _(task: AnomalyDetection, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    scores, normal = scores_and_normal(task, evaluation, "test")
    groups = {"normal": scores[normal]} | ({"anomalies": scores[~normal]} if len(task.is_normal) else {})
    plots.histograms(groups, threshold(task, evaluation), "free energy (nats)", folder / "scores.png")
    far = "the last bar also holds what is farther"
    return {"scores.png": f"Free energies of the test split, and the threshold that was chosen on validation; {far}."}


# Topics


@report.split_metrics.register
def _(task: TopicModelling, evaluation: Evaluation) -> dict[str, float]:
    """The perplexity of the first 50 test documents, where there are too many topics for the exact one.

    Each length's partition function is estimated by annealed importance sampling, as in the paper.
    """
    return {} if task.is_exact("test") else {"perplexity": estimated_perplexity(task, evaluation)}


@torch.no_grad()
def estimated_perplexity(task: TopicModelling, evaluation: Evaluation, documents: int = ESTIMATED) -> float:
    """exp(-log p / words) of the first test documents, by an estimate of log Z of each length."""
    network: Any = task.trained_network
    counts = task.vectors(next(evaluation.batches("test", documents)))
    rates = base_rates(task, evaluation)
    lengths, places = counts.sum(dim=1).long().unique(return_inverse=True)
    with seeded(0):
        estimates = [
            annealed_importance_sampling(network, rates, words=words, **task.ais)[0] for words in lengths.tolist()
        ]
    log_z = torch.tensor(estimates, device=counts.device)[places]
    energies = network.free_energy(counts).double()
    perplexity = Perplexity().to(counts.device)
    perplexity.update((energies + log_z) / lengths[places], weight=lengths[places])
    return float(perplexity.compute())


@report.baselines.register
def _(task: TopicModelling, evaluation: Evaluation) -> dict[str, float]:
    """scikit-learn's latent Dirichlet allocation with as many topics, on the same test documents."""
    train, test = (evaluation.splits[split].columns[0] for split in ("train", "test"))
    assert isinstance(train, Tensor)
    assert isinstance(test, Tensor)
    test = test if task.is_exact("test") else test[:ESTIMATED]
    return {"perplexity_lda": lda_perplexity(train, test.float(), task.topics)}


@report.notes.register
def _(task: TopicModelling, evaluation: Evaluation) -> list[str]:
    network: Any = task.trained_network
    shares = torch.cat(evaluation.predictions("train")).mean(dim=0).tolist()
    words = [task.spec.output.words(places) for places in network.top_words().tolist()]  # type: ignore[union-attr]
    lines = ["| topic | share of the training documents | words |", "|---|---|---|"]
    lines += [f"| {topic} | {share:.1%} | {', '.join(its)} |" for topic, (share, its) in enumerate(zip(shares, words))]
    return ["\n".join(lines)]


@report.plots.register
def _(task: TopicModelling, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    network: Any = task.trained_network
    places = network.top_words()
    weights = network.weight.detach().t().gather(1, places).cpu()
    words = [task.spec.output.words(row) for row in places.tolist()]  # type: ignore[union-attr]
    plots.topic_words(words, weights, folder / "topics.png")
    return {"topics.png": "The words of each topic, and by how many nats it makes them likelier."}
