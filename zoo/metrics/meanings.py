"""What each metric of a run means, in a sentence, and which way is better: for cards, the page, and the glossary."""

from __future__ import annotations

import re
from typing import Literal

Way = Literal["min", "max"]

MEANINGS = {
    "absolute_error": "Mean absolute error of the outputs; lower is better.",
    "accuracy": "The fraction of examples, or of steps, whose most likely label is right; 1 is best.",
    "as_asked": "The fraction of generated images that a classifier reads as the class that was asked for; 1 is best.",
    "auroc": "The probability that an example of a class gets a higher score for it than an example of another one; of "
    "anomalies, that an unusual example scores higher than a usual one. 1 is best, 0.5 is chance.",
    "average_precision": "Mean precision over all recalls, 0 to 1; the share of the class is chance; higher is better.",
    "balanced_accuracy": (
        "Mean over the classes of the fraction that is found, 0 to 1; 1 / classes is chance; higher is better."
    ),
    "bits": "The loss in bits a token: the binary logarithm of the perplexity; lower is better.",
    "bleu": "How many runs of up to four words a text shares with the true ones; 1 is best.",
    "brier": "Squared error of the probabilities: 0 to 1 of two classes, 0 to 2 of more; lower is better.",
    "calibration_error": (
        "By how much probabilities and the fractions of right answers differ, 0 to 1; lower is better."
    ),
    "cer": "Character error rate: edits (insertions, deletions, substitutions) for each true character; 0 is best.",
    "classes": "How many classes generated images show at least a tenth as often as real ones do; higher is better.",
    "colourfulness": "How colourful images are (Hasler and Süsstrunk): 0 is grey, 15 slightly, 59 quite colourful.",
    "exact": "The fraction of captions, translations or sets of labels that are right as a whole; 1 is best.",
    "f1": "Harmonic mean of precision and recall, 0 to 1; higher is better.",
    "false_positive_rate": "The fraction of usual examples that are above the threshold of anomalies; 0 is best.",
    "frechet": (
        "The Fréchet distance of the features of generated and real images; 0 is best. It compares only where the "
        "network that gives the features is the same."
    ),
    "free_energy": (
        "Minus the logarithm of p(v), in nats, up to a constant that is the same for all examples; by itself neither "
        "good nor bad."
    ),
    "huber": "Squared error of small errors, and absolute error of large ones; lower is better.",
    "interval_coverage": "Fraction of true values within their intervals; as near as possible to the chosen one.",
    "interval_width": "Mean width of the intervals, in the value's unit; lower is better.",
    "knn_accuracy": "The accuracy of the nearest neighbours in the space of the features; 1 is best.",
    "l1": "The mean absolute difference of pixels, of 0 to 1; 0 is best.",
    "ler": "Line error rate: the fraction of lines with any error; 0 is best.",
    "log_likelihood": (
        "The mean logarithm of the probability that the model gives an example of the test split, in nats; higher "
        "is better."
    ),
    "log_likelihood_error": "The standard error of `log_likelihood`, in nats.",
    "log_z": (
        "The logarithm of Z, the sum over all states by which an RBM's probabilities are divided so that they add "
        "up to 1, in nats. By itself it is neither good nor bad: the likelihood is computed with it."
    ),
    "log_z_error": "The standard error of `log_z`, in nats, where it is estimated.",
    "loss": (
        "Of labels and texts the cross-entropy, in nats, and of values what the training minimises; lower is better."
    ),
    "lr": "Learning rate.",
    "macro_f1": "Mean over the classes of F1, the harmonic mean of precision and recall, 0 to 1; higher is better.",
    "mae": "The mean absolute error, in the value's own unit; 0 is best.",
    "mase": (
        "Mean absolute error, divided by that of the seasonal naive forecast one step ahead in training, or of several "
        "series in what is read of each; below 1 is better than it; lower is better."
    ),
    "mrr": "The mean of 1 over the place of the first item that a user likes among all that were not rated; 1 is best.",
    "ndcg": "How near the top a ranking has the best items (normalised discounted cumulative gain); 1 is best.",
    "perplexity": "Among how many equally likely words, or characters, the model would choose; 1 is best.",
    "precision": "Of generated images, the fraction that lies among real ones in the space of features; 1 is best.",
    "pseudo_likelihood": (
        "The sum over pixels of the logarithm of the probability of each, given all others, in nats; higher is "
        "better. A cheap stand-in for the likelihood."
    ),
    "psnr": (
        "Peak signal-to-noise ratio: 10 times the decimal logarithm of 1 over the mean squared error, in dB; "
        "higher is better."
    ),
    "quantile_loss": "Pinball loss of the quantiles, mean over them, of standardised values; lower is better.",
    "r2": "The fraction of the variance that is explained; 1 is best, 0 is what the mean alone does.",
    "read_by_cnn": "The fraction of written characters, drawn as images, that a `cnn` reads as asked; 1 is best.",
    "read_by_lstm": "The fraction of written characters that an `lstm` reads by their strokes as asked; 1 is best.",
    "real_exact": "`exact` of real images: about the best that generated ones can reach.",
    "real_words": "`words` of real images: about the best that generated ones can reach.",
    "recall": (
        "Of anomalies, the fraction that is above the threshold; of items that a user likes, the fraction among the "
        "first ten; of real images, the fraction that lies among generated ones in the space of features. 1 is best."
    ),
    "recognised": "The fraction of coloured images that a classifier answers as it does the true ones; 1 is best.",
    "reconstruction": "The mean squared difference of an example and its image by way of the hidden units; 0 is best.",
    "rmse": "The root of the mean squared error, in the value's own unit; 0 is best.",
    "seconds": "The seconds that the training took.",
    "smape": "Mean of twice the error over true value plus forecast, all without their signs: 0 to 2; lower is better.",
    "squared_error": "Mean squared error of the outputs; lower is better.",
    "ssim": "Structural similarity: of brightness, contrast and structure in small windows; 1 is best.",
    "sum_of_squares": "Squared errors, summed over an example's outputs; lower is better.",
    "token_accuracy": (
        "The fraction of tokens and ends of translations that are the likeliest after the true ones; 1 is best."
    ),
    "top5_accuracy": "Fraction of examples whose class is among the five likeliest; higher is better.",
    "true_colourfulness": "`colourfulness` of the true images, which that of the coloured ones should come near.",
    "weighted_quantile_loss": "Pinball loss of the quantiles, divided by the sum of the true values; lower is better.",
    "wer": "Word error rate: edits of words for each true word; 0 is best.",
    "words": "The fraction of the caption's words that a captioner reads back from the image; 1 is best.",
}
HIGHER_IS_BETTER = {
    "accuracy",
    "as_asked",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "bleu",
    "classes",
    "exact",
    "f1",
    "knn_accuracy",
    "log_likelihood",
    "macro_f1",
    "mrr",
    "ndcg",
    "precision",
    "pseudo_likelihood",
    "psnr",
    "r2",
    "read_by_cnn",
    "read_by_lstm",
    "recall",
    "recognised",
    "ssim",
    "token_accuracy",
    "top5_accuracy",
    "words",
}
LOWER_IS_BETTER = {
    "absolute_error",
    "bits",
    "brier",
    "calibration_error",
    "cer",
    "false_positive_rate",
    "frechet",
    "huber",
    "interval_width",
    "l1",
    "ler",
    "loss",
    "mae",
    "mase",
    "perplexity",
    "quantile_loss",
    "reconstruction",
    "rmse",
    "smape",
    "squared_error",
    "sum_of_squares",
    "weighted_quantile_loss",
    "wer",
}


