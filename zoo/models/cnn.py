"""Small convolutional networks that classify images and read lines of text.

`CNN`: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998: convolutions
that halve the image, then a linear layer. Where we deviate: strided convolutions in place of subsampling
(Springenberg et al., 2015), batch normalisation (Ioffe and Szegedy, 2015), ReLU, and optional residual blocks (He et
al., 2016).

`CRNN`: Shi, Bai, Yao, "An end-to-end trainable neural network for image-based sequence recognition and its
application to scene text recognition", 2015: convolutions over the line, a bidirectional LSTM along it, and CTC. Where
we deviate: strided convolutions in place of pooling, optional residual blocks, and two steps of CTC for each step of
the LSTM. The LSTM may be left out, where characters do not depend on one another.

`PhotoCNN` (`zoo/models/photo_cnn.py`) is for small colour photographs.

Shape letters: B batch, C channels, H height, W width, T time (steps along a line), F features, K classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from zoo import check
from zoo.errors import SpecError
from zoo.models import photo_cnn
from zoo.models.cnn1d import SequenceCNN, TextCNN
from zoo.models.convolution import Convolution, ResidualBlock, averaged_down, to_channels_last
from zoo.models.photo_cnn import PhotoCNN
from zoo.models.precision import in_float32
from zoo.models.rnn.forecasting import forecaster
from zoo.models.rnn.steps import Tagger
from zoo.spec import (
    Classes,
    Forecast,
    Image,
    Labels,
    MultiLabel,
    Series,
    Spec,
    Strokes,
    Text,
    TextLine,
    Transcript,
    Values,
)

WIDTHS = (16, 32, 64)  # of the stages of a classifier
STEPS = 2  # of CTC for each step of the LSTM; otherwise narrow letters would have less than one
IMPOSSIBLE = -1e4  # a logit that float16 can still hold
fx.wrap("averaged_down")  # one node of a traced graph


class CNN(nn.Module):
    """Strided convolutions, one a stage and each halving height and width, then one linear layer.

    Args:
        in_channels: channels of the image.
        num_classes: K, the number of logits, or of values; with 0 there is no classifier, and the network gives the
            features.
        widths: channels of each stage; the first convolution is 5 x 5, the others 3 x 3.
        blocks: residual blocks that follow the convolution of each stage but the first.
        grid: the classifier sees grid x grid cells; a larger feature map is averaged down to that.
        dropout: probability of zeroing a feature before the classifier, 0 <= dropout < 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        widths: Sequence[int] = WIDTHS,
        blocks: int = 0,
        grid: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("in_channels", in_channels)
        check.whole("num_classes", num_classes, 0)
        check.widths(widths, 1, 16)
        check.whole("blocks", blocks, 0, 64)
        check.whole("grid", grid)
        check.fraction("dropout", dropout, one=False)
        self.num_features = widths[-1] * grid * grid
        self.grid = grid
        self.num_stages = len(widths)
        self.ends = [stage * (1 + blocks) for stage in range(len(widths))]  # the last of `stages` that each stage has
        self.stages = nn.Sequential()
        for stage, (fan_in, width) in enumerate(zip((in_channels, *widths), widths)):
            self.stages.append(Convolution(fan_in, width, kernel_size=3 if stage else 5, stride=2))
            if stage:
                self.stages.extend(ResidualBlock(width) for _ in range(blocks))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        to_channels_last(self)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W), any size, to logits or values (B, K), or features without a classifier."""
        return self.classifier(self.dropout(self.forward_features(x)))

    def forward_features(self, x: Tensor) -> Tensor:
        """Normalised images (B, C, H, W) to the features (B, F) that the classifier sees."""
        x = averaged_down(self.stages(x.contiguous(memory_format=torch.channels_last)), self.grid)
        # B, C, H, W -> B, H * W * C: in the order of memory; another order costs backward a copy, 30 times as slow
        return x.permute(0, 2, 3, 1).flatten(1)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The feature map (B, width, H / 2**(stage + 1), W / 2**(stage + 1)) of each stage, from the first on."""
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for place, part in enumerate(self.stages):
            x = part(x)
            maps += [x] if place in self.ends else []
        return maps

    def remove_head(self) -> None:
        """Leave the classifier out, as `num_classes=0` does: the network then gives the features."""
        self.classifier = nn.Identity()


