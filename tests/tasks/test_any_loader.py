"""Every task trains and tests on a plain torch DataLoader of tuples: a task knows its spec and its batches alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics import Metric

from zoo import models
from zoo.models import Discriminator, PatchDiscriminator
from zoo.optim.options import TrainingOptions
from zoo.spec import (
    Classes,
    Counts,
    Forecast,
    Image,
    Labels,
    MultiLabel,
    Ratings,
    Recommendations,
    Sentence,
    Series,
    SourceText,
    Spec,
    Strokes,
    Table,
    TargetText,
    Text,
    TextLine,
    Tokens,
    Topics,
    Transcript,
    Values,
    Video,
)
from zoo.spec.columns import Number
from zoo.tasks.gan import AdversarialOptions, Colourisation, Downscale, Generation, Mask, Restoration
from zoo.tasks.rbm import AnomalyDetection, FeatureLearning, Hybrid, Recommendation, TopicModelling
from zoo.tasks.sequence import (
    OCR,
    Captioning,
    Forecasting,
    Handwriting,
    LanguageModelling,
    Tagging,
    Translation,
    memory_task,
)
from zoo.tasks.supervised import Classification, MultiLabelClassification, Regression, Sentiment, supervised_task
from zoo.tasks.task import Task

SIZE, BATCH, STEPS = 8, 4, 5  # examples, examples per batch, steps of a sequence
ADAM = partial(torch.optim.Adam, lr=1e-3)
AVERAGED = TrainingOptions(ADAM, schedule="cosine", max_grad_norm=1.0, ema=0.9)
MLP = partial(models.build, "mlp", hidden_sizes=[8])
LSTM = partial(models.build, "lstm", hidden_size=8)
RBM = partial(models.build, "rbm", num_hidden=8)
IMAGE = Image(1, 8, 8, (0.5,), (0.5,))
CLASSES = Classes(("cat", "dog", "emu"))
PRICE = Values(("price",), (2.0,), (3.0,))
SERIES = Series(("load", "heat"), (1.0, 2.0), (2.0, 3.0))
LETTERS = ("a", "b", "c", "d")

Case = Callable[[], tuple[Task, list[Any]]]


def pixels(*shape: int) -> Tensor:
    return torch.randint(0, 256, (SIZE, *shape), dtype=torch.uint8)


def codes(*shape: int, low: int = 0, high: int = 3) -> Tensor:
    return torch.randint(low, high, (SIZE, *shape))


def lengths(steps: int = STEPS) -> list[int]:
    return [steps - row % 2 for row in range(SIZE)]


def classification() -> tuple[Task, list[Any]]:
    return Classification(Spec(IMAGE, CLASSES), MLP, ADAM), [*zip(pixels(1, 8, 8), codes())]


def regression() -> tuple[Task, list[Any]]:
    return Regression(Spec(IMAGE, PRICE), MLP, ADAM), [*zip(pixels(1, 8, 8), torch.randn(SIZE, 1))]


def multi_label() -> tuple[Task, list[Any]]:
    task = MultiLabelClassification(Spec(IMAGE, MultiLabel(("a", "b", "c"))), MLP, ADAM)
    return task, [*zip(pixels(1, 8, 8), codes(3, high=2).float())]


def words() -> tuple[Task, list[Any]]:
    sentences = zip(codes(STEPS, 21, low=1, high=5), lengths())
    task = Tagging(Spec(Sentence(LETTERS, LETTERS), Labels(("B-PER", "I-PER", "O"))), LSTM, ADAM)
    return task, [*zip(sentences, zip(codes(STEPS), lengths()))]


def supervised() -> tuple[Task, list[Any]]:
    table = Table((Number("age", 0.0, 1.0, False), Number("size", 0.0, 1.0, False)))
    return supervised_task(Spec(table, CLASSES), MLP, ADAM), [*zip(torch.randn(SIZE, 2), codes())]


def sentiment() -> tuple[Task, list[Any]]:
    texts = zip(codes(STEPS, low=2, high=6), lengths())
    return Sentiment(Spec(Text(LETTERS, "words"), CLASSES), LSTM, ADAM), [*zip(texts, codes())]


def ocr() -> tuple[Task, list[Any]]:
    spec = Spec(TextLine(32), Transcript("abcd"))
    build = partial(models.build, "cnn", widths=[4, 8], hidden_size=8, num_layers=1)
    lines, texts = zip(pixels(60, 32), lengths(60)), zip(codes(3, low=1, high=5), lengths(3))
    return OCR(spec, build, ADAM, label_weight=0.5), [*zip(lines, texts)]


def captioning() -> tuple[Task, list[Any]]:
    image = Image(1, 16, 16, (0.5,), (0.5,))
    spec = Spec(image, Tokens(LETTERS, "characters", STEPS))
    return Captioning(spec, LSTM, ADAM), [*zip(pixels(1, 16, 16), codes(2, STEPS, low=2, high=6))]


def translation() -> tuple[Task, list[Any]]:
    spec = Spec(SourceText(LETTERS, "words"), TargetText(LETTERS, "words", STEPS))
    sources, targets = (zip(codes(STEPS, low=2, high=6), lengths()) for _ in range(2))
    return Translation(spec, LSTM, ADAM), [*zip(sources, targets)]


def tagging() -> tuple[Task, list[Any]]:
    videos = zip(pixels(STEPS, 1, 16, 16), lengths())
    spec = Spec(Video(1, 16, 16, (0.5,), (0.5,)), Labels(CLASSES.names))
    return Tagging(spec, LSTM, ADAM), [*zip(videos, zip(codes(STEPS), lengths()))]


def forecasting() -> tuple[Task, list[Any]]:
    spec = Spec(SERIES, Forecast(("heat",), (2.0,), (3.0,), 3))
    return Forecasting(spec, LSTM, ADAM), [*zip(torch.randn(SIZE, STEPS, 2), torch.randn(SIZE, 3, 1))]


def language_modelling() -> tuple[Task, list[Any]]:
    spec = Spec(Text(LETTERS, "characters"), Tokens(LETTERS, "characters", 9))
    return LanguageModelling(spec, LSTM, ADAM), [*zip(codes(STEPS, low=2, high=6))]


def handwriting() -> tuple[Task, list[Any]]:
    strokes = zip(codes(STEPS, 3, high=2).float(), lengths())
    spec = Spec(Strokes(8), Transcript("abcd"))
    return Handwriting(spec, LSTM, ADAM), [*zip(strokes, zip(codes(3, low=1, high=5), lengths(3)))]


def adding() -> tuple[Task, list[Any]]:
    series = zip(torch.randn(SIZE, STEPS, 2), lengths())
    return memory_task(Spec(SERIES, PRICE), LSTM, ADAM), [*zip(series, torch.randn(SIZE, 1))]


def copying() -> tuple[Task, list[Any]]:
    series = torch.randn(SIZE, STEPS, 2)
    return memory_task(Spec(SERIES, Labels(CLASSES.names)), LSTM, ADAM), [*zip(series, codes(STEPS))]


def features() -> tuple[Task, list[Any]]:
    return FeatureLearning(Spec(IMAGE, CLASSES), RBM, ADAM), [*zip(pixels(1, 8, 8), codes())]


def hybrid() -> tuple[Task, list[Any]]:
    return Hybrid(Spec(IMAGE, CLASSES), RBM, ADAM), [*zip(pixels(1, 8, 8), codes())]


def anomaly_detection() -> tuple[Task, list[Any]]:
    return AnomalyDetection(Spec(IMAGE, CLASSES), RBM, ADAM), [*zip(pixels(1, 8, 8), torch.arange(SIZE) % 3)]


def recommendation() -> tuple[Task, list[Any]]:
    titles, scale = LETTERS, (1.0, 2.0, 3.0)
    known, held_out = codes(4, high=4), codes(4, high=4)
    task = Recommendation(Spec(Ratings(titles, scale), Recommendations(titles, scale)), RBM, ADAM)
    return task, [*zip(known, held_out.masked_fill(known > 0, 0))]


def topics() -> tuple[Task, list[Any]]:
    task = TopicModelling(Spec(Counts(LETTERS, 9), Topics(LETTERS)), RBM, ADAM)
    return task, [*zip(codes(4, low=1))]


def restoration(degradation: Any, **options: Any) -> tuple[Task, list[Any]]:
    image = Image(3, 24, 24, (0.5,) * 3, (0.5,) * 3)
    build = partial(models.build, "gan", width=8, **options)
    patches = partial(PatchDiscriminator, width=8, depth=1)
    task = Restoration(Spec(image, image), build, AVERAGED, degradation=degradation, discriminator=patches)
    return task, [*zip(pixels(3, 24, 24))]


def inpainting() -> tuple[Task, list[Any]]:
    return restoration(Mask(), depth=1)


def super_resolution() -> tuple[Task, list[Any]]:
    return restoration(Downscale(2))


def colourisation() -> tuple[Task, list[Any]]:
    image = Image(3, 24, 24, (0.5,) * 3, (0.5,) * 3)
    build = partial(models.build, "gan", width=8, depth=1)
    patches = partial(PatchDiscriminator, width=8, depth=1)
    return Colourisation(Spec(image, image), build, AVERAGED, discriminator=patches), [*zip(pixels(3, 24, 24))]


def generated(output: Any, *columns: Tensor, **options: Any) -> tuple[Task, list[Any]]:
    build, discriminator = partial(models.build, "gan", width=8), partial(Discriminator, width=8)
    parts = AdversarialOptions(accumulate=2)
    task = Generation(Spec(IMAGE, output), build, AVERAGED, discriminator=discriminator, adversarial=parts, **options)
    return task, [*zip(pixels(1, 8, 8), *columns)]


def generation() -> tuple[Task, list[Any]]:
    return generated(IMAGE)


def generation_of_classes() -> tuple[Task, list[Any]]:
    return generated(CLASSES, codes())


def text_to_image() -> tuple[Task, list[Any]]:
    words = Tokens(LETTERS, "words", STEPS)
    return generated(words, codes(2, STEPS, low=2, high=6), contrastive_weight=1.0, diversity_weight=1.0)


# Whoever adds a task adds a function that gives it with a list of examples, each a tuple, and its name here
CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        classification,
        regression,
        multi_label,
        words,
        supervised,
        sentiment,
        ocr,
        captioning,
        translation,
        tagging,
        forecasting,
        language_modelling,
        handwriting,
        adding,
        copying,
        features,
        hybrid,
        anomaly_detection,
        recommendation,
        topics,
        inpainting,
        super_resolution,
        colourisation,
        generation,
        generation_of_classes,
        text_to_image,
    )
}


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("name", CASES)
def test_a_plain_loader_of_tuples_will_do(
    monkeypatch: pytest.MonkeyPatch, name: str, trainer: Callable[..., L.Trainer]
) -> None:
    torch.manual_seed(0)
    task, examples = CASES[name]()
    loader = DataLoader(examples, batch_size=BATCH)
    before = [parameter.detach().clone() for parameter in task.network.parameters()]
    run = trainer(max_epochs=1)
    run.fit(task, loader, loader)
    changed = [not torch.equal(old, new) for old, new in zip(before, task.network.parameters())]
    assert any(changed)
    validated = {metric for metric in run.callback_metrics if metric.startswith("val/")}
    (metrics,) = run.test(task, loader, verbose=False)
    assert {metric.replace("test/", "val/") for metric in metrics} >= validated
    assert task.monitor is None or task.monitor in validated  # without an evaluator generation has none
    answers = run.predict(task, loader)
    assert answers is not None
    assert len(answers) == SIZE // BATCH
    assert all(len(answer) == BATCH for answer in answers)
    loader.batch_sampler.stands_in = True  # type: ignore[union-attr]
    monkeypatch.setattr(L.Trainer, "val_dataloaders", loader)
    check_that_a_stand_in_leaves_no_trace(task, examples)


def check_that_a_stand_in_leaves_no_trace(task: Task, examples: list[Any]) -> None:
    """What is validated for want of an example of its own is in no metric, shown or not."""
    with torch.inference_mode():
        task.validation_step(next(iter(DataLoader(examples, batch_size=BATCH))), 0)
    for metric in task.modules():
        for name, start in metric._defaults.items() if isinstance(metric, Metric) else ():
            state: Any = getattr(metric, name)
            assert not any(map(len, state)) if isinstance(start, list) else (state == start.to(state)).all()


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:You defined a `validation_step`")
@pytest.mark.parametrize("name", CASES)
def test_steps_per_batch_change_no_weight(name: str, trainer: Callable[..., L.Trainer]) -> None:
    """Bit for bit, with two epochs of four steps each, of which two are taken without Lightning, or none."""
    found = []
    for steps in (1, 4):
        L.seed_everything(0, verbose=False)
        task, examples = CASES[name]()
        task.options = replace(task.options, steps_per_batch=steps)
        loader = DataLoader(examples, batch_size=2)
        run = trainer(max_epochs=2, limit_val_batches=0)
        run.fit(task, loader)
        losses = [value for key, value in run.callback_metrics.items() if key.startswith("train/")]
        found.append([*task.state_dict().values(), *losses])
    for one, other in zip(*found):
        assert torch.equal(one, other) or (one.isnan() & other.isnan()).all()
