"""The adversarial recipe itself, on points in the plane."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from zoo.data.core.data_module import DataModule
from zoo.data.core.examples import Examples
from zoo.optim.options import TrainingOptions
from zoo.spec import Image, Seed, Spec
from zoo.tasks.gan import Adversarial, AdversarialOptions, GeneratorOutput
from zoo.tasks.gan.adversarial import parts_of

TrainerBuilder = Callable[..., L.Trainer]
MODES = 8
ADAM = partial(torch.optim.Adam, lr=2e-3, betas=(0.0, 0.99))


def ring(count: int) -> Tensor:
    """Points (N, 2) of 8 Gaussians of deviation 0.02, evenly on the unit circle."""
    random = torch.Generator().manual_seed(0)
    angle = torch.randint(MODES, (count,), generator=random) * (2 * math.pi / MODES)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.02 * torch.randn(count, 2, generator=random)


class Points(DataModule):
    def load(self) -> tuple[Spec, dict[str, Examples]]:
        image = Image(1, 1, 2, (0.5,), (0.5,))
        return Spec(image, image), {split: Examples(ring(12_800)) for split in ("train", "val", "test")}


def perceptron(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, outputs)
    )


class Plane(Adversarial):
    """Points from noise."""

    def generator_output(self, batch: tuple[Tensor, ...]) -> GeneratorOutput:
        return GeneratorOutput(self.network(torch.randn(len(batch[0]), 4)), batch[0])

    def score(self, image: Tensor, condition: tuple[Tensor, ...]) -> Tensor:
        return self.discriminator(image)

    def eval_step(self, batch: tuple[Tensor, ...], batch_idx: int, split: str) -> None:
        """Nothing is evaluated."""

    def eval_metrics(self, split: str) -> dict[str, Any]:
        return {}


def plane(optimizer: Any = ADAM, *, ema: float | None = 0.99, adversarial_weight: float = 1.0, **options: Any) -> Plane:
    torch.manual_seed(0)
    return Plane(
        Spec(Seed(), Image(1, 1, 2, (0.5,), (0.5,))),
        lambda spec: perceptron(4, 2),
        TrainingOptions(optimizer, schedule="cosine", ema=ema),
        discriminator=perceptron(2, 1),
        adversarial=AdversarialOptions(**{"gradient_penalty": 0.2, **options}),
        adversarial_weight=adversarial_weight,
    )


def covered(points: Tensor) -> tuple[int, float]:
    """How many of the Gaussians have a fair share of the points near them, and the share of points near any."""
    angle = torch.arange(MODES) * (2 * math.pi / MODES)
    distances = torch.cdist(points, torch.stack([angle.cos(), angle.sin()], 1))
    near = distances.min(dim=1)
    good = near.values < 0.2
    counts = torch.bincount(near.indices[good], minlength=MODES)
    return int((counts > 0.25 * len(points) / MODES).sum()), good.float().mean().item()


@pytest.mark.slow
def test_it_does_not_collapse(trainer: TrainerBuilder) -> None:
    """All 8 Gaussians are covered, and most points lie near one (of points spread over the plane, a tenth would)."""
    data, task = Points(batch_size=128), plane()
    trainer(max_epochs=15, limit_val_batches=0).fit(task, data)
    with torch.no_grad():
        modes, share = covered(task(torch.randn(2000, 4, generator=torch.Generator().manual_seed(1))))
    assert modes == MODES
    assert share > 0.5


def test_a_generator_that_collapses_would_be_found() -> None:
    angle = torch.tensor(2 * math.pi / MODES)
    one = torch.stack([angle.cos(), angle.sin()]) + 0.02 * torch.randn(1000, 2)
    assert covered(one) == (1, 1.0)
    assert covered(ring(1000))[0] == MODES
    assert covered(torch.rand(1000, 2) * 4 - 2)[1] < 0.15


@pytest.mark.parametrize("options", [{"max_epochs": -1, "max_steps": 10}, {"max_epochs": 1, "max_steps": 9}])
def test_both_schedules_end_with_a_run_of_so_many_steps(trainer: TrainerBuilder, options: dict[str, int]) -> None:
    """Lightning counts the steps of both optimizers."""
    fitted = trainer(limit_val_batches=0, **options)
    fitted.fit(plane(), Points(batch_size=128))
    assert fitted.fit_loop.epoch_loop.total_batch_idx == 4  # counted from 0
    assert [one.param_groups[0]["lr"] for one in fitted.optimizers] == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("gan_loss", ["hinge", "logistic", "relativistic"])
def test_losses_against_their_definitions(gan_loss: str) -> None:
    """Scores of single points, in plain Python."""
    task = plane(gan_loss=gan_loss, gradient_penalty=0.0)
    fake, real = torch.randn(5, 2), torch.randn(5, 2)
    ours, theirs = (task.score(points, ())[:, 0].tolist() for points in (fake, real))

    def softplus(x: float) -> float:
        return math.log1p(math.exp(x))

    generator, discriminator = {
        "hinge": (lambda f, r: -f, lambda f, r: max(0, 1 - r) + max(0, 1 + f)),
        "logistic": (lambda f, r: softplus(-f), lambda f, r: softplus(-r) + softplus(f)),
        "relativistic": (lambda f, r: softplus(r - f), lambda f, r: softplus(f - r)),
    }[gan_loss]
    pairs = list(zip(ours, theirs))
    wanted = sum(generator(f, r) for f, r in pairs) / 5, sum(discriminator(f, r) for f, r in pairs) / 5
    assert task._generator_loss(GeneratorOutput(fake, real)).item() == pytest.approx(wanted[0], rel=1e-5)
    assert task._discriminator_loss(GeneratorOutput(fake, real)).item() == pytest.approx(wanted[1], rel=1e-5)


def test_the_penalty_is_the_mean_squared_gradient() -> None:
    """Of a linear score, whose gradient is its weight, on real points and, with the relativistic loss, on fake ones."""
    task = plane(gradient_penalty=3.0)
    task.discriminator = nn.Linear(2, 1)
    square = task.discriminator.weight.square().sum().item()
    output = GeneratorOutput(torch.zeros(4, 2), torch.zeros(4, 2))
    assert task._discriminator_loss(output).item() == pytest.approx(math.log(2) + 3 / 2 * 2 * square, rel=1e-5)


def test_a_batch_is_cut_into_parts_with_all_its_columns() -> None:
    batch = (torch.arange(10), (torch.arange(20).view(10, 2), torch.arange(10)))
    shares, parts = zip(*parts_of(batch, 3))
    assert shares == (0.4, 0.4, 0.2)
    assert torch.equal(torch.cat([part[0] for part in parts]), batch[0])
    assert torch.equal(torch.cat([part[1][0] for part in parts]), batch[1][0])
    assert torch.equal(torch.cat([part[1][1] for part in parts]), batch[1][1])


def test_gradients_that_accumulate_are_one_step(trainer: TrainerBuilder) -> None:
    """A batch in four parts moves both networks as it does in one."""
    weights = []
    for accumulate in (1, 4):
        sgd = partial(torch.optim.SGD, lr=0.1)
        task, data = plane(sgd, ema=None, accumulate=accumulate, gradient_penalty=0.1), Points(batch_size=128)
        trainer(max_epochs=1, limit_train_batches=3, limit_val_batches=0).fit(task, data)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in task.parameters()]))
    assert torch.allclose(*weights, atol=1e-6)
    before = torch.cat([parameter.detach().flatten() for parameter in plane(ema=None).parameters()])
    assert not torch.allclose(weights[0], before, atol=1e-3)


def test_without_a_weight_no_discriminator_is_trained(trainer: TrainerBuilder) -> None:
    task, data = plane(adversarial_weight=0.0), Points(batch_size=128)
    task.generator_output = lambda batch: GeneratorOutput(  # type: ignore[method-assign]
        fake := task.network(torch.randn(8, 4)), batch[0], distance=fake.mean()
    )
    before = [parameter.clone() for parameter in task.discriminator.parameters()]
    fitted = trainer(max_epochs=1, limit_train_batches=3, limit_val_batches=0)
    fitted.fit(task, data)
    assert all(torch.equal(old, new) for old, new in zip(before, task.discriminator.parameters()))
    assert "train/discriminator" not in fitted.callback_metrics


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gan_loss": "hing"}, "did you mean 'hinge'"),
        ({"gradient_penalty": -1.0}, "gradient_penalty"),
        ({"adversarial_weight": float("nan")}, "adversarial_weight"),
        ({"accumulate": 0}, "accumulate"),
        ({"discriminator_optimizer": partial(torch.optim.Adam, lr=-1.0)}, "learning rate"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plane(**options)
