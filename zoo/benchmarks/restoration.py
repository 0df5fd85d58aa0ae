"""Restored images beside those of simpler methods, on the same images and masks.

Super-resolution on Set5 and Set14 (folders of `root`): PSNR (dB), SSIM and sharpness of the luma, without `scale`
pixels at each edge, from inputs that are downscaled as by MATLAB's bicubic. Sharpness is the total variation as a
fraction of the true image's. Inpainting on MNIST's test split: within the hole, beside the mean of the known pixels
and scikit-image's biharmonic inpainting (Damelin and Hoang, "On surface completion and image inpainting by biharmonic
functions", 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MeanMetric

import zoo
from zoo.benchmarks import Row
from zoo.data.images import MNIST
from zoo.metrics.restoration import RestorationMetrics
from zoo.spec import Image, SmallImage
from zoo.tasks.gan import Degradation, Downscale, Mask

NUM_IMAGES = 1000  # of MNIST, since biharmonic inpainting takes some hundredths of a second each
COLOUR = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
Method = Callable[[Tensor], Tensor]  # from a network's input, before `prepare`, to whole images, both uint8


def run(root: Path) -> list[Row]:
    """Print both tables, and give their rows: PSNR, in dB."""
    rows = []
    methods: dict[str, tuple[Downscale, Method]] = {}
    for record in zoo.list_weights("gan.super_resolution_*"):
        artefact = zoo.load(record.name)
        assert isinstance(artefact.spec.input, SmallImage)
        degradation = Downscale(artefact.spec.input.scale)
        methods.setdefault(f"bicubic x{degradation.scale}", (degradation, _simple(degradation, "bicubic")))
        methods[record.name] = degradation, _network(artefact)
    print(f"{'Y channel: PSNR, SSIM, sharpness':40}{'Set5':>24}{'Set14':>24}")
    for name, (degradation, restore) in methods.items():
        results = [_evaluate(degradation, restore, _folder(root / folder)) for folder in ("Set5", "Set14")]
        cells = (f"{found['psnr']:8.2f} dB {found['ssim']:.4f} {found['sharpness']:5.2f}" for found in results)
        print(f"{name:40}" + "".join(cells))
        decibels = [found["psnr"] for found in results]
        if name.startswith("bicubic"):
            usual = decibels
        else:
            rows += [Row(f"{name}, {folder}", [a], [b]) for folder, a, b in zip(("Set5", "Set14"), decibels, usual)]
    data = MNIST(str(root))
    data.prepare_data()
    data.setup()
    images = data.splits["test"].columns[0]
    assert isinstance(images, Tensor)
    mask = Mask()
    print(f"\n{f'{NUM_IMAGES} digits of MNIST, in the hole':40}{'L1':>8}{'PSNR':>10}{'SSIM':>8}")
    for method, restore in {
        "mean of what is known": _simple(mask, "mean_fill"),
        "biharmonic (scikit-image)": _biharmonic,
        **{record.name: _network(zoo.load(record.name)) for record in zoo.list_weights("gan.inpainting_mnist")},
    }.items():
        found = _evaluate(mask, restore, iter(images[:NUM_IMAGES].split(100)))
        print(f"{method:40}{found['l1']:8.4f}{found['psnr']:7.2f} dB{found['ssim']:8.4f}")
        if method.startswith("biharmonic"):
            usual = [found["psnr"]]
        elif method.startswith("gan."):
            rows.append(Row(method, [found["psnr"]], usual))
    return rows


def _evaluate(degradation: Degradation, restore: Method, batches: Iterator[Tensor]) -> dict[str, float]:
    metrics, sharpness = RestorationMetrics(degradation.margin), MeanMetric()
    for place, batch in enumerate(batches):
        spoilt, true, region = degradation(batch, torch.Generator().manual_seed(place))
        found, where = degradation.metric_input(restore(spoilt), region)
        wanted, _ = degradation.metric_input(true, region)
        metrics.update(found, wanted, where)
        sharpness.update(_variation(found) / _variation(wanted))
    return {name: float(value) for name, value in {**metrics.compute(), "sharpness": sharpness.compute()}.items()}


def _variation(images: Tensor) -> Tensor:
    """The mean distance of neighbouring pixels (total variation): a blurred image has less of it."""
    return images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()


def _folder(folder: Path) -> Iterator[Tensor]:
    return (COLOUR.encode(file)[None] for file in sorted(folder.glob("*.png")))


def _simple(degradation: Degradation, method: str) -> Method:
    return lambda spoilt: degradation.baselines(spoilt)[method]


def _network(artefact: zoo.Artefact) -> Method:
    network: Any = getattr(artefact.network, "generate", artefact.network)
    spec = artefact.spec
    assert isinstance(spec.output, Image)
    output = spec.output

    @torch.inference_mode()
    def restore(spoilt: Tensor) -> Tensor:
        return output.restore(network(spec.input.prepare(spoilt)))

    return restore


def _biharmonic(spoilt: Tensor) -> Tensor:
    from skimage.restoration import inpaint_biharmonic

    filled = [inpaint_biharmonic(image[0].numpy() / 255, image[1].numpy() > 0) for image in spoilt]
    restored = torch.stack([torch.from_numpy(image) for image in filled])[:, None]
    return (restored.clamp(0, 1) * 255).round().to(torch.uint8)
