"""Deep dreams: images that a convolutional network answers strongly to, found by gradient ascent on the pixels.

Mordvintsev, Olah, Tyka, "Inceptionism: going deeper into neural networks", 2015: the image grows over octaves, moves by
a few pixels before each step, and is kept smooth. From noise it shows what a class, or one channel of a stage, stands
for; from a photograph, what the network sees in it.

Shape letters: B images, C channels, H height, W width.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional

from zoo import check
from zoo.errors import ConfigError, unknown
from zoo.files import output_path, quoted, replacing
from zoo.progress import busy
from zoo.spec import Classes, Image
from zoo.spec.image_files import read_image
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load

log = logging.getLogger(__name__)

MAX_SIDE = 2048  # pixels of a dream
FRAMES = 40  # of the animation, at most
PAUSE = 80  # milliseconds that a frame is shown; the last one is shown 20 times as long
Objective = Callable[[Tensor], Tensor]  # normalised images (B, C, H, W) to what is to grow, (B,)


def dream(cfg: DictConfig) -> Path:
    """Dream as `conf/use/dream.yaml` describes it; gives the image, beside which lies the animation.

    Raises:
        ConfigError: the network is no classifier of images with stages, or there is no such class, stage or channel; a
            number is out of range; or the output is no PNG file, or is read.
        ArtefactError, SpecError: a model or an image that cannot be read.
    """
    artefact = load(cfg.model)
    names, objective = _objective(artefact, cfg.label, cfg.stage, cfg.channel)
    file = _output(cfg)
    image: Any = artefact.spec.input
    octaves, steps = (1, 100) if cfg.image is None else (4, 15)
    moving = file.with_suffix(".gif")
    try:
        # Both are opened first: a folder that cannot be written to is told before the minutes that a dream may take
        with replacing(file) as opened, replacing(moving) as opened_moving, busy("dreaming"):
            frames = ascend(
                objective,
                _start(image, cfg.image, cfg.size, len(names), check.seed("seed", cfg.seed)),
                octaves=octaves if cfg.octaves is None else cfg.octaves,
                ratio=cfg.ratio,
                steps=check.whole("steps", steps if cfg.steps is None else cfg.steps, 1, 10_000),
                lr=cfg.lr,
                smoothness=cfg.smoothness,
                shift=cfg.shift,
                seed=cfg.seed,
            )
            sheets = [_sheet(frame) for frame in frames]
            sheets[-1].save(opened, "PNG")
            durations = [PAUSE] * (len(sheets) - 1) + [20 * PAUSE]
            sheets[0].save(opened_moving, "GIF", save_all=True, append_images=sheets[1:], duration=durations, loop=0)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        raise ConfigError(f"cannot write {file}: {error.strerror or error}") from error
    log.info("%s and %s: %s", file, moving.name, ", ".join(names))
    return file


def _output(cfg: DictConfig) -> Path:
    """The image's file; neither it nor the animation beside it is one that is read."""
    name = Path(cfg.model).name.removesuffix(".safetensors")
    read = [cfg.model] if cfg.image is None else [cfg.model, str(cfg.image)]
    file = output_path(cfg.output or f"dream_{name}.png", read)
    if file.suffix.lower() != ".png":
        raise ConfigError(f"output: a dream is a PNG file, with a GIF beside it; got {quoted(str(file))}")
    output_path(str(file.with_suffix(".gif")), read)
    return file


def ascend(
    objective: Objective,
    start: Tensor,
    *,
    octaves: int = 1,
    ratio: float = 1.4,
    steps: int = 100,
    lr: float = 0.03,
    smoothness: float = 0.1,
    shift: int = 2,
    seed: int = 0,
) -> list[Tensor]:
    """Change images so that an objective grows.

    Args:
        objective: what grows, of each image by itself.
        start: images (B, C, H, W), from 0 to 1.
        octaves: sizes at which the images are changed, from the smallest to their own.
        ratio: between two of them, above 1.
        steps: at each size.
        lr: mean change of a pixel in a step.
        smoothness: weight of the total variation, beside an objective of weight 1.
        shift: pixels by which an image moves at random, around its edges, before each step.
        seed: of these moves.

    Returns:
        uint8 images (B, C, H, W) of up to 40 moments, the last of which is the result.

    Raises:
        ValueError: a number is out of range, or the objective cannot take the smallest images.
    """
    check.whole("octaves", octaves, 1, 16)
    check.positive("lr", lr)
    check.at_least_zero("smoothness", smoothness)
    check.whole("shift", shift, 0, 512)
    if not 1 < check.positive("ratio", ratio) <= 4:
        raise ValueError(f"ratio must be above 1 and up to 4, got {ratio}")
    random = torch.Generator().manual_seed(seed)
    height, width = start.shape[2:]
    found, frames = torch.zeros_like(start[:, :, :1, :1]), []
    every = -(-octaves * steps // FRAMES)
    scales = [ratio ** (octave + 1 - octaves) for octave in range(octaves)]
    sizes = [[max(1, round(height * scale)), max(1, round(width * scale))] for scale in scales]
    _check_taken(objective, start, sizes[0])
    for octave, size in enumerate(sizes):
        base = functional.interpolate(start, size, mode="bilinear", antialias=True)
        image = (base + functional.interpolate(found, size, mode="bilinear")).clamp(0, 1)
        for step in range(steps):
            moves = torch.randint(-shift, shift + 1, (2,), generator=random).tolist()
            image = _step(objective, image.roll(moves, (2, 3)), lr, smoothness).roll([-move for move in moves], (2, 3))
            if (octave * steps + step + 1) % every == 0:
                frames.append(_bytes(functional.interpolate(image, (height, width), mode="bilinear")))
        found = image - base  # what the network added
    return [*frames[: FRAMES - 1], _bytes(image)]


def _check_taken(objective: Objective, start: Tensor, size: list[int]) -> None:
    try:
        with torch.no_grad():
            objective(functional.interpolate(start, size))
    except RuntimeError as error:  # of a convolution or pooling
        height, width = size
        raise ValueError(
            f"the network cannot take images of {height} x {width} pixels: "
            "give fewer octaves, a larger image, or a network that takes images of any size"
        ) from error


def _step(objective: Objective, image: Tensor, lr: float, smoothness: float) -> Tensor:
    image = image.detach().requires_grad_()
    (more,) = torch.autograd.grad(objective(image).sum(), image)
    (rougher,) = torch.autograd.grad(total_variation(image).sum(), image)
    change = _unit(more) - smoothness * _unit(rougher)
    return (image.detach() + lr * change).clamp(0, 1)


def total_variation(images: Tensor) -> Tensor:
    """Sum of the squared differences of neighbouring pixels of each image (B, C, H, W), (B,)."""
    down, across = images.diff(dim=2), images.diff(dim=3)
    return (down**2).flatten(1).sum(1) + (across**2).flatten(1).sum(1)


def _unit(gradient: Tensor) -> Tensor:
    """A gradient whose mean size is 1 in each image."""
    return gradient / gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-12)


