"""Generation: what is generated, and how it is evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

import zoo
from zoo import models
from zoo.data.core.examples import Examples
from zoo.data.images import Digits
from zoo.data.shapes import Shapes
from zoo.errors import ConfigError, SpecError
from zoo.metrics.generation import caption_agreement as agree
from zoo.metrics.generation import frechet_distance, precision_and_recall
from zoo.models import Discriminator, Generator
from zoo.optim.options import TrainingOptions
from zoo.spec import Classes, Image, Label, Seed, Spec, Text, Tokens
from zoo.tasks.gan import AdversarialOptions, Generation, GeneratorOutput

TrainerBuilder = Callable[..., L.Trainer]
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.99))


def generation(spec: Spec, *, gradient_penalty: float = 1.0, **options: Any) -> Generation:
    torch.manual_seed(0)
    return Generation(
        spec,
        partial(models.build, "gan", width=8, latent_dim=8),
        TrainingOptions(ADAM, schedule="cosine", ema=0.99),
        discriminator=partial(Discriminator, width=8),
        adversarial=AdversarialOptions(gradient_penalty=gradient_penalty),
        **options,
    )


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    data = Shapes(train_size=64, val_size=32, test_size=32, batch_size=32)
    data.setup()
    return data


# Metrics


def test_frechet_distance_against_scipy() -> None:
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(500, 6)), random.normal(size=(400, 6)) @ random.normal(size=(6, 6)) + 0.5
    covariances = np.cov(real.T), np.cov(fake.T)
    apart = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    wanted = apart + np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    found = frechet_distance(torch.from_numpy(real), torch.from_numpy(fake))
    assert found.item() == pytest.approx(wanted, rel=1e-5)
    assert frechet_distance(torch.from_numpy(real), torch.from_numpy(real)).item() == pytest.approx(0, abs=1e-6)


def test_precision_and_recall_by_counting() -> None:
    """What is generated covers one of two clusters, and half of it lies nowhere near."""
    left, right, nowhere = (torch.randn(60, 2) * 0.1 + shift for shift in (-5, 5, 50))
    precision, recall = precision_and_recall(torch.cat([left, right]), torch.cat([left + 0.01, nowhere]))
    assert precision.item() == pytest.approx(0.5, abs=0.05)
    assert recall.item() == pytest.approx(0.5, abs=0.05)
    assert [share.item() for share in precision_and_recall(left, left)] == [1, 1]


def test_a_text_agrees_with_the_best_of_its_captions() -> None:
    captions = torch.tensor([[[2, 3, 4, 0], [5, 3, 4, 6]]])
    for text, share in (([2, 3, 4], 1), ([5, 3, 4, 6], 1), ([5, 3, 4], 0.75), ([2, 3, 9, 9], 0.5), ([9], 0)):
        assert agree(torch.tensor([text]), captions).item() == pytest.approx(share)


# The task


@pytest.mark.parametrize(
    ("said", "source"),
    [
        (Classes(("cat", "dog")), Label(("cat", "dog"))),
        (Tokens(("cat", "dog"), "words", 5), Text(("cat", "dog"), "words", closed=True, max_length=5)),
        (Image(3, 9, 12, (0.5,) * 3, (0.5,) * 3), Seed()),
    ],
    ids=lambda side: type(side).__name__,
)
def test_images_are_generated_from_what_the_data_holds(said: Any, source: Any) -> None:
    spec = generation(Spec(Image(3, 9, 12, (0.4,) * 3, (0.3,) * 3), said)).spec
    assert spec.input == source
    assert (spec.output.channels, spec.output.height, spec.output.width) == (3, 9, 12)


def test_it_learns_what_each_class_looks_like(trainer: TrainerBuilder, digits: Digits) -> None:
    """After some seconds, a classifier that has seen real images alone reads most as what they were to be."""
    torch.manual_seed(0)
    data = Digits(batch_size=64)
    data.setup()
    task = generation(data.spec, evaluator=zoo.load("cnn.digits"), gradient_penalty=2.0)
    fitted = trainer(max_epochs=6, check_val_every_n_epoch=6)
    untrained = fitted.validate(task, data, verbose=False)[0]
    fitted.fit(task, data)
    metrics = fitted.test(task, data, verbose=False)[0]
    assert untrained["val/as_asked"] < 0.2
    assert metrics["test/as_asked"] > 0.5
    assert metrics["test/classes"] >= 8
    assert metrics["test/frechet"] < 0.5 * untrained["val/frechet"]


def test_sentences_are_read(trainer: TrainerBuilder, shapes: Shapes) -> None:
    task = generation(shapes.spec, layout_weight=1.0, contrastive_weight=1.0)
    fitted = trainer(max_epochs=1)
    fitted.fit(task, shapes)
    assert fitted.callback_metrics["train/layout"] > 0
    images, captions, _ = shapes.splits["val"].__getitems__(torch.arange(20))
    generated = task.predict_step((images, captions))
    assert (generated.dtype, generated.shape) == (torch.uint8, (20, 3, 32, 32))
    assert torch.equal(generated, task.predict_step((images, captions)))
    assert not torch.equal(generated, task.predict_step((images, captions.flip(0))))


def test_the_contrastive_loss_against_its_definition(shapes: Shapes) -> None:
    """The discriminator's loss has it as a part: mean negative log-probability of the own sentence, and own image."""
    task = generation(shapes.spec, contrastive_weight=3.0, gradient_penalty=0.0)
    images, captions, _ = shapes.splits["train"].__getitems__(torch.arange(5))
    real = task.image.prepare(images)
    condition = sentences(captions)
    output = GeneratorOutput(torch.zeros_like(real), real, task.encode_condition(condition))
    network = task.discriminator
    with torch.no_grad():
        alone = network.score(network.encode_image(real))
        scores = [network(real, *(part[[n] * 5] for part in condition)) - alone for n in range(5)]
    scores = torch.cat(scores, dim=1).exp()
    losses = [-math.log(scores[n, n] / scores[n].sum()) - math.log(scores[n, n] / scores[:, n].sum()) for n in range(5)]
    with_it = task._discriminator_loss(output)
    assert output.losses["contrastive"].item() == pytest.approx(3 * sum(losses) / 10, rel=1e-4)
    task.contrastive_weight = 0.0
    assert (with_it - task._discriminator_loss(output)).item() == pytest.approx(3 * sum(losses) / 10, rel=1e-4)


