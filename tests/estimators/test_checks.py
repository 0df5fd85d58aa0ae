"""scikit-learn's own checks of estimators; whatever is expected to fail is named, with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from zoo.estimators import MLPClassifier, MLPRegressor, RBMAnomalyDetector, RBMTransformer

# Images, texts and series are no tables of numbers, of which the checks are: test_estimators.py is about all seven
MLP: dict[str, Any] = {"epochs": 8, "batch_size": 16, "ensemble_size": 1, "validation_fraction": 0.0}
CHECKED = [
    MLPClassifier([16], **MLP),
    MLPRegressor([16], **MLP),
    RBMTransformer(8, epochs=2),
    RBMAnomalyDetector(8, epochs=2),
]
WEIGHTS = "rows are drawn into batches at random: a row of weight 2 is in one batch, and two equal rows are in two"


def expected_failures(estimator: Any) -> dict[str, str]:
    if isinstance(estimator, MLPClassifier | MLPRegressor):
        return {"check_sample_weight_equivalence_on_dense_data": WEIGHTS}
    return {}


@pytest.mark.estimators
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::FutureWarning", "ignore::sklearn.exceptions.SkipTestWarning"
)
@parametrize_with_checks(CHECKED, expected_failed_checks=expected_failures)
def test_scikit_learn_finds_an_estimator(estimator: Any, check: Any) -> None:
    check(estimator)
