"""How like real pictures made ones are, as another network of the zoo sees them.

A classifier compares the features that it finds in them, and a captioner reads back what they show.

Fréchet distance: Heusel et al., "GANs trained by a two time-scale update rule", 2017, of other features than
Inception's, so figures compare only where the classifier is the same. Precision and recall: Kynkäänniemi et al.,
"Improved precision and recall metric for assessing generative models", 2019.

Shape letters: N pictures, F features, B batch, C channels, H height, W width, R captions, T tokens.
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

NEIGHBOURS = 3
MOST = 4096  # pictures of each kind of which precision and recall are taken
PRESENT = 0.1  # a class is there if it has this share of what it has among real pictures, or more


class Judge(Protocol):
    """A trained network of the zoo that looks at pictures, such as `zoo.load("cnn.digits")`."""

    spec: Spec
    network: Any


def likeness(judge: Judge, source: object) -> ByClassifier | ByCaptioner:
    """The metric in which a judge compares pictures that were made from a source: a label, a text or a seed.

    Raises:
        ConfigError: the judge looks at no pictures, is neither classifier nor captioner, or has other words.
    """
    seen, said = judge.spec.input, judge.spec.output
    if type(seen) is Image and isinstance(said, Classes) and hasattr(judge.network, "forward_features"):
        return ByClassifier(judge, isinstance(source, Label) and source.names == said.names)
    if type(seen) is Image and isinstance(said, Tokens) and isinstance(source, Text):
        if (said.vocabulary, said.level) != (source.vocabulary, source.level):
            raise ConfigError("the judge writes with other words than those that the pictures are made from")
        return ByCaptioner(judge)
    raise ConfigError(f"a judge is a cnn from image to classes, or for texts a captioner, not one of {judge.spec}")


class Judged(Metric):
    """A metric with a judge, which follows it to its device but is no part of the task's weights."""

    full_state_update = False

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self._judge = [judge]  # in a list, and so not found by torch

    def look(self, batch: Tensor) -> tuple[Any, Tensor]:
        """The judge's network, and what it takes for uint8 pictures (B, C, H, W) of any size, grey or in colour."""
        kind: Any = self._judge[0].spec.input
        if batch.shape[1] != kind.channels:
            batch = batch.float().mean(dim=1, keepdim=True).expand(-1, kind.channels, -1, -1)
        if kind.height is not None and batch.shape[-2:] != kind.size:
            batch = functional.interpolate(batch.float(), size=kind.size, mode="bicubic", antialias=True).clamp(0, 255)
        return self._judge[0].network.to(batch.device), kind.prepare(batch)


class ByClassifier(Judged):
    """Features and classes of real and made pictures, gathered over all processes.

    `compute` gives `frechet`, `precision`, `recall`, `classes` (how many appear among the made ones) and, where it is
    known of what class each was to be, `as_asked`: the share that the classifier reads so.
    """

    def __init__(self, judge: Judge, same_classes: bool) -> None:
        super().__init__(judge)
        self.same_classes = same_classes
        self.names = ("frechet", "precision", "recall", "classes") + (("as_asked",) if same_classes else ())
        for name in ("real", "made", "real_classes", "made_classes", "asked"):
            self.add_state(name, default=[], dist_reduce_fx="cat")
        self.real: Any
        self.made: Any
        self.real_classes: Any
        self.made_classes: Any
        self.asked: Any

    def update(self, real: Tensor, made: Tensor, asked: Tensor | None) -> None:
        """Add uint8 pictures (B, C, H, W), real and made, and the classes (B,) asked for, if there are such."""
        for batch, features, classes in (
            (real, self.real, self.real_classes),
            (made, self.made, self.made_classes),
        ):
            network, x = self.look(batch)
            found = network.forward_features(x)
            features.append(found.float())
            classes.append(network.classifier(found).argmax(dim=1))
        if self.same_classes and asked is not None:
            self.asked.append(asked)

    def compute(self) -> dict[str, Tensor]:
        real, made = dim_zero_cat(self.real), dim_zero_cat(self.made)
        if len(real) < 2:
            raise ConfigError("one image is too few to compare with: give more to validate on, or task.evaluator=null")
        precision, recall = precision_and_recall(real[:MOST], made[:MOST])
        theirs, ours = dim_zero_cat(self.real_classes), dim_zero_cat(self.made_classes)
        count = int(torch.cat([theirs, ours]).max()) + 1
        shares = [torch.bincount(classes, minlength=count) / len(classes) for classes in (theirs, ours)]
        figures = {
            "frechet": frechet_distance(real, made),
            "precision": precision,
            "recall": recall,
            "classes": ((shares[1] >= PRESENT * shares[0]) & (shares[0] > 0)).sum().float(),
        }
        if self.same_classes:
            figures["as_asked"] = (dim_zero_cat(self.asked) == ours).float().mean()
        return figures


