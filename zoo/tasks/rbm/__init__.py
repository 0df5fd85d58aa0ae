"""Restricted Boltzmann machines, by contrastive divergence and by the conditional likelihood."""

from __future__ import annotations

from zoo.tasks.rbm.anomaly_detection import AnomalyDetection
from zoo.tasks.rbm.contrastive_divergence import ContrastiveDivergence, DivergenceOptions
from zoo.tasks.rbm.features import FeatureLearning
from zoo.tasks.rbm.hybrid import Hybrid
from zoo.tasks.rbm.recommendation import Recommendation
from zoo.tasks.rbm.topics import TopicModelling

__all__ = [
    "AnomalyDetection",
    "ContrastiveDivergence",
    "DivergenceOptions",
    "FeatureLearning",
    "Hybrid",
    "Recommendation",
    "TopicModelling",
]
