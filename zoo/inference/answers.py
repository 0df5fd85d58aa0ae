"""Answers as tensors, as an exported program gives them: probabilities, values in their own units, pixels.

`answers_of` turns the output of a network into those of a program, and `outputs_of` says what they mean.
`network_output` goes back, as far as a metric needs it.

Shape letters: B batch, T steps, K classes, V values.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from zoo.errors import ConfigError
from zoo.inference.raw import Port
from zoo.spec import (
    Anomaly,
    Calibration,
    Classes,
    Features,
    Forecast,
    Image,
    Labels,
    MultiLabel,
    Recommendations,
    Tokens,
    Topics,
    Transcript,
    Values,
)

ENDS = (("low", "lower"), ("high", "upper"))


@singledispatch
def outputs_of(kind: Any, calibration: Calibration) -> list[Port]:
    """The outputs of a program for a kind of output."""
    raise ConfigError(f"{kind.word} has no form in an exported program")


@singledispatch
def answers_of(kind: Any, output: Tensor, calibration: Calibration) -> tuple[Tensor, ...]:
    """The outputs of a program from that of the network; the same, unless a kind says otherwise."""
    return (output,)


@singledispatch
def network_output(kind: Any, answer: Tensor) -> Tensor:
    """The network's output from the first of the program's; logits up to a constant."""
    return answer


@outputs_of.register
def _(kind: Classes, calibration: Calibration) -> list[Port]:
    details: dict[str, Any] = {"labels": list(kind.names)}
    probabilities = Port("probabilities", "float32", ("batch", len(kind.names)), "one a label", details)
    if calibration.threshold is None:
        return [probabilities]
    meaning = f"number of the label: 1 ({kind.names[1]}) where its probability is at least the threshold, or else 0"
    return [probabilities, Port("label", "int64", ("batch",), meaning, details | {"threshold": calibration.threshold})]


@outputs_of.register
def _(kind: MultiLabel, calibration: Calibration) -> list[Port]:
    details: dict[str, Any] = {"labels": list(kind.names)}
    axes = ("batch", len(kind.names))
    meaning = "one a label, each by itself: any number of them may be above 0.5"
    probabilities = Port("probabilities", "float32", axes, meaning, details)
    if calibration.thresholds is None:
        return [probabilities]
    details |= {"thresholds": list(calibration.thresholds)}
    return [probabilities, Port("given", "bool", axes, "whether a label's probability is at least its own", details)]


@answers_of.register
def _(kind: MultiLabel, output: Tensor, calibration: Calibration) -> tuple[Tensor, ...]:
    probabilities = kind.probabilities(output.float(), calibration)
    if calibration.thresholds is None:
        return (probabilities,)
    return probabilities, kind.choose(probabilities, calibration)


@network_output.register
def _(kind: MultiLabel, answer: Tensor) -> Tensor:
    return answer.logit(torch.finfo(torch.float32).eps)


@outputs_of.register
def _(kind: Labels, calibration: Calibration) -> list[Port]:
    details = {"labels": list(kind.names)}
    return [Port("probabilities", "float32", ("batch", "steps", len(kind.names)), "one a step and label", details)]


@outputs_of.register
def _(kind: Transcript, calibration: Calibration) -> list[Port]:
    meaning = "of CTC: the likeliest a step, repeated ones merged and blanks (0) left out, is the text"
    details = {"labels": ["", *kind.alphabet]}
    return [Port("probabilities", "float32", ("batch", "steps", 1 + len(kind.alphabet)), meaning, details)]


@outputs_of.register
def _(kind: Tokens, calibration: Calibration) -> list[Port]:
    meaning = "of the next token; 0 ends the text, 2 is the first of the vocabulary"
    details = {"vocabulary": list(kind.vocabulary), "level": kind.level}
    return [Port("probabilities", "float32", ("batch", kind.codes), meaning, details)]


@answers_of.register
def _(kind: Classes, output: Tensor, calibration: Calibration) -> tuple[Tensor, ...]:
    probabilities = kind.probabilities(output.float(), calibration)
    return (
        (probabilities,) if calibration.threshold is None else (probabilities, kind.choose(probabilities, calibration))
    )


@answers_of.register(Labels)
@answers_of.register(Transcript)
def _(kind: Any, output: Tensor, calibration: Calibration) -> tuple[Tensor]:
    return (output.float().softmax(dim=-1),)


@network_output.register(Classes)
@network_output.register(Labels)
@network_output.register(Transcript)
def _(kind: Any, answer: Tensor) -> Tensor:
    return answer.clamp(min=torch.finfo(torch.float32).tiny).log()


@outputs_of.register
def _(kind: Values, calibration: Calibration) -> list[Port]:
    return _value_ports(kind, ("batch", len(kind.names)), "a number a name", calibration)


@outputs_of.register
def _(kind: Forecast, calibration: Calibration) -> list[Port]:
    axes = ("batch", kind.horizon, len(kind.names))
    return _value_ports(kind, axes, "a number a step of the horizon and name", calibration)


def _value_ports(kind: Values, axes: tuple[int | str, ...], meaning: str, calibration: Calibration) -> list[Port]:
    details: dict[str, Any] = {"names": list(kind.names), "units": "those of the training data"}
    values = Port("values", "float32", axes, meaning, details)
    if calibration.widths is None:
        return [values]
    within = f"end of an interval that is made to hold {calibration.coverage:.0%} of the true values"
    details |= {"coverage": calibration.coverage}
    return [values, *(Port(end, "float32", axes, f"{side} {within}", details) for end, side in ENDS)]


@answers_of.register(Values)  # a forecast is of this kind too
def _(kind: Values, output: Tensor, calibration: Calibration) -> tuple[Tensor, ...]:
    found = kind.interval(output, calibration)
    if found is None:
        return (kind.restore(kind.central(output)).float(),)
    return tuple(part.float() for part in found)


@network_output.register(Values)
def _(kind: Values, answer: Tensor) -> Tensor:
    return kind.standardise(answer.double())


@outputs_of.register
def _(kind: Anomaly, calibration: Calibration) -> list[Port]:
    score = Port("score", "float32", ("batch",), "higher for unusual inputs")
    if calibration.threshold is None:
        return [score]
    details = {"threshold": calibration.threshold}
    return [score, Port("anomaly", "bool", ("batch",), "whether the score is above the threshold", details)]


@answers_of.register
def _(kind: Anomaly, output: Tensor, calibration: Calibration) -> tuple[Tensor, ...]:
    score = output[:, 0]
    return (score,) if calibration.threshold is None else (score, score > calibration.threshold)


@network_output.register
def _(kind: Anomaly, answer: Tensor) -> Tensor:
    return answer[:, None]


@outputs_of.register
def _(kind: Features, calibration: Calibration) -> list[Port]:
    return [Port("features", "float32", ("batch", "features"), "from 0 to 1, one a hidden unit")]


@outputs_of.register
def _(kind: Topics, calibration: Calibration) -> list[Port]:
    return [Port("probabilities", "float32", ("batch", "topics"), "one a topic")]


@outputs_of.register
def _(kind: Recommendations, calibration: Calibration) -> list[Port]:
    details = {"titles": list(kind.titles)}
    meaning = "expected ratings, NaN where one is given"
    return [Port("expected", "float32", ("batch", len(kind.titles)), meaning, details)]


@outputs_of.register
def _(kind: Image, calibration: Calibration) -> list[Port]:
    axes = ("batch", kind.channels, kind.height or "height", kind.width or "width")
    return [Port("result", "uint8", axes, "an image, pixels from 0 to 255")]


@answers_of.register
def _(kind: Image, output: Tensor, calibration: Calibration) -> tuple[Tensor]:
    return (kind.restore(output),)


@network_output.register
def _(kind: Image, answer: Tensor) -> Tensor:
    return kind.prepare(answer)