def _bytes(images: Tensor) -> Tensor:
    return (images.detach().clamp(0, 1) * 255).round().to(torch.uint8)


def _objective(
    artefact: Artefact, label: str | None, stage: int | None, channel: int | None
) -> tuple[list[str], Objective]:
    """What each image of the dream stands for, and what grows in it."""
    spec, network = artefact.spec, artefact.network
    if type(spec.input) is not Image or not isinstance(spec.output, Classes):
        raise ConfigError(f"dreams are of networks that classify images, and this is {spec}")
    if label is not None and (stage is not None or channel is not None):
        raise ConfigError("give label, or stage with or without channel, not both")
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (spec.input.mean, spec.input.std))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    if stage is None:
        if channel is not None:
            raise ConfigError("channel is one of a stage: give stage, too")
        classes = list(spec.output.names)
        if label is not None and str(label) not in classes:
            raise ConfigError(unknown("label", str(label), classes))
        chosen = classes if label is None else [str(label)]
        places = torch.tensor([classes.index(name) for name in chosen])

        def log_probabilities(x: Tensor) -> Tensor:
            found: Tensor = network((x - mean) / std)
            return found.log_softmax(dim=1).gather(1, places[:, None])[:, 0]

        return chosen, log_probabilities
    if not hasattr(network, "forward_stages"):
        raise ConfigError(f"{artefact.model} has no stages, of which one could dream; dream of a label")
    forward: Any = network.forward_stages
    with torch.no_grad():
        maps = forward(torch.zeros(1, spec.input.channels, *spec.input.size))
    if type(stage) is not int or not 0 <= stage < len(maps):
        raise ConfigError(f"stage is a whole number from 0 to {len(maps) - 1}, not {quoted(stage)}")
    channels = maps[stage].shape[1]
    if channel is not None and (type(channel) is not int or not 0 <= channel < channels):
        raise ConfigError(f"channel is a whole number from 0 to {channels - 1}, not {quoted(channel)}")

    def activations(x: Tensor) -> Tensor:
        found: Tensor = forward((x - mean) / std)[stage]
        return (found**2).mean(dim=(1, 2, 3)) if channel is None else found[:, channel].mean(dim=(1, 2))

    return [f"stage {stage}" if channel is None else f"channel {channel} of stage {stage}"], activations


def _start(image: Image, raw: Any, size: int | None, count: int, seed: int) -> Tensor:
    """Images (B, C, H, W) from 0 to 1 with which a dream begins: faint noise around the mean, or a photograph."""
    if size is not None:
        check.whole("size", size, 8, MAX_SIDE)
    if raw is None:
        height, width = (size, size) if size else image.size
        noise = torch.rand(count, image.channels, height, width, generator=torch.Generator().manual_seed(seed))
        return (torch.tensor(image.mean)[:, None, None] + 0.1 * (noise - 0.5)).clamp(0, 1)
    read = read_image(str(raw)).convert("L" if image.channels == 1 else "RGB")
    read.thumbnail((size or MAX_SIDE // 4,) * 2, PIL.Image.Resampling.LANCZOS)
    pixels = Image(image.channels, None, None, image.mean, image.std).pixels(read)
    return (pixels / 255).expand(count, -1, -1, -1).contiguous()


def _sheet(images: Tensor) -> PIL.Image.Image:
    """Images (B, C, H, W) side by side, about as many in a row as in a column, enlarged where they are small."""
    count, channels, height, width = images.shape
    columns = next(number for number in range(1, count + 1) if number**2 >= count)
    gap = 1 if count > 1 else 0
    sheet = PIL.Image.new(
        "L" if channels == 1 else "RGB", (columns * (width + gap), -(-count // columns) * (height + gap))
    )
    for place, pixels in enumerate(images.permute(0, 2, 3, 1).numpy()):
        one = PIL.Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)
        sheet.paste(one, (place % columns * (width + gap), place // columns * (height + gap)))
    factor = max(1, 384 // max(sheet.size))
    return sheet.resize((sheet.width * factor, sheet.height * factor), PIL.Image.Resampling.NEAREST)
