"""How close generated images are to real ones, as another network of the zoo sees them: the evaluator.

A classifier compares the features that it finds in them, and a captioner reads back what they show.

Fréchet distance: Heusel et al., "GANs trained by a two time-scale update rule", 2017, of other features than
Inception's, so that values compare only where the classifier is the same. Precision and recall: Kynkäänniemi et al.,
"Improved precision and recall metric for assessing generative models", 2019.

Shape letters: N real images, M fake images, F features, B batch, C channels, H height, W width, R captions, T tokens.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from zoo.errors import ConfigError
from zoo.spec import Classes, Image, Label, Spec, Text, Tokens
from zoo.spec.text import PAD

NUM_NEIGHBOURS = 3
MAX_IMAGES = 4096  # of each kind, from which precision and recall are computed
PRESENT = 0.1  # a class is there if it is at least this fraction as frequent as among real images


class Evaluator(Protocol):
    """A trained network of the zoo that takes images, such as `zoo.load("cnn.digits")`."""

    spec: Spec
    network: Any


def generation_metrics(evaluator: Evaluator, condition: object) -> ClassifierMetrics | CaptionerMetrics:
    """The metrics that an evaluator computes of images generated from a condition: a label, a text or a seed.

    Raises:
        ConfigError: the evaluator takes no images, is neither classifier nor captioner, or has another vocabulary.
    """
    seen, said = evaluator.spec.input, evaluator.spec.output
    if type(seen) is Image and isinstance(said, Classes) and hasattr(evaluator.network, "forward_features"):
        return ClassifierMetrics(evaluator, isinstance(condition, Label) and condition.names == said.names)
    if type(seen) is Image and isinstance(said, Tokens) and isinstance(condition, Text):
        if (said.vocabulary, said.level) != (condition.vocabulary, condition.level):
            raise ConfigError("the evaluator writes with another vocabulary than that which images are generated from")
        return CaptionerMetrics(evaluator)
    raise ConfigError(f"an evaluator is a cnn from image to classes, or for texts a captioner, not {evaluator.spec}")


def evaluator_input(evaluator: Evaluator, images: Tensor) -> tuple[Any, Tensor]:
    """The evaluator's network, and what it takes for uint8 images (B, C, H, W) of any size, grey or in colour."""
    kind: Any = evaluator.spec.input
    if images.shape[1] != kind.channels:
        images = images.float().mean(dim=1, keepdim=True).expand(-1, kind.channels, -1, -1)
    if kind.height is not None and images.shape[-2:] != kind.size:
        images = functional.interpolate(images.float(), size=kind.size, mode="bicubic", antialias=True)
        images = images.clamp(0, 255)
    return evaluator.network.to(images.device), kind.prepare(images)


class EvaluatorMetric(Metric):
    """A metric with an evaluator, which follows it to its device but is no part of the task's weights."""

    full_state_update = False

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__()
        self._evaluator = [evaluator]  # in a list, and so not found by torch


class ClassifierMetrics(EvaluatorMetric):
    """Features and classes of real and fake images, gathered over all processes.

    `compute` gives `frechet`, `precision`, `recall`, `classes` (how many appear among fake images) and, where images
    are generated from the classifier's own classes, `as_asked`: the fraction that it reads as the class asked for.

    Args:
        evaluator: a classifier.
        same_classes: whether images are generated from its classes.
    """

    real: Any  # features: a list of tensors, and one tensor once gathered
    fake: Any
    real_classes: Any
    fake_classes: Any
    condition: Any

    def __init__(self, evaluator: Evaluator, same_classes: bool) -> None:
        super().__init__(evaluator)
        self.same_classes = same_classes
        self.names = ("frechet", "precision", "recall", "classes") + (("as_asked",) if same_classes else ())
        for name in ("real", "fake", "real_classes", "fake_classes", "condition"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, real: Tensor, fake: Tensor, condition: Tensor | None = None) -> None:
        """Add uint8 images (B, C, H, W), real and fake, and the classes (B,) of the condition, if there are such."""
        for images, features, classes in (
            (real, self.real, self.real_classes),
            (fake, self.fake, self.fake_classes),
        ):
            network, x = evaluator_input(self._evaluator[0], images)
            found = network.forward_features(x)
            features.append(found.float())
            classes.append(network.classifier(found).argmax(dim=1))
        if self.same_classes and condition is not None:
            self.condition.append(condition)

    def compute(self) -> dict[str, Tensor]:
        real, fake = dim_zero_cat(self.real), dim_zero_cat(self.fake)
        if len(real) < 2:
            raise ConfigError("one image is too few to compare with: give more to validate on, or task.evaluator=null")
        precision, recall = precision_and_recall(real[:MAX_IMAGES], fake[:MAX_IMAGES])
        real_classes, fake_classes = dim_zero_cat(self.real_classes), dim_zero_cat(self.fake_classes)
        metrics = {
            "frechet": frechet_distance(real, fake),
            "precision": precision,
            "recall": recall,
            "classes": classes_present(real_classes, fake_classes),
        }
        if self.same_classes:
            metrics["as_asked"] = (dim_zero_cat(self.condition) == fake_classes).float().mean()
        return metrics


