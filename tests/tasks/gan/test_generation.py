"""Generation: what is made, and how it is measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn

import zoo
from zoo import models
from zoo.data.core.columns import Examples
from zoo.data.images import Digits
from zoo.data.shapes import Shapes
from zoo.errors import ConfigError, SpecError
from zoo.models import Discriminator, Generator
from zoo.spec import Classes, Image, Label, Seed, Spec, Text, Tokens
from zoo.tasks.gan.adversarial import Attempt
from zoo.tasks.gan.generation import Generation

TrainerBuilder = Callable[..., L.Trainer]
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.99))


def generation(spec: Spec, **options: Any) -> Generation:
    torch.manual_seed(0)
    network = partial(models.build, "gan", width=8, latent_dim=8)
    return Generation(spec, network, ADAM, discriminator=partial(Discriminator, width=8), **options)


@pytest.fixture(scope="module")
def shapes() -> Shapes:
    data = Shapes(train_size=64, val_size=32, test_size=32, batch_size=32)
    data.setup()
    return data


# The task


@pytest.mark.parametrize(
    ("said", "source"),
    [
        (Classes(("cat", "dog")), Label(("cat", "dog"))),
        (Tokens(("cat", "dog"), "words", 5), Text(("cat", "dog"), "words", closed=True)),
        (Image(3, 9, 12, (0.5,) * 3, (0.5,) * 3), Seed()),
    ],
    ids=lambda side: type(side).__name__,
)
def test_pictures_are_made_from_what_the_data_tells(said: Any, source: Any) -> None:
    spec = generation(Spec(Image(3, 9, 12, (0.4,) * 3, (0.3,) * 3), said)).spec
    assert spec.input == source
    assert (spec.output.channels, spec.output.height, spec.output.width) == (3, 9, 12)


def test_it_learns_what_each_class_looks_like(trainer: TrainerBuilder, digits: Digits) -> None:
    """After half a minute, a classifier that has never seen a made picture reads most as what they were to be."""
    torch.manual_seed(0)
    data = Digits(batch_size=64)
    data.setup()
    task = generation(data.spec, judge=zoo.load("cnn.digits"), penalty=2.0)
    fitted = trainer(max_epochs=12, check_val_every_n_epoch=12)
    untrained = fitted.validate(task, data, verbose=False)[0]
    fitted.fit(task, data)
    figures = fitted.test(task, data, verbose=False)[0]
    assert untrained["val/as_asked"] < 0.2
    assert figures["test/as_asked"] > 0.5
    assert figures["test/classes"] >= 8
    assert figures["test/frechet"] < 0.5 * untrained["val/frechet"]


def test_sentences_are_read(trainer: TrainerBuilder, shapes: Shapes) -> None:
    task = generation(shapes.spec, layout_weight=1.0, contrast_weight=1.0)
    fitted = trainer(max_epochs=1)
    fitted.fit(task, shapes)
    assert fitted.callback_metrics["train/layout"] > 0
    assert task.samples().shape == (50, 3, 32, 32)
    noise, (codes, lengths) = task._fixed()
    other = codes.flip(0), lengths.flip(0)
    assert not torch.equal(task.network(noise, codes, lengths), task.network(noise, *other))


def test_a_sentence_is_told_from_those_of_other_pictures_by_its_definition(shapes: Shapes) -> None:
    """The discriminator's loss has it as a part: mean negative log-probability of the own sentence, and own picture."""
    task = generation(shapes.spec, contrast_weight=3.0, penalty=0.0)
    images, captions, _ = shapes.splits["train"].__getitems__(torch.arange(5))
    real = task.picture.prepare(images)
    attempt = Attempt(torch.zeros_like(real), real, sentences(captions))
    network = task.discriminator
    with torch.no_grad():
        alone = network.score(network.encode_image(real))
        scores = [network(real, *(part[[n] * 5] for part in attempt.beside)) - alone for n in range(5)]
    scores = torch.cat(scores, dim=1).exp()
    losses = [-math.log(scores[n, n] / scores[n].sum()) - math.log(scores[n, n] / scores[:, n].sum()) for n in range(5)]
    with_it = task._discriminator_loss(attempt)
    assert attempt.figures["contrast"].item() == pytest.approx(3 * sum(losses) / 10, rel=1e-4)
    task.contrast_weight = 0.0
    assert (with_it - task._discriminator_loss(attempt)).item() == pytest.approx(3 * sum(losses) / 10, rel=1e-4)


def test_only_the_discriminator_teaches_how_to_read(shapes: Shapes) -> None:
    """Both read with the same network; the averaged generator has a copy of its own."""
    task = generation(shapes.spec, contrast_weight=1.0, penalty=0.0)
    reader = task.discriminator.reader
    assert task.network.reader is reader
    assert not set(task.trained_network.reader.parameters()) & set(reader.parameters())
    trained = task.trained_network
    again = Generation(shapes.spec, lambda spec: trained, ADAM, discriminator=partial(Discriminator, width=8))
    assert again.network is trained
    assert again.network.reader is trained.reader is not reader  # what was trained is judged as it is
    batch = shapes.splits["train"].__getitems__(torch.arange(4))
    task.discriminator.requires_grad_(False)
    attempt = task.attempt(batch)
    task._generator_loss(attempt).backward()
    assert all(parameter.grad is None for parameter in reader.parameters())
    assert all(p.grad is not None for n, p in task.network.named_parameters() if not n.startswith("reader"))
    task.discriminator.requires_grad_(True)
    task._discriminator_loss(Attempt(attempt.made.detach(), attempt.real, attempt.beside)).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in reader.parameters())