def test_only_the_discriminator_teaches_how_to_read(shapes: Shapes) -> None:
    """Both read with the same network, once a step; the averaged generator has a copy of its own."""
    task = generation(shapes.spec, contrastive_weight=1.0, diversity_weight=1.0, gradient_penalty=0.0)
    reader = task.discriminator.reader
    assert task.network.reader is reader
    assert not set(task.trained_network.reader.parameters()) & set(reader.parameters())
    trained = task.trained_network
    again = Generation(shapes.spec, lambda spec: trained, ADAM, discriminator=partial(Discriminator, width=8))
    assert again.network is trained
    assert again.network.reader is trained.reader is not reader  # a trained generator keeps its own
    read: list[Any] = []
    reader.stack.register_forward_hook(lambda *call: read.append(call))
    batch = shapes.splits["train"].__getitems__(torch.arange(4))
    task.discriminator.requires_grad_(False)
    output = task.generator_output(batch)
    task._generator_loss(output).backward()
    assert all(parameter.grad is None for parameter in reader.parameters())
    assert all(p.grad is not None for n, p in task.network.named_parameters() if not n.startswith("reader"))
    task.discriminator.requires_grad_(True)
    task._discriminator_loss(GeneratorOutput(output.fake.detach(), output.real, output.condition)).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in reader.parameters())
    assert len(read) == 1  # for both networks, and for the second images


def test_it_learns_which_sentence_a_new_image_fits() -> None:
    """After a few seconds of it most new images fit their own sentence best of 50 (by chance one would)."""
    torch.manual_seed(0)
    data = Shapes(train_size=1600, val_size=50, test_size=1, batch_size=64)
    data.setup()
    task = generation(data.spec, contrastive_weight=1.0)
    network = task.discriminator
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.0, 0.99))
    for _ in range(120):
        images, captions, _ = data.splits["train"].__getitems__(torch.randint(1600, (64,)))
        loss = task.contrastive_loss(
            task.encode_image(task.image.prepare(images)), task.encode_condition(sentences(captions))
        )
        assert loss is not None
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    images, captions, _ = data.splits["val"].__getitems__(torch.arange(50))
    with torch.no_grad():
        encoded = task.encode_image(task.image.prepare(images))
        matches = network.match(encoded, *task.encode_condition(sentences(captions)))
    assert (matches.argmax(dim=1) == torch.arange(50)).float().mean() > 0.5


