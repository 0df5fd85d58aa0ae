"""Restored pictures beside those of simpler methods, on the same images and masks.

Super-resolution on Set5 and Set14 (folders of `root`): PSNR (dB) and SSIM of the luma, without `scale`
pixels at each edge, of whole pictures whose low-resolution ones are MATLAB-like bicubic. Inpainting on MNIST's test
split: within the hole, beside the mean of what is known and scikit-image's biharmonic inpainting (Damelin and Hoang,
"On surface completion and image inpainting by biharmonic functions", 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

import zoo
from zoo.data.images import MNIST
from zoo.spec import Image
from zoo.tasks.degradations import Degradation, Downscale, Mask
from zoo.tasks.quality import Quality

PICTURES = 1000  # of MNIST, since biharmonic inpainting takes some hundredths of a second each
COLOUR = Image(3, None, None, (0.5,) * 3, (0.5,) * 3)
Method = Callable[[Tensor], Tensor]  # what a network takes, before `prepare`, to whole pictures, both uint8


def run(root: Path) -> None:
    """Print both tables."""
    weights = [record.name for record in zoo.list_weights("gan.super_resolution_*")]
    print(f"{'Y channel':34}{'Set5':>20}{'Set14':>20}")
    for name in weights:
        artefact = zoo.load(name)
        degradation = Downscale(artefact.spec.input.scale)
        methods = {f"bicubic x{degradation.scale}": _simple(degradation, "bicubic"), name: _network(artefact)}
        for method, restore in methods.items():
            figures = [_judge(degradation, restore, _folder(root / folder)) for folder in ("Set5", "Set14")]
            print(f"{method:34}" + "".join(f"{found['psnr']:11.2f} dB {found['ssim']:.4f}" for found in figures))
    data = MNIST(str(root))
    data.prepare_data()
    data.setup()
    pictures = data.splits["test"].tensors[0][:PICTURES].split(100)
    mask = Mask()
    print(f"\n{f'{PICTURES} digits of MNIST, in the hole':34}{'L1':>8}{'PSNR':>10}{'SSIM':>8}")
    for method, restore in {
        "mean of what is known": _simple(mask, "mean_fill"),
        "biharmonic (scikit-image)": _biharmonic,
        **{record.name: _network(zoo.load(record.name)) for record in zoo.list_weights("gan.inpainting_mnist")},
    }.items():
        found = _judge(mask, restore, iter(pictures))
        print(f"{method:34}{found['l1']:8.4f}{found['psnr']:7.2f} dB{found['ssim']:8.4f}")


def _judge(degradation: Degradation, restore: Method, batches: Iterator[Tensor]) -> dict[str, float]:
    quality = Quality(degradation.margin)
    for place, batch in enumerate(batches):
        spoilt, true, region = degradation(batch, torch.Generator().manual_seed(place))
        found, where = degradation.judged(restore(spoilt), region)
        quality.update(found, degradation.judged(true, region)[0], where)
    return quality.compute()


def _folder(folder: Path) -> Iterator[Tensor]:
    return (COLOUR.encode(file)[None] for file in sorted(folder.glob("*.png")))


def _simple(degradation: Degradation, method: str) -> Method:
    return lambda spoilt: degradation.simple(spoilt)[method]


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