def test_it_learns_which_sentence_a_new_picture_fits() -> None:
    """After a few seconds of it most new pictures fit their own sentence best of 50 (by chance one would)."""
    torch.manual_seed(0)
    data = Shapes(train_size=1600, val_size=50, test_size=1, batch_size=64)
    data.setup()
    task = generation(data.spec, contrast_weight=1.0)
    network = task.discriminator
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3, betas=(0.0, 0.99))
    for _ in range(120):
        images, captions, _ = data.splits["train"].__getitems__(torch.randint(1600, (64,)))
        contrast = task.contrast(network.encode_image(task.picture.prepare(images)), task.read(sentences(captions)))
        assert contrast is not None
        optimiser.zero_grad()
        contrast.backward()
        optimiser.step()
    images, captions, _ = data.splits["val"].__getitems__(torch.arange(50))
    with torch.no_grad():
        matches = network.match(network.encode_image(task.picture.prepare(images)), *task.read(sentences(captions)))
    assert (matches.argmax(dim=1) == torch.arange(50)).float().mean() > 0.5


@pytest.mark.parametrize(("scale", "counted"), [(0.05, 0.05), (0.5, 0.1)])
def test_pictures_of_one_sentence_are_to_differ_up_to_a_bound(shapes: Shapes, scale: float, counted: float) -> None:
    """One pixel value a picture, drawn from two: they differ by `scale`, and what exceeds 0.1 counts for nothing."""
    task = generation(shapes.spec, diversity_weight=2.0)
    values = iter([0.0, scale])
    task.network.forward = lambda noise, *condition: torch.full((len(noise), 3, 32, 32), next(values))
    attempt = task.attempt(shapes.splits["train"].__getitems__(torch.arange(8)))
    assert attempt.figures["diversity"].item() == pytest.approx(counted)
    assert attempt.distance is not None
    assert attempt.distance.item() == pytest.approx(-2 * counted)


def sentences(captions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The first wording of each picture, and its length."""
    return captions[:, 0], (captions[:, 0] != 0).sum(dim=1)


def test_a_contrast_of_what_is_no_text_is_refused(digits: Digits) -> None:
    with pytest.raises(ValueError, match="contrast_weight is for texts, and the pictures are made from a class"):
        generation(digits.spec, contrast_weight=1.0)
    with pytest.raises(ValueError, match="contrast_weight must be at least 0, got -1"):
        generation(digits.spec, contrast_weight=-1.0)


def test_a_captioner_reads_what_was_made(trainer: TrainerBuilder, shapes: Shapes) -> None:
    """One that always writes the right caption of the first scene."""

    class Captioner(nn.Module):
        def generate(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
            return shapes.splits["test"].columns[1][0, :1].expand(len(x), -1), None

    judge = zoo.Artefact("lstm", {}, Spec(Image(3, 16, 16, (0.5,) * 3, (0.5,) * 3), shapes.spec.output), Captioner())
    task = generation(shapes.spec, judge=judge)
    assert (task.monitor, task.mode) == ("val/words", "max")
    figures = trainer().test(task, shapes, verbose=False)[0]
    assert figures["test/exact"] == figures["test/real_exact"] == pytest.approx(1 / 32)
    assert 0.2 < figures["test/words"] < 0.8


def test_a_judge_that_cannot_judge_is_refused(digits: Digits) -> None:
    with pytest.raises(ConfigError, match="an evaluator is a cnn"):
        generation(digits.spec, judge=zoo.load("mlp.breast_cancer"))
    tokens = Tokens(("cat", "dog"), "words", 5)
    judge = zoo.Artefact("lstm", {}, Spec(digits.spec.input, Tokens(("emu",), "words", 5)), nn.Identity())
    with pytest.raises(ConfigError, match="vocabulary"):
        generation(Spec(digits.spec.input, tokens), judge=judge)


def test_a_single_picture_to_validate_on_is_too_few_for_a_judge(trainer: TrainerBuilder, digits: Digits) -> None:
    task = generation(digits.spec, judge=zoo.load("cnn.digits"))
    data = Digits(batch_size=64)
    data.setup()
    data.splits["val"] = Examples(*(column[:1] for column in digits.splits["val"].columns))
    with pytest.raises(ConfigError, match="one image is too few"):
        trainer().validate(task, data)


def test_data_without_pictures_of_one_size_is_refused() -> None:
    with pytest.raises(SpecError, match="pictures of one size are needed"):
        generation(Spec(Image(1, None, None, (0.5,), (0.5,)), Classes(("a", "b"))))
    with pytest.raises(ValueError, match="too small to generate; they need 4 each way"):
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
    for network in (generator, discriminator):
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


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
        ({"latent_dim": 0}, "latent_dim must be a whole number of at least 1, got 0"),
        ({"width": 12}, "width must be a multiple of 8, got 12"),
        ({"blocks": 0}, "blocks must be a whole number of at least 1, got 0"),
        ({"classes": 2, "codes": 3}, "a class or a text, not both"),
    ):
        with pytest.raises(ValueError, match=message):
            Generator(1, (8, 8), **options)
    with pytest.raises(ValueError, match="width must be a whole number of at least 1, got 0"):
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