@pytest.mark.parametrize(("scale", "counted"), [(0.05, 0.05), (0.5, 0.1)])
def test_images_of_one_sentence_are_to_differ_up_to_a_bound(shapes: Shapes, scale: float, counted: float) -> None:
    """One pixel value an image, drawn from two: they differ by `scale`, and what exceeds 0.1 counts for nothing."""
    task = generation(shapes.spec, diversity_weight=2.0)
    values = iter([0.0, scale])
    task.network.forward = lambda noise, *condition: torch.full((len(noise), 3, 32, 32), next(values))
    output = task.generator_output(shapes.splits["train"].__getitems__(torch.arange(8)))
    assert output.losses["diversity"].item() == pytest.approx(counted)
    assert output.distance is not None
    assert output.distance.item() == pytest.approx(-2 * counted)


def sentences(captions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first wording of each image, and its length."""
    return captions[:, 0], (captions[:, 0] != 0).sum(dim=1)


def test_a_contrastive_loss_without_texts_is_refused(digits: Digits) -> None:
    with pytest.raises(ValueError, match="contrastive_weight is for texts"):
        generation(digits.spec, contrastive_weight=1.0)
    with pytest.raises(ValueError, match="contrastive_weight must be"):
        generation(digits.spec, contrastive_weight=-1.0)


def test_a_captioner_reads_what_was_generated(trainer: TrainerBuilder, shapes: Shapes) -> None:
    """One that always writes the right caption of the first scene."""

    class Captioner(nn.Module):
        def generate(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return shapes.splits["test"].columns[1][0, :1].expand(len(x), -1), None

    evaluator = zoo.Artefact(
        "lstm", {}, Spec(Image(3, 16, 16, (0.5,) * 3, (0.5,) * 3), shapes.spec.output), Captioner()
    )
    task = generation(shapes.spec, evaluator=evaluator)
    assert (task.monitor, task.mode) == ("val/words", "max")
    metrics = trainer().test(task, shapes, verbose=False)[0]
    assert metrics["test/exact"] == metrics["test/real_exact"] == pytest.approx(1 / 32)
    assert 0.2 < metrics["test/words"] < 0.8


def test_an_evaluator_that_cannot_evaluate_is_refused(digits: Digits) -> None:
    with pytest.raises(ConfigError, match="captioner"):
        generation(digits.spec, evaluator=zoo.load("mlp.breast_cancer"))
    tokens = Tokens(("cat", "dog"), "words", 5)
    evaluator = zoo.Artefact("lstm", {}, Spec(digits.spec.input, Tokens(("emu",), "words", 5)), nn.Identity())
    with pytest.raises(ConfigError, match="writes with"):
        generation(Spec(digits.spec.input, tokens), evaluator=evaluator)


def test_a_single_image_to_validate_on_is_too_few_for_an_evaluator(trainer: TrainerBuilder, digits: Digits) -> None:
    task = generation(digits.spec, evaluator=zoo.load("cnn.digits"))
    data = Digits(batch_size=64)
    data.setup()
    data.splits["val"] = Examples(*(column[:1] for column in digits.splits["val"].columns))
    with pytest.raises(ConfigError, match="too few"):
        trainer().validate(task, data)


def test_data_without_images_of_one_size_is_refused() -> None:
    with pytest.raises(SpecError, match="one size"):
        generation(Spec(Image(1, None, None, (0.5,), (0.5,)), Classes(("a", "b"))))
    with pytest.raises(ValueError, match="4 each way"):
        generation(Spec(Image(1, 3, 8, (0.5,), (0.5,)), Classes(("a", "b"))))


# The networks


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (8, 8), (28, 28), (32, 48)], ids=str)
@pytest.mark.parametrize("told", [{}, {"classes": 3}, {"codes": 9}], ids=str)
def test_pictures_have_the_size_asked_for_and_every_parameter_a_gradient(
    size: tuple[int, int], told: dict[str, int]
) -> None:
    torch.manual_seed(0)
    condition: tuple[torch.Tensor, ...] = ()
    if "classes" in told:
        condition = (torch.tensor([0, 1, 2, 2]),)
    elif "codes" in told:
        condition = torch.tensor([[2, 3, 0], [4, 5, 6], [7, 8, 0], [1, 0, 0]]), torch.tensor([2, 3, 2, 1])
    generator = Generator(3, size, width=8, latent_dim=5, blocks=1 + len(told), **told)
    discriminator = Discriminator(3, size, width=4, **told)
    made = generator(torch.randn(4, 5), *condition)
    assert made.shape == (4, 3, *size)
    assert made.abs().max() <= 1
    scores = discriminator(made, *condition)
    assert scores.shape == (4, 1)
    (scores * torch.randn(4, 1)).sum().backward()
    all_learn(generator)
    all_learn(discriminator)


def all_learn(network: nn.Module) -> None:
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (32, 48)], ids=str)
def test_scenes_have_the_size_asked_for_and_every_parameter_a_gradient(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = Generator(3, size, codes=9, objects=2, width=8, latent_dim=6)
    made = generator(torch.randn(4, 6), torch.randint(1, 9, (4, 6)), torch.tensor([6, 2, 3, 1]))
    assert made.shape == (4, 3, *size)
    assert made.abs().max() <= 1
    (made * torch.randn(made.shape)).sum().backward()
    all_learn(generator)


def test_a_seed_decides_what_is_made() -> None:
    network = Generator(1, (8, 8), classes=3, latent_dim=5, width=8).eval()
    labels = torch.tensor([1, 1])
    first, again, other = (network.generate(labels, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(network.generate(labels), network.generate(labels))
    seeds = Generator(1, (8, 8), latent_dim=5, width=8).eval()
    both = seeds.generate(torch.tensor([7, 8]))
    torch.testing.assert_close(both[1:], seeds.generate(torch.tensor([8])))


def test_padding_of_a_sentence_changes_nothing() -> None:
    network = Generator(1, (8, 8), codes=9, latent_dim=5, width=8).eval()
    noise, codes, lengths = torch.randn(1, 5), torch.tensor([[2, 3, 4]]), torch.tensor([3])
    longer = torch.tensor([[2, 3, 4, 0, 0]])
    torch.testing.assert_close(network(noise, codes, lengths), network(noise, longer, lengths))


def test_the_order_of_words_matters() -> None:
    """Two things that change places, or colours, make another picture and another score."""
    torch.manual_seed(0)
    noise, lengths = torch.randn(1, 5).expand(3, -1), torch.tensor([5, 5, 5])
    codes = torch.tensor([[2, 3, 4, 5, 6], [5, 6, 4, 2, 3], [5, 3, 4, 2, 6]])  # red ring above blue cross, ...
    made = Generator(1, (8, 8), codes=9, latent_dim=5, width=8)(noise, codes, lengths)
    scores = Discriminator(1, (8, 8), codes=9, width=4)(made[:1].expand(3, -1, -1, -1), codes, lengths)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (made[one] - made[other]).abs().max() > 1e-3
        assert (scores[one] - scores[other]).abs() > 1e-4


def test_numbers_out_of_range_are_named() -> None:
    for options, message in (
        ({"latent_dim": 0}, "latent_dim must be"),
        ({"width": 12}, "width must be a multiple of 8"),
        ({"blocks": 0}, "blocks must be"),
        ({"classes": 2, "codes": 3}, "a class or a text, not both"),
        ({"objects": -1, "codes": 3}, "objects must be"),
        ({"objects": 2, "classes": 3}, "objects are of a text's scene"),
        ({"objects": 2, "codes": 3, "size": (7, 7)}, "they need 8 each way"),
    ):
        with pytest.raises(ValueError, match=message):
            Generator(1, **{"size": (8, 8), **options})
    with pytest.raises(ValueError, match="width must be"):
        Discriminator(1, (8, 8), width=0)


# From the outside


def test_an_artefact_paints_what_it_is_asked_for() -> None:
    picture = Image(1, 8, 8, (0.5,), (0.5,))
    spec = Spec(Label(("cat", "dog")), picture)
    artefact = zoo.Artefact("gan", {"width": 8}, spec, models.build("gan", spec, width=8))
    assert artefact("dog").size == (8, 8)
    first, again = (artefact(["dog", "dog"], seed=5) for _ in range(2))
    assert [one.tobytes() for one in first] == [one.tobytes() for one in again]
    assert first[0].tobytes() != first[1].tobytes()
    with pytest.raises(SpecError, match="unknown class 'dgo'; did you mean 'dog'"):
        artefact("dgo")
    with pytest.raises(SpecError, match="a class is given by its name, such as 'cat', not by 1"):
        artefact(1)
    with pytest.raises(ValueError, match="seed must be a whole number, got '3'"):
        artefact("dog", seed="3")
    spec = Spec(Seed(), picture)
    artefact = zoo.Artefact("gan", {"width": 8}, spec, models.build("gan", spec, width=8))
    assert artefact(3).tobytes() == artefact([3, 4])[0].tobytes()
    for wrong in (-1, 1.5, True, "3"):
        with pytest.raises(SpecError, match="a seed is a whole number"):
            artefact(wrong)
