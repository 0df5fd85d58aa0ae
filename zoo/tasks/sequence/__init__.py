"""Sequences, read or written step by step: OCR, captioning, translation, tagging, forecasts, handwriting."""

from __future__ import annotations

from zoo.optim.options import OptimizerBuilder, TrainingOptions
from zoo.spec import Labels, Series, Spec, Values
from zoo.tasks.sequence.captioning import Captioning
from zoo.tasks.sequence.forecasting import Forecasting
from zoo.tasks.sequence.handwriting import Handwriting
from zoo.tasks.sequence.language_modelling import LanguageModelling
from zoo.tasks.sequence.memory import Adding
from zoo.tasks.sequence.ocr import OCR
from zoo.tasks.sequence.tagging import Tagging
from zoo.tasks.sequence.translation import Translation
from zoo.tasks.task import NetworkBuilder, unfit

__all__ = [
    "OCR",
    "Adding",
    "Captioning",
    "Forecasting",
    "Handwriting",
    "LanguageModelling",
    "Tagging",
    "Translation",
    "memory_task",
]


def memory_task(spec: Spec, build: NetworkBuilder, optimizer: OptimizerBuilder | TrainingOptions) -> Adding | Tagging:
    """The adding problem where the data has values, and the copy problem where it has labels.

    Raises:
        SpecError: the data is no series with values or labels.
        ValueError: an option is out of range.
    """
    if not isinstance(spec.input, Series) or not isinstance(spec.output, (Values, Labels)):
        raise unfit("memory needs data of series with values or labels", spec)
    task = Adding if isinstance(spec.output, Values) else Tagging
    return task(spec, build, optimizer)
