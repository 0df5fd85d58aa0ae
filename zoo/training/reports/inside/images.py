"""What a convolutional network sees in images: filters, feature maps, and where its mistakes come from.

Shape letters: N examples, K classes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from zoo import plots
from zoo.metrics.attribution import grad_cam, integrated_gradients
from zoo.models import CNN, PhotoCNN
from zoo.spec import Classes
from zoo.tasks.supervised import Supervised
from zoo.training.report import Evaluation, View
from zoo.training.reports.supervised import targets

IMAGES = 3  # whose feature maps are drawn
MAPS = 16  # of a stage
FILTERS = 64
MISTAKES = 6
SMALLEST = 3  # cells each way of a feature map that Grad-CAM can point with
MAX_PIXELS = 512  # each way; larger images take too long
READABLE = 64 * 64  # pixels, up to which the influence of each can be seen
SEEN, TRUE, PIXELS = "Grad-CAM: answer", "Grad-CAM: true class", "pixels for the answer"  # titles
READ = {
    SEEN: "Red is where the network sees the answer, and the true class (Grad-CAM; without red, no place speaks for it "
    "by itself).",
    PIXELS: "Blue pixels speak for the answer and against the true class, red ones the other way round (integrated "
    "gradients).",
}


def views(task: Supervised, evaluation: Evaluation) -> dict[str, View]:
    """Those of a network of images, by name."""
    found: dict[str, View] = {
        "filters": partial(first_filters, task),
        "feature maps": partial(feature_maps, task, evaluation),
    }
    if isinstance(task.spec.output, Classes):
        found["mistakes"] = partial(mistakes, task, evaluation)
    return found


def network_of(task: Supervised) -> CNN | PhotoCNN:
    """The trained network, in eval mode."""
    network = task.trained_network.eval()
    assert isinstance(network, CNN | PhotoCNN)
    return network


def test_images(evaluation: Evaluation, rows: Tensor) -> Tensor:
    """Images of the test split, uint8 (N, C, H, W), on the CPU."""
    found: Any = evaluation.splits["test"].__getitems__(rows)[0]
    return found


def prepared(task: Supervised, images: Tensor) -> Tensor:
    """Images as the network takes them, on its device."""
    device = next(task.trained_network.parameters()).device
    found: Any = task.spec.input.prepare(images.to(device))
    return found


def first_filters(task: Supervised, folder: Path) -> dict[str, str]:
    """Draw the filters of the first layer."""
    network = network_of(task)
    if isinstance(network, PhotoCNN):
        weights = network.whitening.filters
    else:
        weights = next(part for part in network.modules() if isinstance(part, nn.Conv2d)).weight
    plots.first_filters(weights.detach()[:FILTERS].cpu(), folder / "first_filters.png")
    colours = "" if weights.shape[1] == 3 else " Blue weights are above 0, red ones below."
    return {
        "first_filters.png": f"Filters of the first layer.{colours} Look for edges, strokes and patches of one colour: "
        "a filter answers where the image looks like it. Filters that look like noise have learned little."
    }


@torch.no_grad()
def feature_maps(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw the feature maps of a few images, stage by stage."""
    chosen = torch.linspace(0, len(evaluation.splits["test"]) - 1, IMAGES).long().unique()
    images = test_images(evaluation, chosen)
    if max(images.shape[-2:]) > MAX_PIXELS:
        return {}
    stages = []
    for maps in network_of(task).forward_stages(prepared(task, images)):
        strongest = maps.amax(dim=(2, 3)).mean(dim=0).argsort(descending=True)[:MAPS].sort().values
        stages.append(maps[:, strongest].cpu())
    plots.feature_maps(images, stages, folder / "feature_maps.png")
    return {
        "feature_maps.png": f"Images of the test split, and the {MAPS} channels of each stage that answer most; bright "
        "is a large value. Look how the first stage finds edges everywhere, and the last one few places that matter."
    }


def mistakes(task: Supervised, evaluation: Evaluation, folder: Path) -> dict[str, str]:
    """Draw the most confident mistakes, or else the least sure answers, and what in the images spoke for them."""
    described = task.spec.output
    assert isinstance(described, Classes)
    labels = targets(evaluation, "test")
    probabilities = described.probabilities(torch.cat(evaluation.predictions("test")).double(), evaluation.calibration)
    rows, answers, are_wrong = _chosen(probabilities, labels, described.choose(probabilities, evaluation.calibration))
    images = test_images(evaluation, rows)
    if max(images.shape[-2:]) > MAX_PIXELS:
        return {}
    maps = _maps(task, prepared(task, images), answers, labels[rows])
    names = [
        f"{described.names[answer]} ({probabilities[row, answer]:.0%})\ntrue: {described.names[labels[row]]}"
        for row, answer in zip(rows.tolist(), answers.tolist())
    ]
    plots.attributions(images, maps, names, folder / "mistakes.png")
    which = "The most confident mistakes on the test split" if are_wrong else "The least sure answers on the test split"
    parts = [text for title, text in READ.items() if title in maps]
    return {"mistakes.png": f"{which}. {' '.join(parts)} Look whether you would have known better, and from what."}


def _chosen(probabilities: Tensor, labels: Tensor, answers: Tensor) -> tuple[Tensor, Tensor, bool]:
    """Rows and answers of the wrong ones, the surest first; where there are none, of the least sure; and whether they
    are wrong."""
    sure = probabilities.gather(1, answers[:, None])[:, 0]
    wrong = (answers != labels).nonzero()[:, 0]
    rows = wrong[sure[wrong].argsort(descending=True)] if len(wrong) else sure.argsort()
    return rows[:MISTAKES], answers[rows[:MISTAKES]], bool(len(wrong))


def _maps(task: Supervised, x: Tensor, answers: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """What is drawn over N images, by title, (N, H', W') each on the CPU."""
    network = network_of(task)
    answers, labels = answers.to(x.device), labels.to(x.device)
    maps: dict[str, Tensor] = {}
    layer = _pointing_stage(network, x)
    is_small = x.shape[-2] * x.shape[-1] <= READABLE
    if layer is not None:
        maps[SEEN] = grad_cam(network, layer, x, answers).cpu()
        maps[TRUE] = grad_cam(network, layer, x, labels).cpu()
    if layer is None or is_small:

        def ahead(images: Tensor) -> Tensor:
            logits = network(images)
            others = logits.scatter(1, answers[:, None], float("-inf")).argmax(dim=1)  # where the answer is right
            other = torch.where(answers == labels, others, labels)
            return (logits.gather(1, answers[:, None]) - logits.gather(1, other[:, None]))[:, 0]

        black = prepared(task, torch.zeros(1, *x.shape[1:], dtype=torch.uint8))
        maps[PIXELS] = integrated_gradients(ahead, x, black).sum(dim=1).cpu()
    return maps


@torch.no_grad()
def _pointing_stage(network: CNN | PhotoCNN, x: Tensor) -> nn.Module | None:
    """The last stage whose feature map has a few cells each way; None where it is the first one, which sees little."""
    sizes = [min(maps.shape[2:]) for maps in network.forward_stages(x[:1])]
    last = max((place for place, size in enumerate(sizes) if size >= SMALLEST), default=0)
    if last == 0 and len(sizes) > 1:
        return None
    return network.stages[network.ends[last] if isinstance(network, CNN) else last]
