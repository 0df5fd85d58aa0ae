"""Restored pictures beside those of simpler methods, on the same images and masks.

Super-resolution on Set5 and Set14 (folders of `root`): PSNR (dB), SSIM and sharpness of the luma, without `scale`
pixels at each edge, of whole pictures whose low-resolution ones are MATLAB-like bicubic. Sharpness is the mean distance
of neighbouring pixels as a share of the true picture's. Inpainting on MNIST's test split: within the hole, beside the
mean of what is known and scikit-image's biharmonic inpainting (Damelin and Hoang, "On surface completion and image
inpainting by biharmonic functions", 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from torchmetrics import MeanMetric

import zoo
from zoo.data.images import MNIST
from zoo.metrics.restoration import Quality
from zoo.spec import Image
from zoo.tasks.gan import Degradation, Downscale, Mask

PICTURES = 1000  # of MNIST, since biharmonic inpainting takes some hundredths of a second each
COLOUR = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
Method = Callable[[Tensor], Tensor]  # what a network takes, before `prepare`, to whole pictures, both uint8


def run(root: Path) -> None:
    """Print both tables."""
    methods: dict[str, tuple[Downscale, Method]] = {}
    for record in zoo.list_weights("gan.super_resolution_*"):
        artefact = zoo.load(record.name)
        degradation = Downscale(artefact.spec.input.scale)
        methods.setdefault(f"bicubic x{degradation.scale}", (degradation, _simple(degradation, "bicubic")))
        methods[record.name] = degradation, _network(artefact)
    print(f"{'Y channel: PSNR, SSIM, sharpness':40}{'Set5':>24}{'Set14':>24}")
    for name, (degradation, restore) in methods.items():
        figures = [_judge(degradation, restore, _folder(root / folder)) for folder in ("Set5", "Set14")]
        cells = (f"{found['psnr']:8.2f} dB {found['ssim']:.4f} {found['sharpness']:5.2f}" for found in figures)
        print(f"{name:40}" + "".join(cells))
    data = MNIST(str(root))
    data.prepare_data()
    data.setup()
    pictures = data.splits["test"].tensors[0][:PICTURES].split(100)
    mask = Mask()
    print(f"\n{f'{PICTURES} digits of MNIST, in the hole':40}{'L1':>8}{'PSNR':>10}{'SSIM':>8}")
    for method, restore in {
        "mean of what is known": _simple(mask, "mean_fill"),
        "biharmonic (scikit-image)": _biharmonic,
        **{record.name: _network(zoo.load(record.name)) for record in zoo.list_weights("gan.inpainting_mnist")},
    }.items():
        found = _judge(mask, restore, iter(pictures))
        print(f"{method:40}{found['l1']:8.4f}{found['psnr']:7.2f} dB{found['ssim']:8.4f}")


def _judge(degradation: Degradation, restore: Method, batches: Iterator[Tensor]) -> dict[str, float]:
    quality, sharpness = Quality(degradation.margin), MeanMetric()
    for place, batch in enumerate(batches):
        spoilt, true, region = degradation(batch, torch.Generator().manual_seed(place))
        found, where = degradation.metric_input(restore(spoilt), region)
        wanted, _ = degradation.metric_input(true, region)
        quality.update(found, wanted, where)
        sharpness.update(_variation(found) / _variation(wanted))
    return {**quality.compute(), "sharpness": float(sharpness.compute())}


def _variation(pictures: Tensor) -> Tensor:
    """The mean distance of neighbouring pixels: a blurred picture has less of it."""
    return pictures.diff(dim=-1).abs().mean() + pictures.diff(dim=-2).abs().mean()


def _folder(folder: Path) -> Iterator[Tensor]:
    return (COLOUR.encode(file)[None] for file in sorted(folder.glob("*.png")))


def _simple(degradation: Degradation, method: str) -> Method:
    return lambda spoilt: degradation.baselines(spoilt)[method]


def _network(artefact: zoo.Artefact) -> Method:
    network = getattr(artefact.network, "generate", artefact.network)
    spec = artefact.spec

    @torch.inference_mode()
    def restore(spoilt: Tensor) -> Tensor:
        return spec.output.restore(network(spec.input.prepare(spoilt)))

    return restore


def _biharmonic(spoilt: Tensor) -> Tensor:
    from skimage.restoration import inpaint_biharmonic

    filled = [inpaint_biharmonic(picture[0].numpy() / 255, picture[1].numpy() > 0) for picture in spoilt]
    restored = torch.stack([torch.from_numpy(picture) for picture in filled])[:, None]
    return (restored.clamp(0, 1) * 255).round().to(torch.uint8)
