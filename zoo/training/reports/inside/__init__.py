"""Looks inside a trained network, drawn from the test split: what it sees in images, texts, sequences and tables.

`zoo.metrics.attribution` and `zoo.models.rnn.gates` compute; the files here choose examples and draw.
"""

from __future__ import annotations

from collections.abc import Mapping

from lightning.pytorch.callbacks import Callback

from zoo.data.core.examples import Examples
from zoo.models import CNN, PhotoCNN
from zoo.spec import Classes, Image, Sentence, Table, Text, Values
from zoo.tasks.sequence import OCR, Captioning, Forecasting, LanguageModelling, Tagging, Translation
from zoo.tasks.supervised import Supervised
from zoo.tasks.task import Task
from zoo.training import report
from zoo.training.report import Evaluation, View
from zoo.training.reports.inside import images, layers, steps, tables, texts


@report.views.register
def _(task: Task, evaluation: Evaluation) -> dict[str, View]:
    """Those of the network's kind, and of its layers over training."""
    return {**_of_network(task, evaluation), "layers": layers.draw}


def _of_network(task: Task, evaluation: Evaluation) -> dict[str, View]:
    network, given, wanted = task.trained_network, task.spec.input, task.spec.output
    found: dict[str, View] = {}
    if not isinstance(task, Supervised | Tagging | LanguageModelling):
        return found
    if isinstance(task, Supervised):
        if type(given) is Image and isinstance(network, CNN | PhotoCNN):
            found |= images.views(task, evaluation)
        if type(given) is Text and given.level == "words" and isinstance(wanted, Classes | Values):
            found |= texts.views(task, evaluation)
        if isinstance(given, Table) and isinstance(wanted, Classes | Values):
            found |= tables.views(task, evaluation)
    if isinstance(given, Text | Sentence) and steps.first_layer(network) is not None:
        found |= steps.views(task, evaluation)
    return found


@report.callbacks.register(Supervised)
@report.callbacks.register(Captioning)
@report.callbacks.register(Forecasting)
@report.callbacks.register(LanguageModelling)
@report.callbacks.register(OCR)
@report.callbacks.register(Tagging)
@report.callbacks.register(Translation)
def _(task: Task, splits: Mapping[str, Examples]) -> list[Callback]:
    return layers.callbacks(splits)
