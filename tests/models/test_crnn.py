"""The network that reads lines of text."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.models import CRNN
from zoo.models.cnn import BidirectionalLSTM, build
from zoo.models.convolution import ResidualBlock
from zoo.spec import Classes, Image, Spec, TextLine, Transcript

SPEC = Spec(TextLine(32), Transcript("abcdef"))
SMALL: dict[str, Any] = {"widths": (4, 6, 8), "hidden_size": 8, "num_layers": 2}


def with_blocks(layers: int = 2) -> CRNN:
    """A network whose residual blocks no longer pass on what they are given, as new ones do."""
    network = CRNN(32, 6, **SMALL | {"num_layers": layers}, blocks=1)
    for block in network.modules():
        if isinstance(block, ResidualBlock):
            nn.init.ones_(block.norm.weight)
    return network


def lines(*widths: int, height: int = 32) -> tuple[Tensor, Tensor]:
    """Random lines of these widths as `TextLine.prepare` would give them."""
    generator = torch.Generator().manual_seed(0)
    encoded = [torch.randint(0, 256, (width, height), dtype=torch.uint8, generator=generator) for width in widths]
    line = TextLine(height)
    return line.prepare(line.collate(encoded))


@pytest.mark.parametrize(("width", "steps"), [(1, 2), (2, 2), (4, 2), (5, 4), (8, 4), (101, 52)])
@pytest.mark.parametrize("height", [8, 32, 45])
def test_any_size_of_line(height: int, width: int, steps: int) -> None:
    network = CRNN(height, 6, **SMALL).eval()
    assert network(*lines(width, height=height)).shape == (1, steps, 7)


@pytest.mark.parametrize("layers", [0, 2])
def test_what_stands_beside_a_line_does_not_matter(layers: int) -> None:
    torch.manual_seed(0)
    network = with_blocks(layers)
    for _ in range(3):  # so that the statistics of normalisation are of something
        network(*lines(40, 60, 33))
    network.eval()
    widths = (57, 3, 100, 18, 1)
    x, lengths = lines(*widths)
    together = network(x, lengths)
    for row, width in enumerate(widths):
        alone = network(x[row : row + 1, :, :, :width], lengths[row : row + 1])
        torch.testing.assert_close(together[row : row + 1, : alone.shape[1]], alone, rtol=1e-4, atol=1e-5)
        beyond = together[row, alone.shape[1] :].softmax(dim=1)
        assert (beyond[:, 0] == 1).all()  # blank


def test_new_blocks_change_nothing() -> None:
    """So that a network without them can be trained on with them."""
    torch.manual_seed(0)
    plain, deeper = CRNN(32, 6, **SMALL).eval(), CRNN(32, 6, **SMALL, blocks=2).eval()
    missing, unexpected = deeper.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"blocks"}
    torch.testing.assert_close(deeper(*lines(40, 64, 30)), plain(*lines(40, 64, 30)))


def test_two_lstms_are_torch_s_bidirectional_one() -> None:
    torch.manual_seed(0)
    ours, theirs = BidirectionalLSTM(5, 7), nn.LSTM(5, 7, batch_first=True, bidirectional=True)
    for name, parameter in theirs.named_parameters():
        half = ours.backwards if name.endswith("_reverse") else ours.forwards
        parameter.data = getattr(half, name.removesuffix("_reverse")).data
    x, lengths = torch.randn(4, 9, 5), torch.tensor([9, 4, 1, 6])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    found = ours(x, lengths)
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


def test_every_parameter_gets_a_finite_gradient() -> None:
    torch.manual_seed(0)
    network = with_blocks()
    loss_of(network(*lines(40, 64, 30))).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("layers", [0, 1])
def test_a_batch_can_be_learned_by_heart(layers: int) -> None:
    """Of lines so short that few steps do; of 40 seeds the worst comes to a fortieth of the first loss.

    Whoever saw no difference between the lines would be left with log(3) for each text, a ninth of the first loss.
    """
    network = CRNN(32, 6, widths=(8, 12), hidden_size=16, num_layers=layers)
    x, lengths = lines(16, 24, 12)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    first = loss_of(network(x, lengths)).item()
    for _ in range(60):
        loss = loss_of(network(x, lengths))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < first / 20


def loss_of(logits: Tensor) -> Tensor:
    """Of three texts that nobody could guess."""
    texts, counts = torch.tensor([[1, 2, 3, 0], [4, 4, 5, 6], [2, 1, 0, 0]]), torch.tensor([3, 4, 2])
    steps = torch.full((3,), logits.shape[1])
    return functional.ctc_loss(logits.log_softmax(dim=2).transpose(0, 1), texts, steps, counts)


def test_it_is_built_for_a_spec_and_without_memory() -> None:
    with torch.device("meta"):
        hollow = build(SPEC, **SMALL)
    network = build(SPEC, **SMALL)
    assert isinstance(network, CRNN)
    hollow.load_state_dict(network.state_dict(), assign=True)
    x, lengths = lines(20)
    assert torch.equal(hollow.eval()(x, lengths), network.eval()(x, lengths))
    assert sum(parameter.numel() for parameter in build(SPEC).parameters()) < 2_000_000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [8]}, "widths"),
        ({"widths": [8, 0]}, "widths"),
        ({"height": 0}, "height"),
        ({"num_classes": 0}, "num_classes"),
        ({"hidden_size": 0}, "hidden_size"),
        ({"num_layers": -1}, "num_layers"),
        ({"blocks": -1}, "blocks"),
        ({"dropout": 1.0}, "dropout"),
    ],
    ids=str,
)
def test_numbers_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CRNN(**options)


def test_options_of_the_reader_are_refused_for_pictures() -> None:
    with pytest.raises(ValueError, match="hidden_size is for other data; here cnn has dropout, widths, blocks"):
        build(Spec(Image(1, 8, 8, (0.5,), (0.5,)), Classes(("no", "yes"))), hidden_size=8)


def test_dropout_acts_in_training_only() -> None:
    network = CRNN(32, 6, **SMALL, dropout=0.5).eval()
    x, lengths = lines(30)
    assert torch.equal(network(x, lengths), network(x, lengths))
    network.dropout.train()
    assert not torch.equal(network(x, lengths), network(x, lengths))


CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", torch.bfloat16),
        pytest.param("cuda", torch.bfloat16, marks=CUDA),
        pytest.param("cuda", torch.float16, marks=CUDA),
    ],
    ids=str,
)
def test_mixed_precision_gives_float32_logits_of_about_the_same_value(device: str, precision: torch.dtype) -> None:
    torch.manual_seed(0)
    network = CRNN(32, 6, **SMALL).to(device)
    x, lengths = (part.to(device) for part in lines(50, 31))
    expected = network(x, lengths)
    with torch.autocast(device, precision):
        logits = network(x, lengths)
        loss_of(torch.cat([logits, logits[:1]]).cpu()).backward()
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05)
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
