"""What each metric of a run means, in a sentence: for cards, the page, and the glossary of the documentation."""

from __future__ import annotations

MEANINGS = {
    "accuracy": "The fraction of examples, or of steps, whose most likely label is right; 1 is best.",
    "as_asked": "The fraction of generated images that a classifier reads as the class that was asked for; 1 is best.",
    "auroc": "The probability that an unusual example scores higher than a usual one; 1 is best, 0.5 is chance.",
    "bits": "The loss in bits a token: the binary logarithm of the perplexity; lower is better.",
    "bleu": "How many runs of up to four words a caption shares with the true ones; 1 is best.",
    "cer": "Character error rate: edits (insertions, deletions, substitutions) for each true character; 0 is best.",
    "classes": "The fraction of classes that generated images show about as often as real ones do; 1 is best.",
    "exact": "The fraction of captions that are one of the true ones, word for word; 1 is best.",
    "false_positive_rate": "The fraction of usual examples that are above the threshold of anomalies; 0 is best.",
    "frechet": (
        "The Fréchet distance of the features of generated and real images; 0 is best. It compares only where the "
        "network that gives the features is the same."
    ),
    "free_energy": "Minus the logarithm of p(v), up to a constant that is the same for all examples; in nats.",
    "knn_accuracy": "The accuracy of the nearest neighbours in the space of the features; 1 is best.",
    "l1": "The mean absolute difference of pixels, of 0 to 1; 0 is best.",
    "ler": "Line error rate: the fraction of lines with any error; 0 is best.",
    "log_likelihood": (
        "The mean logarithm of the probability that the model gives an example of the test split, in nats; higher is "
        "better."
    ),
    "log_likelihood_error": "The standard error of `log_likelihood`, in nats.",
    "log_z": (
        "The logarithm of Z, the sum over all states by which an RBM's probabilities are divided so that they add up "
        "to 1, in nats. By itself it is neither good nor bad: the likelihood is computed with it."
    ),
    "log_z_error": "The standard error of `log_z`, in nats, where it is estimated.",
    "loss": "What the training minimises: for labels and texts the cross-entropy, in nats; lower is better.",
    "mae": "The mean absolute error, in the value's own unit; 0 is best.",
    "ndcg": "How near the top a ranking has the best items (normalised discounted cumulative gain); 1 is best.",
    "perplexity": "Among how many equally likely words, or characters, the model would choose; 1 is best.",
    "precision": "Of generated images, the fraction that lies among real ones in the space of features; 1 is best.",
    "pseudo_likelihood": (
        "The sum over pixels of the logarithm of the probability of each, given all others, in nats; higher is "
        "better. A cheap stand-in for the likelihood."
    ),
    "psnr": (
        "Peak signal-to-noise ratio: 10 times the decimal logarithm of 1 over the mean squared error, in dB; higher "
        "is better."
    ),
    "r2": "The fraction of the variance that is explained; 1 is best, 0 is what the mean alone does.",
    "real_exact": "`exact` of real images: about the best that generated ones can reach.",
    "real_words": "`words` of real images: about the best that generated ones can reach.",
    "recall": (
        "Of anomalies, the fraction that is above the threshold; of real images, the fraction that lies among "
        "generated ones in the space of features. 1 is best."
    ),
    "reconstruction": "The mean squared difference of an example and its image by way of the hidden units; 0 is best.",
    "rmse": "The root of the mean squared error, in the value's own unit; 0 is best.",
    "seconds": "The seconds that the training took.",
    "ssim": "Structural similarity: of brightness, contrast and structure in small windows; 1 is best.",
    "wer": "Word error rate: edits of words for each true word; 0 is best.",
    "words": "The fraction of the caption's words that a captioner reads back from the image; 1 is best.",
}


def meaning(metric: str) -> str:
    """What a metric means, such as `test/psnr`; of a baseline, what is compared. Empty where it is not known."""
    split, _, name = metric.rpartition("/")
    if split == "baseline":
        known = [word for word in MEANINGS if name.startswith(f"{word}_") or name.endswith(f"_{word}")]
        known += [word for word in MEANINGS if name.startswith(f"{word} of ")]
        return f"Of a simpler method: `{max(known, key=len)}`." if known else ""
    return MEANINGS.get(name, "")