class CRNN(nn.Module):
    """Convolutions turn a line of text into a sequence, and bidirectional LSTMs read it both ways.

    Neither the other lines of a batch nor padding changes what is read.

    Args:
        height: of the line, in pixels.
        num_classes: K, the characters.
        widths: channels of each stage; each halves the height, and the first two the width.
        blocks: residual blocks that follow the convolution of each stage but the first.
        hidden_size: units of an LSTM in each direction.
        num_layers: stacked bidirectional LSTMs; with 0 each character is read from its surroundings alone.
        dropout: probability of zeroing a feature before each LSTM and the classifier, 0 <= dropout < 1.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        height: int = 32,
        num_classes: int = 10,
        *,
        widths: Sequence[int] = (16, 48, 96, 128),
        blocks: int = 0,
        hidden_size: int = 192,
        num_layers: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check.whole("height", height)
        check.whole("num_classes", num_classes)
        check.widths(widths, 2, 8)
        check.whole("blocks", blocks, 0, 64)
        check.whole("hidden_size", hidden_size)
        check.whole("num_layers", num_layers, 0, 8)
        check.fraction("dropout", dropout, one=False)
        self.stages, self.blocks = nn.ModuleList(), nn.ModuleList()
        for stage, (fan_in, width) in enumerate(zip((1, *widths), widths)):
            stride = 2 if stage < 2 else (2, 1)
            self.stages.append(Convolution(fan_in, width, kernel_size=3 if stage else 5, stride=stride))
            self.blocks.append(nn.ModuleList(ResidualBlock(width) for _ in range(blocks if stage else 0)))
            height = -(-height // 2)  # rounded up
        fans_in = [widths[-1] * height, *[2 * hidden_size] * num_layers]
        self.readers = nn.ModuleList(BidirectionalLSTM(fan_in, hidden_size) for fan_in in fans_in[:-1])
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(fans_in[-1], STEPS * (1 + num_classes))
        to_channels_last(self)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Normalised lines (B, 1, H, W), zero beyond their lengths (B,), to logits (B, T, 1 + K) of CTC in float32.

        T is W / 2, rounded up to a multiple of 2. Class 0 is the blank; beyond a line's end it is certain.
        """
        x = x.contiguous(memory_format=torch.channels_last)
        for place, (stage, blocks) in enumerate(zip(self.stages, self.blocks)):
            x = stage(x)
            if place < 2:  # those halve the width, rounded up
                lengths = (lengths + 1) // 2
            inside = _inside(lengths, x.shape[3])[:, None, None, :]
            x = x * inside  # nothing but the line
            for block in blocks.children():
                x = block(x, inside)
        x = x.permute(0, 3, 1, 2).flatten(2)  # B, W / 4, C * H
        for reader in self.readers:
            x = reader(self.dropout(x), lengths)
        logits = self.classifier(self.dropout(x)).float()
        # B, W / 4, STEPS * (1 + K) to B, T, 1 + K; not by unflatten, which an exported graph would keep to one width
        logits = logits.reshape(logits.shape[0], logits.shape[1] * STEPS, -1)
        return _blank_beyond(logits, lengths * STEPS)


