"""scikit-learn's interface: `fit`, `predict`, `transform`, for pipelines, cross-validation and grid searches.

    from sklearn.model_selection import cross_val_score
    from zoo.estimators import MLPClassifier

    cross_val_score(MLPClassifier(epochs=20), X, y)

An estimator trains as the command line does, by the same tasks and settings, and quietly: there is no run folder. What
it has trained is `artefact_`, which `zoo.save` writes to a file.
"""

from __future__ import annotations

from zoo.estimators.images import ImageClassifier
from zoo.estimators.mlp import MLPClassifier, MLPRegressor
from zoo.estimators.rbm import RBMAnomalyDetector, RBMTransformer
from zoo.estimators.series import Forecaster
from zoo.estimators.text import TextClassifier

__all__ = [
    "Forecaster",
    "ImageClassifier",
    "MLPClassifier",
    "MLPRegressor",
    "RBMAnomalyDetector",
    "RBMTransformer",
    "TextClassifier",
]