class CaptionerMetrics(EvaluatorMetric):
    """What a captioner reads in images that were generated from captions.

    `compute` gives `exact`, the fraction of fake images for which it writes one of the true captions, and `words`, the
    mean agreement of what it writes with the true captions (`caption_agreement`); and the same of real images,
    `real_exact` and `real_words`, which are an upper bound.
    """

    names = ("exact", "words", "real_exact", "real_words")  # of what `compute` gives
    count: Tensor

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator)
        for name in ("exact", "words", "real_exact", "real_words", "count"):
            self.add_state(name, default=torch.zeros(()), dist_reduce_fx="sum")

    def update(self, real: Tensor, fake: Tensor, captions: Tensor) -> None:
        """Add uint8 images (B, C, H, W), real and fake, and their true captions (B, R, T)."""
        self.count += len(real)
        for images, prefix in ((fake, ""), (real, "real_")):
            network, x = evaluator_input(self._evaluator[0], images)
            agreement = caption_agreement(network.generate(x)[0], captions)
            for name, values in ((f"{prefix}exact", agreement == 1), (f"{prefix}words", agreement)):
                setattr(self, name, getattr(self, name) + values.float().sum())

    def compute(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) / self.count for name in self.names}


def caption_agreement(written: Tensor, captions: Tensor) -> Tensor:
    """The fraction of places in which texts (B, T) and the best of their captions (B, R, T') agree, float (B,)."""
    length = max(written.shape[1], captions.shape[2])
    written = functional.pad(written, (0, length - written.shape[1]), value=PAD)[:, None]
    captions = functional.pad(captions, (0, length - captions.shape[2]), value=PAD)
    real = (written != PAD) | (captions != PAD)
    return (((written == captions) & real).sum(dim=2) / real.sum(dim=2)).amax(dim=1)


def classes_present(real: Tensor, fake: Tensor) -> Tensor:
    """How many of the classes of real images (N,) appear among fake ones (M,), not much more seldom; a float."""
    count = int(torch.cat([real, fake]).max()) + 1
    frequency, fake_frequency = (torch.bincount(classes, minlength=count) / len(classes) for classes in (real, fake))
    return ((fake_frequency >= PRESENT * frequency) & (frequency > 0)).sum().float()


def frechet_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Squared Fréchet distance of normal distributions fitted to features (N, F) and (M, F)."""
    means = real.double().mean(dim=0), fake.double().mean(dim=0)
    covariances = torch.cov(real.double().T), torch.cov(fake.double().T)
    values, vectors = torch.linalg.eigh(covariances[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    trace = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()  # of the product's root
    apart = (means[0] - means[1]).square().sum()
    return (apart + covariances[0].trace() + covariances[1].trace() - 2 * trace).float()


def precision_and_recall(real: Tensor, fake: Tensor, num_neighbours: int = NUM_NEIGHBOURS) -> tuple[Tensor, Tensor]:
    """The fraction of fake features (M, F) within the manifold of the real ones (N, F), and the reverse.

    A point lies within a manifold if it is no further from any of its points than that one's third neighbour there.
    """
    return _fraction_within(fake, real, num_neighbours), _fraction_within(real, fake, num_neighbours)


def _fraction_within(points: Tensor, manifold: Tensor, num_neighbours: int) -> Tensor:
    distances = torch.cdist(manifold, manifold)
    nearest = min(num_neighbours + 1, len(manifold))  # the nearest is the point itself
    radii = distances.kthvalue(nearest, dim=1).values
    return (torch.cdist(points, manifold) <= radii).any(dim=1).float().mean()