class BidirectionalLSTM(nn.Module):
    """Two LSTMs read sequences (B, T, F) of lengths (B,) from either end, to (B, T, 2 * hidden_size).

    The second gets each sequence backwards, from its own end. Packing does the same, several times slower on a CPU.
    """

    def __init__(self, fan_in: int, hidden_size: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(fan_in, hidden_size, batch_first=True)
        self.backwards = nn.LSTM(fan_in, hidden_size, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        backwards = in_float32(self.backwards, _reversed(x, lengths))[0]
        return torch.cat([in_float32(self.forwards, x)[0], _reversed(backwards, lengths)], dim=2)


@fx.wrap
def _reversed(x: Tensor, lengths: Tensor) -> Tensor:
    """Sequences (B, T, F), each reversed within its length (B,)."""
    steps = torch.arange(x.shape[1], device=x.device)
    from_end = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)  # B, T
    return x[torch.arange(x.shape[0], device=x.device)[:, None], from_end]


@fx.wrap
def _blank_beyond(logits: Tensor, lengths: Tensor) -> Tensor:
    """Logits (B, T, 1 + K) whose blank is certain beyond each length (B,)."""
    ended = ~_inside(lengths, logits.shape[1])[:, :, None]
    character = torch.arange(logits.shape[2], device=logits.device) > 0
    return logits.masked_fill(ended & character, IMPOSSIBLE)


@fx.wrap
def _inside(lengths: Tensor, size: int) -> Tensor:
    """Which of `size` positions lie within each length (B,), as (B, size)."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def defaults(spec: Spec) -> dict[str, Any]:
    """The options that suit a spec in a training, where they are not given."""
    chosen = {"dropout": 0.5 if isinstance(spec.input, Text) else 0.0}
    if isinstance(spec.input, TextLine):
        return {**chosen, "hidden_size": 192, "num_layers": 1}
    return {**chosen, "causal": True, "pool": "last"} if isinstance(spec.output, Forecast) else chosen


def build(
    spec: Spec,
    *,
    dropout: float = 0.0,
    widths: Sequence[int] | None = None,
    blocks: int | None = None,
    photo: bool | None = None,
    hidden_size: int | None = None,
    num_layers: int | None = None,
    kernel_size: int | None = None,
    causal: bool | None = None,
    pool: str | None = None,
    embedding_dim: int | None = None,
    token_dropout: float | None = None,
    embedding_dropout: float | None = None,
) -> nn.Module:
    """The network for a spec: image, text, strokes or series → classes; line → transcript; series → forecast; ….

    Args:
        spec: what goes in and out.
        dropout: of each network.
        widths, blocks: of images and lines of text, as in `CNN` and `CRNN`.
        photo: of images, whether it is a `PhotoCNN`, for small colour photographs; it has `widths` and no `blocks`.
        hidden_size, num_layers: of lines, as in `CRNN`; of series and strokes, as in `SequenceCNN`; the former of
            texts, too.
        kernel_size, causal, pool: of series and strokes, as in `SequenceCNN`.
        embedding_dim, token_dropout, embedding_dropout: of texts, as in `TextCNN`.

    An option that is None has the default of the network's class.

    Raises:
        SpecError: the spec asks for something else.
        ValueError: an option is out of range, or of another network.
    """
    options = {name: option for name, option in locals().items() if option is not None}
    del options["spec"]
    options["dropout"] = dropout  # which has no other default
    source, wanted = spec.input, spec.output
    if isinstance(source, TextLine) and isinstance(wanted, Transcript):
        return _made(CRNN, options, source.height, len(wanted.alphabet))
    if isinstance(source, Text) and isinstance(wanted, Classes | MultiLabel | Values):
        return _made(TextCNN, options, source.codes, wanted.outputs)
    if isinstance(source, Series) and isinstance(wanted, Labels):
        return Tagger(_made(SequenceCNN, {**options, "pool": "none"}, len(source.names), len(wanted.names)))
    if isinstance(source, Series) and isinstance(wanted, Forecast):
        return forecaster(source, wanted, partial(_made, SequenceCNN, {"pool": "last", **options}))
    if isinstance(source, Series | Strokes) and isinstance(wanted, Classes | MultiLabel | Values):
        features = source.num_features if isinstance(source, Strokes) else len(source.names)
        return _made(SequenceCNN, options, features, wanted.outputs)
    if type(source) is Image and isinstance(wanted, Classes | MultiLabel | Values):
        if options.pop("photo", False):
            photo_cnn.check_size(source, widths or photo_cnn.WIDTHS)
            return _made(PhotoCNN, options, source.channels, wanted.outputs)
        smallest = -(-min(source.size) // 2 ** len(widths or WIDTHS))  # of the last feature map; rounded up
        return _made(CNN, {"grid": min(4, smallest), **options}, source.channels, wanted.outputs)
    raise SpecError(
        "cnn goes from image, text, strokes or series to classes, labels or values, from series to labels of its steps "
        f"or forecast, or from line of text to transcript, not {spec}"
    )


def _made(network: type[nn.Module], options: dict[str, Any], *sizes: int) -> Any:
    """A network of some sizes with options.

    Raises:
        ValueError: it has no such option, or one is out of range.
    """
    known = inspect.signature(network).parameters
    for name in options:
        if name not in known:
            has = ", ".join(one for one in inspect.signature(build).parameters if one in known)
            raise ValueError(f"{name} is for other data; here cnn has {has}")
    return network(*sizes, **options)