class ByCaptioner(Judged):
    """What a captioner reads in pictures that were made from captions.

    `compute` gives `exact`, the share of made pictures of which it writes one of the right captions, and `words`, the
    share of words in which what it writes agrees with the right caption that is most like it; and the same of the
    real pictures, `real_exact` and `real_words`, beyond which nothing can be expected.
    """

    names = ("exact", "words", "real_exact", "real_words")

    def __init__(self, judge: Judge) -> None:
        super().__init__(judge)
        for name in ("exact", "words", "real_exact", "real_words", "count"):
            self.add_state(name, default=torch.zeros(()), dist_reduce_fx="sum")
        self.count: Tensor

    def update(self, real: Tensor, made: Tensor, captions: Tensor) -> None:
        """Add uint8 pictures (B, C, H, W), real and made, and their right captions (B, R, T)."""
        self.count += len(real)
        for batch, kind in ((made, ""), (real, "real_")):
            network, x = self.look(batch)
            agreement = agree(network.generate(x)[0], captions)
            for name, figure in ((f"{kind}exact", agreement == 1), (f"{kind}words", agreement)):
                setattr(self, name, getattr(self, name) + figure.float().sum())

    def compute(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) / self.count for name in self.names}


def agree(written: Tensor, captions: Tensor) -> Tensor:
    """The share of places in which texts (B, T) and the best of their captions (B, R, T') agree, float (B,)."""
    length = max(written.shape[1], captions.shape[2])
    written = functional.pad(written, (0, length - written.shape[1]), value=PAD)[:, None]
    captions = functional.pad(captions, (0, length - captions.shape[2]), value=PAD)
    real = (written != PAD) | (captions != PAD)
    return (((written == captions) & real).sum(dim=2) / real.sum(dim=2)).amax(dim=1)


def frechet_distance(real: Tensor, made: Tensor) -> Tensor:
    """Squared Fréchet distance of normal distributions fitted to features (N, F) and (M, F)."""
    means = real.double().mean(dim=0), made.double().mean(dim=0)
    covariances = torch.cov(real.double().T), torch.cov(made.double().T)
    values, vectors = torch.linalg.eigh(covariances[0])
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    shared = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    apart = (means[0] - means[1]).square().sum()
    return (apart + covariances[0].trace() + covariances[1].trace() - 2 * shared).float()


def precision_and_recall(real: Tensor, made: Tensor, neighbours: int = NEIGHBOURS) -> tuple[Tensor, Tensor]:
    """Share of made features (M, F) that lie among the real ones (N, F), and of real ones among the made ones.

    One lies among others if it is no further from any of them than that one's third neighbour among its own kind.
    """
    return _covered(made, real, neighbours), _covered(real, made, neighbours)


def _covered(points: Tensor, others: Tensor, neighbours: int) -> Tensor:
    own = torch.cdist(others, others)
    radii = own.kthvalue(min(neighbours + 1, len(others)), dim=1).values  # the nearest is the point itself
    return (torch.cdist(points, others) <= radii).any(dim=1).float().mean()
