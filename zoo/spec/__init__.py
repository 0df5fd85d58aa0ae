"""Descriptions of a network's input and output.

A `Spec` is a pair of descriptions. The input's description encodes raw input (a path, an image, an array) as a tensor,
and prepares batches for the network. The output's description decodes the network's output into an answer for people.
Both are frozen dataclasses that are saved as JSON, so that an artefact holds all that is needed to use it.

Shape letters: B batch, K classes.
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, ClassVar, get_args

from torch import Tensor

from zoo.errors import SpecError, unknown
from zoo.spec.calibration import UNCALIBRATED, Calibration
from zoo.spec.counts import Counts, Topics
from zoo.spec.features import Anomaly, Features
from zoo.spec.image import Image, MaskedImage, SmallImage, read_image
from zoo.spec.kind import InputKind
from zoo.spec.lines import TextLine, Transcript
from zoo.spec.ratings import Ratings, Recommendations
from zoo.spec.sentence import Sentence
from zoo.spec.series import Forecast, Labels, Series, Video
from zoo.spec.sources import Label, Seed
from zoo.spec.strokes import Ink, Strokes
from zoo.spec.table import Table
from zoo.spec.text import Text, Tokens
from zoo.spec.translation import SourceText, TargetText
from zoo.spec.values import Values

__all__ = [
    "Anomaly",
    "Calibration",
    "Classes",
    "Counts",
    "Encoded",
    "Features",
    "Forecast",
    "Image",
    "Ink",
    "InputKind",
    "Label",
    "Labels",
    "MaskedImage",
    "MultiLabel",
    "Ratings",
    "Recommendations",
    "Seed",
    "Sentence",
    "Series",
    "SmallImage",
    "SourceText",
    "Spec",
    "Strokes",
    "Table",
    "TargetText",
    "Text",
    "TextLine",
    "Tokens",
    "Topics",
    "Transcript",
    "Values",
    "Video",
    "read_image",
]

Encoded = Tensor | tuple[Tensor, ...]  # a batch, before or after `prepare`; a tuple holds several arguments

MAX_TOLD = 4096  # tokens that a network writes of an image: seconds, not hours


@dataclass(frozen=True)
class Classes:
    """One of K named classes; the network gives logits (B, K).

    Raises:
        SpecError: there are fewer than two names, or a name occurs twice.
    """

    word: ClassVar[str] = "classes"

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise SpecError("the names of classes are a list of strings")
        object.__setattr__(self, "names", tuple(names))
        if len(self.names) < 2:
            raise SpecError(f"at least two classes are needed, got {len(self.names)}")
        if len(set(self.names)) != len(self.names):
            raise SpecError("the names of classes must differ")

    @property
    def outputs(self) -> int:
        """How many numbers the network gives: K."""
        return len(self.names)

    def probabilities(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> Tensor:
        """Turn logits (B, K) into probabilities (B, K), at the temperature of the calibration."""
        return (output if calibration.temperature is None else output / calibration.temperature).softmax(dim=1)

    def choose(self, probabilities: Tensor, calibration: Calibration = UNCALIBRATED) -> Tensor:
        """The classes (B,) that are answered for probabilities (B, K): the likeliest, or of two by the threshold."""
        if calibration.threshold is None:
            return probabilities.argmax(dim=1)
        return (probabilities[:, 1] >= calibration.threshold).long()

    def decode(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> list[dict[str, Any]]:
        """Turn logits (B, K) into B answers: the label, its probability, and all probabilities.

        The label is the most likely one; of two classes it is the second from the threshold of the calibration on.
        """
        if not output.isfinite().all():
            raise SpecError("the network's answer is not a number; the input, or its weights, are far too large")
        probabilities = self.probabilities(output.double(), calibration)
        chosen = self.choose(probabilities, calibration)
        return [
            {"label": self.names[code], "probability": row[code], "probabilities": dict(zip(self.names, row))}
            for code, row in zip(chosen.tolist(), probabilities.tolist())
        ]


@dataclass(frozen=True)
class MultiLabel:
    """Any number of K named labels, also none of them; the network gives a logit for each, (B, K).

    Raises:
        SpecError: there is no name, or a name occurs twice.
    """

    word: ClassVar[str] = "several labels"
    independent: ClassVar[bool] = True  # each label is given or not, whatever the others are

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            raise SpecError("the names of labels are a list of strings")
        object.__setattr__(self, "names", tuple(names))
        if not self.names or len(set(self.names)) != len(self.names):
            raise SpecError("at least one label is needed, and the names of labels must differ")

    @property
    def outputs(self) -> int:
        """How many numbers the network gives: K."""
        return len(self.names)

    def probabilities(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> Tensor:
        """Turn logits (B, K) into the probability of each label (B, K), at the temperature of the calibration."""
        return (output if calibration.temperature is None else output / calibration.temperature).sigmoid()

    def choose(self, probabilities: Tensor, calibration: Calibration = UNCALIBRATED) -> Tensor:
        """Whether each label is given (B, K), by its probability: above one half, or at least its own threshold."""
        if calibration.thresholds is None:
            return probabilities > 0.5
        return probabilities >= probabilities.new_tensor(calibration.thresholds)

    def decode(self, output: Tensor, calibration: Calibration = UNCALIBRATED) -> list[dict[str, Any]]:
        """Turn logits (B, K) into B answers: the labels that are given, and the probability of each."""
        if not output.isfinite().all():
            raise SpecError("the network's answer is not a number; the input, or its weights, are far too large")
        probabilities = self.probabilities(output.double(), calibration)
        return [
            {
                "labels": [name for name, given in zip(self.names, chosen) if given],
                "probabilities": dict(zip(self.names, row)),
            }
            for chosen, row in zip(self.choose(probabilities, calibration).tolist(), probabilities.tolist())
        ]


Input = (
    Image
    | MaskedImage
    | SmallImage
    | Table
    | Text
    | SourceText
    | Sentence
    | TextLine
    | Series
    | Video
    | Strokes
    | Label
    | Seed
    | Ratings
    | Counts
)
Output = (
    Anomaly
    | Classes
    | MultiLabel
    | Features
    | Image
    | Ink
    | Values
    | Tokens
    | TargetText
    | Transcript
    | Labels
    | Forecast
    | Recommendations
    | Topics
)
KINDS: dict[str, type] = {kind.__name__: kind for kind in (*get_args(Input), *get_args(Output))}


@dataclass(frozen=True)
class Spec:
    """The description of a network's input and of its output.

    Raises:
        SpecError: one of them is not a kind of input, or of output.
    """

    input: Input
    output: Output

    def __post_init__(self) -> None:
        if type(self.input) not in get_args(Input):
            raise SpecError(f"an input is one of {_words(Input)}, not {_word(self.input)}")
        if type(self.output) not in get_args(Output):
            raise SpecError(f"an output is one of {_words(Output)}, not {_word(self.output)}")
        if isinstance(self.input, Ratings) and isinstance(self.output, Recommendations):
            for name in ("titles", "scale"):
                if getattr(self.input, name) != getattr(self.output, name):
                    raise SpecError(f"the ratings and the recommendations differ in their {name}")
        told = self.output if isinstance(self.output, Tokens) and type(self.input) is not Text else None
        if told is not None and told.max_length > MAX_TOLD:  # it may never end by itself
            raise SpecError(f"max_length must be at most {MAX_TOLD:,}, not {told.max_length:,}")

    def __str__(self) -> str:
        return f"{self.input.word} → {self.output.word}"

    def to_json(self) -> dict[str, Any]:
        return {side: {"kind": type(value).__name__, **asdict(value)} for side, value in vars(self).items()}

    @classmethod
    def from_json(cls, data: object) -> Spec:
        """Rebuild a spec from JSON; only the kinds in this file are looked up.

        Raises:
            SpecError: this is not the JSON of a spec.
        """
        if not isinstance(data, dict) or set(data) != {"input", "output"}:
            raise SpecError("a spec has an input and an output")
        return cls(_from_json(data["input"]), _from_json(data["output"]))


def _words(kinds: Any) -> str:
    return ", ".join(kind.word for kind in get_args(kinds))


def _word(kind: object) -> str:
    return str(getattr(kind, "word", type(kind).__name__))


def _from_json(data: object) -> Any:
    if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
        raise SpecError("each side of a spec names its kind")
    options = dict(data)
    kind = options.pop("kind")
    if kind not in KINDS:
        raise SpecError(unknown("kind of spec", kind, KINDS))
    known = fields(KINDS[kind])
    expected = {field.name for field in known}
    if not {field.name for field in known if field.default is MISSING} <= set(options) <= expected:
        raise SpecError(f"{kind} has {', '.join(sorted(expected))}, not {', '.join(sorted(options))}")
    return KINDS[kind](**options)
