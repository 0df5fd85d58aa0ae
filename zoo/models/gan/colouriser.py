"""A network that colours grey images, as a distribution over classes of colour.

Zhang, Isola and Efros, "Colorful image colorization", 2016: a thing may have several colours, so that the mean of them
is grey; what is learned is how likely each class of colour is, and the answer is the mean of the sharpened
distribution. Hints: Zhang et al., "Real-time user-guided image colorization with learned deep priors", 2017. Colours
are computed at half the size, and the luminance is that of the grey image.

Shape letters: B batch, Q classes of colour, H height, W width; h = H / 2 and w = W / 2, rounded up: the cells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.files import quoted
from zoo.models.gan.lab import NUM_CLASSES, annealed_mean, colour_classes, grey_lightness, lab_to_rgb, rgb_to_lab
from zoo.models.gan.unet import UNet

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in a grey image: ITU-R BT.601, as in JPEG and Pillow
TEMPERATURE = 0.38  # of the annealed mean, as in the paper
FEATURES = 64  # of each cell, before it is classified
HINT_SCALE = 110.0  # the largest a* and b* of a hint become about 1
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class Colouriser(nn.Module):
    """Colours a grey image of any size; converted back to grey, the result is the input.

    Args:
        width: channels of the U-Net over cells of 2 x 2 pixels, a multiple of 8; they double with each halving.
        depth: number of halvings of the U-Net.
        side: height and width up to which `generate` computes colours at full size, where it is not told. Things should
            be about as large there as in the images of the training.

    Raises:
        ValueError: a number is out of range.
    """

    classes: Tensor

    def __init__(self, *, width: int = 32, depth: int = 2, side: int = 256) -> None:
        super().__init__()
        self.unet = UNet(7, FEATURES, width=width, depth=depth)  # four grey pixels, and a hint of three numbers
        self.head = nn.Sequential(nn.SiLU(), nn.Conv2d(FEATURES, NUM_CLASSES, kernel_size=1))
        self.register_buffer("classes", colour_classes())
        self.min_size = 2 ** (depth + 1)
        self.side = check.whole("side", side, self.min_size)
        self.num_stages = depth + 1

    def forward(self, x: Tensor, hints: Tensor | None = None) -> Tensor:
        """Grey (B, 1, H, W) to red, green and blue (B, 3, H, W), float32, both in -1..1; hints as in `logits`."""
        return self.from_logits(x, self.logits(x, hints), hints)

    def logits(self, x: Tensor, hints: Tensor | None = None) -> Tensor:
        """How likely each class of colour is in each cell: grey (B, 1, H, W) in -1..1 to float32 (B, Q, h, w).

        Args:
            x: the grey image.
            hints: known colours of cells (B, 3, h, w): a* and b*, and 1 where there is a hint or else 0; None for none.
        """
        return self.head(self.unet(self._cells(x, hints))).float()

    def from_logits(self, x: Tensor, logits: Tensor, hints: Tensor | None = None) -> Tensor:
        """As `forward`, where the logits are known."""
        return self.coloured(x, self.colours(logits, hints))

    def colours(self, logits: Tensor, hints: Tensor | None, temperature: float = TEMPERATURE) -> Tensor:
        """a* and b* of each cell, (B, 2, h, w): the annealed mean, and in a cell with a hint the colour of that."""
        return where_hinted(annealed_mean(logits, self.classes, temperature), hints)

    def coloured(self, x: Tensor, ab: Tensor) -> Tensor:
        """Grey (B, 1, H, W) in -1..1 with a* and b* (B, 2, h, w) of its cells, as `forward` gives it."""
        x = x.float()
        return colour(x, chroma_of(x, enlarged(ab, x)))

    def generate(
        self,
        x: Tensor,
        *,
        hints: Sequence[Sequence[int | str]] = (),
        temperature: float = TEMPERATURE,
        side: int | None = None,
    ) -> Tensor:
        """As `forward`, in whole steps of 1/255, whose luminance is that of x even after rounding.

        Colours vary slowly: those of a larger image are computed at a smaller size, and enlarged.

        Args:
            x: (B, 1, H, W) in -1..1.
            hints: points whose colour is known, such as [[40, 25, "#3366cc"]]: pixels from the left and from the top,
                and red, green and blue; of each, the hue and saturation count.
            temperature: 1 for the mean of the colours that are likely, which is pale; 0 for the likeliest.
            side: height and width up to which colours are computed at full size; None for the network's own.

        Raises:
            SpecError: a hint is no such point, or lies outside the image; temperature or side is out of range.
        """
        height, width = x.shape[-2:]
        if type(temperature) not in (int, float) or not 0 <= temperature <= 1:
            raise SpecError(f"temperature is a number from 0 to 1, not {quoted(temperature)}")
        side = self.side if side is None else side
        if type(side) is not int or side < self.min_size:
            raise SpecError(f"side is a whole number of at least {self.min_size}, not {quoted(side)}")
        points = checked_hints(hints, height, width)
        longest = max(height, width)
        size = height, width
        small = x
        if longest > side:
            size = tuple(max(self.min_size, round(length * side / longest)) for length in (height, width))
            small = functional.interpolate(x, size=size, mode="bilinear", antialias=True)
        cells = self._hinted(points, (height, width), size, x) if points else None
        ab = self.colours(self.logits(small, cells), cells, temperature)
        if longest > side:
            ab = functional.interpolate(ab, size=(-(-height // 2), -(-width // 2)), mode="bicubic")
        return _round_with_exact_luma(x, self.coloured(x, ab))

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature maps of the U-Net on the way down."""
        return self.unet.forward_stages(self._cells(x, None))

    def _cells(self, x: Tensor, hints: Tensor | None) -> Tensor:
        """Grey pixels (B, 1, H, W) and the hints of their cells, as the U-Net takes them: (B, 7, h, w)."""
        return beside_hints(in_cells(x, self.min_size), hints)

    def _hinted(
        self,
        points: Sequence[tuple[int, int, Tensor]],
        size: tuple[int, int],
        small: tuple[int, int],
        x: Tensor,
    ) -> Tensor:
        """The cells of an image of one size, shrunk to another, with what the hints say of them: (B, 3, h, w)."""
        cells = x.new_zeros(len(x), 3, -(-small[0] // 2), -(-small[1] // 2))
        for left, top, ab in points:
            row, column = int(top * small[0] / size[0]) // 2, int(left * small[1] / size[1]) // 2
            cells[:, :2, row, column] = ab.to(cells)
            cells[:, 2, row, column] = 1
        return cells


def checked_hints(hints: object, height: int, width: int) -> list[tuple[int, int, Tensor]]:
    """Hints as pixels from the left and from the top, with a* and b* (2,).

    Raises:
        SpecError: one of them is no such point, or lies outside the image.
    """
    if not isinstance(hints, (list, tuple)):
        raise SpecError(f'hints is a list of points, such as [[40, 25, "#3366cc"]], not {quoted(hints)}')
    points = []
    for number, hint in enumerate(hints, start=1):
        if not isinstance(hint, (list, tuple)) or len(hint) != 3 or not _COLOUR.fullmatch(str(hint[2])):
            raise SpecError(f'hint {number} is [x, y, "#rrggbb"], such as [40, 25, "#3366cc"], not {quoted(hint)}')
        left, top, shown = hint
        if type(left) is not int or type(top) is not int:
            raise SpecError(f"hint {number}: x and y are whole numbers of pixels, not {quoted([left, top])}")
        if not (0 <= left < width and 0 <= top < height):
            raise SpecError(f"hint {number} is at {left}, {top}, outside the image of {width} x {height} pixels")
        rgb = torch.tensor([int(shown[place : place + 2], 16) / 255 for place in (1, 3, 5)])
        points.append((left, top, rgb_to_lab(rgb.view(1, 3, 1, 1))[0, 1:, 0, 0]))
    return points


@fx.wrap  # what depends on the size of an input is one node of a traced graph
def in_cells(x: Tensor, min_size: int) -> Tensor:
    """Images (B, C, H, W) as cells of 2 x 2 pixels (B, 4 C, h, w); where a side is odd, its last pixel is repeated.

    Raises:
        SpecError: a side is shorter than `min_size`.
    """
    height, width = x.shape[-2:]
    if min(height, width) < min_size:
        raise SpecError(f"images of {height} x {width} pixels are too small: that depth needs {min_size}")
    return functional.pixel_unshuffle(functional.pad(x, (0, width % 2, 0, height % 2), mode="replicate"), 2)


@fx.wrap
def beside_hints(cells: Tensor, hints: Tensor | None) -> Tensor:
    """Cells (B, 4, h, w) with the hints for them (B, 3, h, w), scaled, as further channels; 0 where there are none."""
    if hints is None:
        return functional.pad(cells, (0, 0, 0, 0, 0, 3))
    scaled = torch.cat([hints[:, :2] / HINT_SCALE, hints[:, 2:]], dim=1)
    return torch.cat([cells, scaled.to(cells.dtype)], dim=1)


@fx.wrap
def where_hinted(ab: Tensor, hints: Tensor | None) -> Tensor:
    """The colours of cells (B, 2, h, w), and in those with a hint the colour of that."""
    return ab if hints is None else torch.where(hints[:, 2:] > 0.5, hints[:, :2], ab)


@fx.wrap
def enlarged(ab: Tensor, x: Tensor) -> Tensor:
    """The colours of cells (B, 2, h, w) for each pixel of images (B, 1, H, W): (B, 2, H, W)."""
    return functional.interpolate(ab, scale_factor=2.0, mode="bilinear")[..., : x.shape[-2], : x.shape[-1]]


def cell_means(ab: Tensor) -> Tensor:
    """The mean of each cell: (B, 2, H, W) to (B, 2, h, w)."""
    return functional.avg_pool2d(ab, kernel_size=2, ceil_mode=True)


@fx.wrap
def chroma_of(luma: Tensor, ab: Tensor) -> Tensor:
    """Chroma Cb, Cr in -0.5..0.5 (B, 2, H, W) of grey pixels (B, 1, H, W) in -1..1 once they have these a* and b*."""
    rgb = lab_to_rgb(torch.cat([grey_lightness((luma + 1) / 2), ab], dim=1))
    red, green, blue = rgb.split(1, dim=1)
    grey = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return torch.cat([(blue - grey) / (2 - 2 * LUMA[2]), (red - grey) / (2 - 2 * LUMA[0])], dim=1)


def colour(luma: Tensor, chroma: Tensor) -> Tensor:
    """Red, green and blue (B, 3, H, W) in -1..1 from luma (B, 1, H, W) in -1..1 and chroma Cb, Cr in -0.5..0.5.

    The luma of the result is exactly that given: a colour outside the cube of possible colours is moved towards grey
    just far enough to lie in it.
    """
    cb, cr = chroma[:, :1], chroma[:, 1:]
    red, green, blue = LUMA
    offsets = torch.cat(
        [
            2 * (1 - red) * cr,
            -2 * (blue * (1 - blue) * cb + red * (1 - red) * cr) / green,
            2 * (1 - blue) * cb,
        ],
        dim=1,
    )
    offsets = 2 * offsets  # of pixels in -1..1
    room = torch.where(offsets > 0, 1 - luma, 1 + luma)
    fraction = (room / offsets.abs().clamp(min=1e-6)).amin(dim=1, keepdim=True).clamp(0, 1)
    return luma + fraction * offsets


def _round_with_exact_luma(luma: Tensor, image: Tensor) -> Tensor:
    """Round pixels (B, 3, H, W) in -1..1 to steps of 1/255, and green so that the rounded luma is that given.

    A step of green is 0.587 steps of luma, so one always fits.
    """
    red, green, blue = LUMA
    grey = ((luma + 1) * 127.5).round()
    steps = ((image + 1) * 127.5).round().clamp(0, 255)
    fitting = (grey - red * steps[:, :1] - blue * steps[:, 2:]) / green
    steps = torch.cat([steps[:, :1], fitting.round().clamp(0, 255), steps[:, 2:]], dim=1)
    return steps / 127.5 - 1
