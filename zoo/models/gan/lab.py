"""CIE L*a*b*, and the classes of colour that colourisation tells apart.

sRGB (IEC 61966-2-1) to L*a*b* under its own white, D65, as in CIE 15 (2004). Classes: Zhang, Isola and Efros, "Colorful
image colorization", 2016: the squares of a grid over a* and b* that colours of sRGB fall into.

Shape letters: B batch, H height, W width, Q = 261 classes, N colours, K nearest classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
TO_RGB = (  # its inverse
    (3.24048134, -1.53715152, -0.49853633),
    (-0.96925495, 1.87599000, 0.04155593),
    (0.05564664, -0.20404134, 1.05731107),
)
WHITE = (0.95047, 1.0, 1.08883)  # X, Y and Z of D65
LINEAR_BELOW = (0.04045, 0.0031308)  # of sRGB's curve, encoded and linear
CUBE_ABOVE, SLOPE, OFFSET = 0.008856, 7.787, 16 / 116  # of the curve of L*a*b*

STEP = 10  # of the grid over a* and b*
FIRST_A = -9  # of the rows of the grid, in steps
ROWS = (  # first and last b* of each row, in steps
    (8, 8), (4, 8), (2, 9), (0, 9), (-2, 9), (-3, 9), (-4, 9), (-4, 9), (-5, 9), (-6, 9),
    (-7, 8), (-7, 8), (-8, 8), (-9, 8), (-9, 7), (-10, 7), (-11, 7), (-11, 7), (-9, 0), (-7, -5),
)  # fmt: skip
NUM_CLASSES = sum(last - first + 1 for first, last in ROWS)  # Q
NEAREST, SPREAD = 5, 5.0  # K classes share a colour, by a Gaussian of this standard deviation


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Red, green and blue in 0..1 (B, 3, H, W) to L* in 0..100, a* and b*, of the same shape."""
    low = rgb <= LINEAR_BELOW[0]
    linear = torch.where(low, rgb / 12.92, ((rgb.clamp(min=LINEAR_BELOW[0]) + 0.055) / 1.055) ** 2.4)
    x, y, z = (_curve(part / white) for part, white in zip(_mixed(TO_XYZ, linear), WHITE))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L*, a* and b* (B, 3, H, W) to red, green and blue in 0..1; what lies outside sRGB is clamped, each by itself."""
    lightness, a, b = lab.unbind(dim=1)
    y = (lightness + 16) / 116
    parts = (y + a / 500, y, y - b / 200)
    xyz = torch.stack([_inverse_curve(part) * white for part, white in zip(parts, WHITE)], dim=1)
    linear = torch.stack(_mixed(TO_RGB, xyz), dim=1)
    curved = 1.055 * linear.clamp(min=LINEAR_BELOW[1]) ** (1 / 2.4) - 0.055
    return torch.where(linear <= LINEAR_BELOW[1], 12.92 * linear, curved).clamp(0, 1)


def grey_lightness(grey: Tensor) -> Tensor:
    """L* in 0..100 of grey pixels in 0..1, (B, 1, H, W)."""
    return rgb_to_lab(grey.expand(-1, 3, -1, -1))[:, :1]


def colour_classes() -> Tensor:
    """a* and b* of each class, float32 (Q, 2)."""
    return torch.tensor(
        [(STEP * a, STEP * b) for a, (first, last) in enumerate(ROWS, start=FIRST_A) for b in range(first, last + 1)],
        dtype=torch.float32,
    )


def soft_classes(ab: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest classes of colours, a* and b* (N, 2): their codes (N, K), nearest first, and shares that add to 1."""
    distances, codes = torch.cdist(ab, classes).topk(NEAREST, dim=1, largest=False)
    return codes, (-distances.square() / (2 * SPREAD**2)).softmax(dim=1)


def annealed_mean(logits: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """a* and b* (B, 2, H, W) from logits of classes (B, Q, H, W): the mean of the distribution, sharpened.

    With temperature 1 it is the mean, which is safe and pale; towards 0 it becomes the likeliest class, which is vivid
    and patchy.
    """
    if temperature == 0:
        return classes[logits.argmax(dim=1)].permute(0, 3, 1, 2)
    return torch.einsum("bqhw,qc->bchw", (logits / temperature).softmax(dim=1), classes)


def _mixed(matrix: tuple[tuple[float, ...], ...], image: Tensor) -> list[Tensor]:
    """The products (B, H, W) of each row of a matrix with the channels of images (B, 3, H, W)."""
    first, second, third = image.unbind(dim=1)
    return [a * first + b * second + c * third for a, b, c in matrix]


def _curve(t: Tensor) -> Tensor:
    return torch.where(t > CUBE_ABOVE, t.clamp(min=CUBE_ABOVE) ** (1 / 3), SLOPE * t + OFFSET)


def _inverse_curve(f: Tensor) -> Tensor:
    return torch.where(f > CUBE_ABOVE ** (1 / 3), f**3, (f - OFFSET) / SLOPE)
