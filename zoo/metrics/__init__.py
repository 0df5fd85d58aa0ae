"""Metrics that torchmetrics does not have.

Each is imported at its first use: torchmetrics takes seconds, and a page or a server needs little of what is here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.metrics.attribution import grad_cam, integrated_gradients, word_influence
    from zoo.metrics.entities import EntityF1
    from zoo.metrics.generation import (
        CaptionerMetrics,
        ClassifierMetrics,
        caption_agreement,
        classes_present,
        frechet_distance,
        generation_metrics,
        precision_and_recall,
    )
    from zoo.metrics.handwriting import as_mnist, share_read
    from zoo.metrics.importance import permutation_importance
    from zoo.metrics.perplexity import Perplexity
    from zoo.metrics.r2 import R2
    from zoo.metrics.ranking import NDCG
    from zoo.metrics.readings import Reading, align
    from zoo.metrics.restoration import MaskedL1, MaskedPSNR, MaskedSSIM, RestorationMetrics, ssim_map

__all__ = [
    "NDCG",
    "R2",
    "CaptionerMetrics",
    "ClassifierMetrics",
    "EntityF1",
    "MaskedL1",
    "MaskedPSNR",
    "MaskedSSIM",
    "Perplexity",
    "Reading",
    "RestorationMetrics",
    "align",
    "as_mnist",
    "caption_agreement",
    "classes_present",
    "frechet_distance",
    "generation_metrics",
    "grad_cam",
    "integrated_gradients",
    "permutation_importance",
    "precision_and_recall",
    "share_read",
    "ssim_map",
    "word_influence",
]

_HOMES = {
    "CaptionerMetrics": "generation",
    "ClassifierMetrics": "generation",
    "EntityF1": "entities",
    "MaskedL1": "restoration",
    "MaskedPSNR": "restoration",
    "MaskedSSIM": "restoration",
    "NDCG": "ranking",
    "Perplexity": "perplexity",
    "R2": "r2",
    "Reading": "readings",
    "RestorationMetrics": "restoration",
    "align": "readings",
    "as_mnist": "handwriting",
    "caption_agreement": "generation",
    "classes_present": "generation",
    "frechet_distance": "generation",
    "generation_metrics": "generation",
    "grad_cam": "attribution",
    "integrated_gradients": "attribution",
    "permutation_importance": "importance",
    "precision_and_recall": "generation",
    "share_read": "handwriting",
    "ssim_map": "restoration",
    "word_influence": "attribution",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
