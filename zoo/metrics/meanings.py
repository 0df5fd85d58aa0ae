"""What each metric is, in a line, and which way is better: one table for cards, plots and the choice of weights."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Way = Literal["min", "max"]


class Meaning(NamedTuple):
    """What a metric is.

    Args:
        text: a line for people, with its unit or range.
        better: whether less (`min`) or more (`max`) of it is better; None where neither is.
    """

    text: str
    better: Way | None


MEANINGS: dict[str, Meaning] = {
    # Losses
    "loss": Meaning(
        "what validation is measured by: of classes the cross-entropy in nats, of values the criterion of training",
        "min",
    ),
    "sum_of_squares": Meaning("squared errors, summed over an example's outputs", "min"),
    "squared_error": Meaning("mean squared error of the outputs", "min"),
    "absolute_error": Meaning("mean absolute error of the outputs", "min"),
    "huber": Meaning("squared error of small errors, and absolute error of large ones", "min"),
    # Classes
    "accuracy": Meaning("fraction of right answers, 0 to 1", "max"),
    "balanced_accuracy": Meaning(
        "mean over the classes of the fraction that is found, 0 to 1; 1 / classes is chance", "max"
    ),
    "macro_f1": Meaning("mean over the classes of F1, the harmonic mean of precision and recall, 0 to 1", "max"),
    "auroc": Meaning(
        "how often a random member of a class gets a higher probability of it than a random other; 0.5 is chance", "max"
    ),
    "average_precision": Meaning("mean precision over all recalls, 0 to 1; the share of the class is chance", "max"),
    "brier": Meaning("squared error of the probabilities: 0 to 1 of two classes, 0 to 2 of more", "min"),
    "calibration_error": Meaning("by how much probabilities and the fractions of right answers differ, 0 to 1", "min"),
    "precision": Meaning("fraction of those that are answered as a class which are of it", "max"),
    "recall": Meaning("fraction of a class that is found", "max"),
    "f1": Meaning("harmonic mean of precision and recall, 0 to 1", "max"),
    "false_positive_rate": Meaning("fraction of the others that are taken for it", "min"),
    "top5_accuracy": Meaning("fraction of examples whose class is among the five likeliest", "max"),
    # Values
    "r2": Meaning("fraction of the variance that is explained: 1 is perfect, 0 as good as the mean", "max"),
    "rmse": Meaning("root of the mean squared error, in the value's unit", "min"),
    "mae": Meaning("mean absolute error, in the value's unit", "min"),
    "interval_coverage": Meaning(
        "fraction of true values within their intervals; as near as possible to the chosen one", None
    ),
    "interval_width": Meaning("mean width of the intervals, in the value's unit", "min"),
    "quantile_loss": Meaning("pinball loss of the quantiles, mean over them, of standardised values", "min"),
    # Forecasts
    "mase": Meaning(
        "mean absolute error, divided by that of the seasonal naive forecast in training; below 1 is better than it",
        "min",
    ),
    "smape": Meaning("mean of 2 |error| / (|true| + |forecast|), 0 to 2", "min"),
    "weighted_quantile_loss": Meaning("pinball loss of the quantiles, divided by the sum of the true values", "min"),
    # Text and sequences
    "perplexity": Meaning("of how many equally likely words the next one could be; 1 is certain", "min"),
    "bits": Meaning("bits that a character of the text takes", "min"),
    "cer": Meaning("edits to the true text, divided by its characters", "min"),
    "wer": Meaning("edits to the true words, divided by their number", "min"),
    "ler": Meaning("fraction of lines with any error", "min"),
    "bleu": Meaning("agreement of runs of words with the true sentences, 0 to 1", "max"),
    "exact": Meaning("fraction of sentences that are the same as a true one", "max"),
    # Images
    "psnr": Meaning("peak signal-to-noise ratio in dB", "max"),
    "ssim": Meaning("structural similarity, up to 1", "max"),
    "l1": Meaning("mean absolute error of pixels in 0..1", "min"),
    "frechet": Meaning("distance between the features of generated and of true images", "min"),
    "classes": Meaning("how many classes are among the generated images", "max"),
    "as_asked": Meaning("fraction of generated images of the class that was asked for", "max"),
    "words": Meaning("fraction of the words of a sentence that its generated image shows", "max"),
    "real_words": Meaning("the same for true images: the most that the evaluator can find", None),
    "real_exact": Meaning("fraction of sentences that are exact for true images", None),
    # Energy models
    "log_likelihood": Meaning("mean log-probability of an example, in nats", "max"),
    "log_likelihood_error": Meaning("standard error of the log-likelihood", None),
    "log_z": Meaning("logarithm of the partition function", None),
    "log_z_error": Meaning("standard error of log_z", None),
    "reconstruction": Meaning("error of examples after one step to the hidden units and back", "min"),
    "pseudo_likelihood": Meaning("estimate of the mean log-likelihood from single units, in nats", "max"),
    "free_energy": Meaning(
        "energy of examples, up to a constant; near that of training where nothing is overfitted", None
    ),
    "knn_accuracy": Meaning("accuracy of the 5 nearest neighbours among training examples, by features", "max"),
    "ndcg": Meaning("how near the ranking is to the best one, 0 to 1", "max"),
    # The run
    "seconds": Meaning("time of the training in seconds", None),
    "lr": Meaning("learning rate", None),
}


def meaning(name: str) -> Meaning | None:
    """What a metric such as `test/accuracy` or `baseline/accuracy of the mean` is; None for one that has no entry."""
    bare = name.rsplit("/", 1)[-1]
    if bare in MEANINGS:
        return MEANINGS[bare]
    known = [one for one in MEANINGS if re.match(rf"{re.escape(one)}(?![a-z0-9])", bare) or bare.endswith(f"_{one}")]
    return MEANINGS[max(known, key=len)] if known else None


def title(name: str) -> str:
    """A metric's name, and which way of it is better."""
    ways = {"min": " (lower is better)", "max": " (higher is better)", None: ""}
    known = meaning(name)
    return name + ways[known.better if known else None]


def better(name: str) -> Way:
    """Which way of a metric is better.

    Raises:
        ValueError: neither is, or it is not known.
    """
    known = meaning(name)
    if known is None or known.better is None:
        raise ValueError(f"nothing is chosen by {name}")
    return known.better