def meaning(metric: str) -> str:
    """What a metric means, such as `test/psnr` or `test/rmse of price`; of a baseline, what is compared. Empty where it
    is not known."""
    if metric.startswith("baseline/"):
        known, whose = _metric_of(metric), "the network" if " of the network" in metric else "a simpler method"
        return f"Of {whose}: `{known}`." if known else ""
    return MEANINGS.get(_bare(metric).partition(" of ")[0], "")


def better(metric: str) -> Way | None:
    """Which way of a metric, or of a baseline, is better; None where neither is, or it is not known."""
    known = _metric_of(metric)
    return "max" if known in HIGHER_IS_BETTER else "min" if known in LOWER_IS_BETTER else None


def title(metric: str) -> str:
    """A metric's name, and which way of it is better."""
    return metric + {"min": " (lower is better)", "max": " (higher is better)", None: ""}[better(metric)]


def rounded(value: float, digits: int = 4, sign: str = "-") -> str:
    """A number of so many significant digits, as people write it: 0.9613, and 10269, not 1.027e+04.

    Args:
        value: the number.
        digits: significant ones; a number that has more before its point is written whole.
        sign: "+" also where the number is positive, as in a format.
    """
    is_whole = 10**digits <= abs(value) < 1e15
    return f"{value:{sign}.{0 if is_whole else digits}{'f' if is_whole else 'g'}}"


def _bare(name: str) -> str:
    """A name without its splits; what it is of may have a stroke too, such as `test/rmse of km/h`."""
    metric, of, whose = name.partition(" of ")
    return metric.rpartition("/")[2] + of + whose


def _metric_of(name: str) -> str:
    """The metric that a name such as `test/psnr`, `rmse of the mean` or `knn_accuracy_pca` is of; empty for none."""
    bare = _bare(name)
    if bare in MEANINGS:
        return bare
    known = [one for one in MEANINGS if re.match(rf"{re.escape(one)}[_ ]", bare) or bare.endswith(f"_{one}")]
    return max(known, key=len, default="")
