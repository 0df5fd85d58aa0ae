"""Restricted Boltzmann machines: `RBM`, those with label units, and the likelihood of data."""

from __future__ import annotations

from zoo.errors import SpecError
from zoo.models.rbm.labelled import ClassRBM, LabelledRBM, ValueRBM
from zoo.models.rbm.likelihood import (
    annealed_importance_sampling,
    log_likelihood,
    log_partition,
    log_partitions,
)
from zoo.models.rbm.machine import RBM, FreeEnergyRBM, TopicRBM
from zoo.models.rbm.ratings import RatingRBM
from zoo.spec import Anomaly, Classes, Counts, Features, Image, Ratings, Recommendations, Spec, Table, Topics, Values

__all__ = [
    "RBM",
    "ClassRBM",
    "FreeEnergyRBM",
    "LabelledRBM",
    "RatingRBM",
    "TopicRBM",
    "ValueRBM",
    "annealed_importance_sampling",
    "build",
    "log_likelihood",
    "log_partition",
    "log_partitions",
]


def defaults(spec: Spec) -> dict[str, int]:
    """The options that suit a spec in a training, where they are not given."""
    sizes: dict[type, int] = {Anomaly: 32, Recommendations: 100, Topics: 12}
    return {"num_hidden": sizes.get(type(spec.output), 256)}


def build(spec: Spec, *, num_hidden: int = 256) -> RBM:
    """The RBM for a spec: image or table → features, anomaly, classes or one value; ratings → recommendations; word
    counts → topics.

    Pixels (0..1) are Bernoulli units, numbers Gaussian ones, categories and ratings softmax ones, and the words of a
    text replicated softmax ones.

    Raises:
        SpecError: the spec asks for something else.
        ValueError: an option is out of range.
    """
    if isinstance(spec.input, Ratings) and isinstance(spec.output, Recommendations):
        return RatingRBM(len(spec.input.titles), num_hidden, scale=spec.input.scale)
    if isinstance(spec.input, Counts) and isinstance(spec.output, Topics):
        return TopicRBM(len(spec.input.vocabulary), num_hidden, max_length=spec.input.max_length)
    categories: tuple[int, ...] = ()
    if type(spec.input) is Image and spec.input.height and spec.input.width:
        size, kind = spec.input.channels * spec.input.height * spec.input.width, "bernoulli"
    elif isinstance(spec.input, Table):
        size, kind, categories = spec.input.numbers, "gaussian", spec.input.categories
    else:
        raise _refusal(spec)
    if isinstance(spec.output, (Features, Anomaly)):
        network = RBM if isinstance(spec.output, Features) else FreeEnergyRBM
        return network(size, num_hidden, visible=kind, categories=categories)
    if isinstance(spec.output, Classes):
        return ClassRBM(size, len(spec.output.names), num_hidden, visible=kind, categories=categories)
    if isinstance(spec.output, Values) and spec.output.outputs == 1:
        return ValueRBM(size, num_hidden, visible=kind, categories=categories)
    raise _refusal(spec)


def _refusal(spec: Spec) -> SpecError:
    return SpecError(
        "rbm goes from image or table to features, anomaly, classes or one value, from ratings to recommendations, "
        f"from word counts to topics, not {spec}"
    )
