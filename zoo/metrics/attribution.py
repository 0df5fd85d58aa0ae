"""What in an input an output comes from: Grad-CAM, integrated gradients, and leaving words out.

- Selvaraju et al., "Grad-CAM: Visual explanations from deep networks via gradient-based localization", 2017.
- Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", 2017: integrated gradients.
- Li, Monroe, Jurafsky, "Understanding neural networks through representation erasure", 2016: words left out.

Networks are in eval mode, and inputs are on their device. No gradient of a parameter changes.

Shape letters: B batch, C channels, H height, W width, T tokens, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from zoo.spec import Calibration, Classes, Values
from zoo.spec.text import PAD

STEPS = 32  # of the path from the baseline to the input


def grad_cam(network: nn.Module, layer: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """Where in an image a class is seen: (B, H', W'), 0 or more, in the size of the layer's feature map.

    The maps of the layer are added up, each weighted by the mean gradient of the class's logit, and what is below 0 is
    cut off (equations 1 and 2).

    Args:
        network: gives logits (B, K).
        layer: a part of it that gives feature maps (B, C', H', W'); where it is called twice, the first call counts.
        x: what the network takes, B of them.
        classes: int64 (B,).
    """
    seen: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> Tensor | None:
        if seen:
            return None
        seen.append(output.detach().requires_grad_())  # which ends the graph here: what is below needs no gradient
        return seen[0]

    hook = layer.register_forward_hook(keep)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            logits = network(x).gather(1, classes[:, None])
            (gradient,) = torch.autograd.grad(logits.sum(), seen)
    finally:
        hook.remove()
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * seen[0].detach()).sum(dim=1).relu()


def integrated_gradients(
    score: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, *, steps: int = STEPS
) -> Tensor:
    """By how much each number of an input raises a score above that of a baseline: as large as x.

    The gradient is averaged along the straight line from the baseline to the input, by the midpoint rule, and
    multiplied by their difference (equation 3). All numbers of an input add up to the difference of the scores, up to
    the error of the rule.

    Args:
        score: inputs (B, …) to scores (B,), each of its own input alone.
        x: B inputs.
        baseline: an input that says nothing, (…) or (B, …).
        steps: points on the line.
    """
    total = torch.zeros_like(x)
    with torch.inference_mode(False), torch.enable_grad():
        for step in range(steps):
            point = (baseline + (step + 0.5) / steps * (x - baseline)).detach().requires_grad_()
            total += torch.autograd.grad(score(point).sum(), point)[0]
    return (x - baseline) * total / steps


@torch.no_grad()
def word_influence(
    network: nn.Module, codes: Tensor, score: Callable[[Tensor], Tensor], most: int | None = None, together: int = 64
) -> Tensor:
    """By how much a score is higher with each word of a text than without it: (T,), or those of the first `most`.

    Args:
        network: takes codes (B, T) and lengths (B,).
        codes: of the text, int64 (T,); a text of one word is compared with an unknown one.
        score: outputs (B, K) to scores (B,).
        most: words that are left out, from the first on; None for all.
        together: texts of a batch.
    """
    count = len(codes) if most is None else min(most, len(codes))
    texts = [codes, *(torch.cat([codes[:place], codes[place + 1 :]]) for place in range(count))]
    texts = [text if len(text) else torch.ones_like(codes) for text in texts]  # code 1 is an unknown word
    scores = []
    for start in range(0, len(texts), together):
        part = texts[start : start + together]
        lengths = torch.tensor([len(text) for text in part], device=codes.device)
        scores.append(score(network(pad_sequence(part, batch_first=True, padding_value=PAD), lengths).float()))
    found = torch.cat(scores)
    return found[0] - found[1:]


def score_of(described: Classes | Values, calibration: Calibration, place: int) -> Callable[[Tensor], Tensor]:
    """Of a network's outputs (B, …) what speaks for an answer (B,): the log-odds of a class, or a value in its unit."""
    if isinstance(described, Classes):
        return lambda logits: log_odds(logits / (calibration.temperature or 1.0), place)
    return lambda outputs: described.restore(described.central(outputs))[:, place]


def log_odds(logits: Tensor, label: int) -> Tensor:
    """log p / (1 - p) of a class, (B,), from logits or log-probabilities (B, K)."""
    others = logits.clone()
    others[:, label] = float("-inf")
    return logits[:, label] - others.logsumexp(dim=1)
