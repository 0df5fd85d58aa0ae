"""Metrics that torchmetrics does not have."""

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
