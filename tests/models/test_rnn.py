"""Recurrent networks: against torch's own cells, against packing, and against one sequence at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.models import GRU, LSTM, RNN, build
from zoo.models.rnn import Recurrent, Stack, TextClassifier
from zoo.models.rnn.recurrent import CELLS, Layer, SequenceDropout, reverse
from zoo.spec import Classes, Spec, Table, Values
from zoo.spec.columns import Category, Number

LENGTHS = torch.tensor([4, 7, 1, 6])
CELL = pytest.mark.parametrize("cell", sorted(CELLS))


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def sequences(features: int = 5) -> torch.Tensor:
    return torch.randn(len(LENGTHS), int(LENGTHS.max()), features)


@CELL
@pytest.mark.parametrize("layers", [1, 2])
def test_both_directions_equal_torch_s_network_on_packed_sequences(cell: str, layers: int) -> None:
    ours = Stack(cell, 5, 6, num_layers=layers, bidirectional=True)
    theirs = CELLS[cell](5, 6, num_layers=layers, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for index in range(layers):
            for layer, suffix in ((ours.forwards[index], ""), (ours.backwards[index], "_reverse")):
                for name, parameter in layer.rnn.named_parameters():
                    parameter.uniform_(-0.5, 0.5)
                    getattr(theirs, name.replace("l0", f"l{index}") + suffix).copy_(parameter)
    x = sequences()
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(ours(x, LENGTHS), expected)


@CELL
@pytest.mark.parametrize("pool", ["last", "mean", "max", "mean_max", "none"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_changes_no_output(cell: str, pool: str, bidirectional: bool) -> None:
    kind = {"rnn": RNN, "gru": GRU, "lstm": LSTM}[cell]
    network = kind(5, 3, hidden_size=6, num_layers=2, pool=pool, bidirectional=bidirectional).eval()
    x = sequences()
    alone = [network(row[None, :length]) for row, length in zip(x, LENGTHS)]
    for rubbish in (0.0, 1e3, float("inf")):
        padded = x.clone()
        for row, length in zip(padded, LENGTHS):
            row[length:] = rubbish
        together = network(padded, LENGTHS)
        for row, (single, length) in enumerate(zip(alone, LENGTHS)):
            found = together[row : row + 1, :length] if pool == "none" else together[row : row + 1]
            torch.testing.assert_close(found, single)


@CELL
def test_padding_changes_no_gradient(cell: str) -> None:
    network = Stack(cell, 5, 6, bidirectional=True)
    x = sequences()
    weights = torch.randn(6 * 2)
    network.pool(network(x, LENGTHS), LENGTHS, "max").mv(weights).sum().backward()
    together = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    for row, length in zip(x, LENGTHS):
        network.pool(network(row[None, :length]), None, "max").mv(weights).sum().backward()
    for found, parameter in zip(together, network.parameters()):
        torch.testing.assert_close(found, parameter.grad)


def test_reverse_turns_each_sequence_around_within_its_length() -> None:
    x = torch.arange(1, 7)[None, :, None].repeat(3, 1, 2)
    turned = reverse(x, torch.tensor([6, 3, 1]))[:, :, 0]
    assert turned.tolist() == [[6, 5, 4, 3, 2, 1], [3, 2, 1, 4, 5, 6], [1, 2, 3, 4, 5, 6]]
    assert torch.equal(reverse(x, None), x.flip(1))


@CELL
def test_it_goes_on_from_where_it_stopped(cell: str) -> None:
    network = Stack(cell, 5, 6, num_layers=2).eval()
    x = sequences()
    first, states = network.step(x[:, :3], network.start(len(x)))
    second, _ = network.step(x[:, 3:], states)
    torch.testing.assert_close(torch.cat([first, second], dim=1), network(x))


@CELL
def test_it_starts_orthogonal_and_remembering(cell: str) -> None:
    layer = Layer(cell, 5, 6)
    for gate in layer.rnn.weight_hh_l0.detach().split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6))
    forget = layer.rnn.bias_ih_l0 + layer.rnn.bias_hh_l0
    assert forget[6:12].eq(1 if cell == "lstm" else 0).all()


def test_a_memory_span_spreads_what_units_remember() -> None:
    """With no input a unit keeps a share of its cell that halves within its span."""
    rnn = LSTM(2, 1, hidden_size=200, memory_span=100).stack.forwards[0].rnn
    forget = rnn.bias_ih_l0[200:400].sigmoid()
    spans = 1 / (1 - forget)  # steps of an average that forgets at this rate
    assert spans.min() >= 2
    assert spans.max() <= 100.01
    assert 40 < spans.mean() < 60
    torch.testing.assert_close(rnn.bias_ih_l0[:200], -rnn.bias_ih_l0[200:400])
    for kind, span in ((GRU, 10), (LSTM, 2)):
        with pytest.raises(ValueError, match="memory_span"):
            kind(2, 1, memory_span=span)


@CELL
def test_recurrent_dropout_is_of_weights_and_of_training_alone(cell: str) -> None:
    layer = Layer(cell, 5, 6, recurrent_dropout=0.5)
    x = sequences()
    plain = layer.eval()(x)[0]
    dropped = layer.train()(x)[0]
    torch.testing.assert_close(plain[:, :1], dropped[:, :1])  # no state has gone through yet
    assert not torch.allclose(plain[:, 1:], dropped[:, 1:])
    torch.manual_seed(3)
    random = layer(x)[0]
    torch.manual_seed(3)
    mask = nn.functional.dropout(torch.ones_like(layer.rnn.weight_hh_l0), 0.5)
    with torch.no_grad():
        layer.rnn.weight_hh_l0.mul_(mask)
    torch.testing.assert_close(random, layer.eval()(x)[0])


def test_dropout_of_sequences_hides_a_feature_in_all_steps() -> None:
    x = SequenceDropout(0.5)(torch.ones(8, 5, 20))
    assert torch.equal(x, x[:, :1].expand_as(x))
    assert set(x.unique().tolist()) == {0.0, 2.0}
    assert len(x[:, 0].unique(dim=0)) == 8


def test_hidden_tokens_are_hidden_in_training_alone() -> None:
    network = TextClassifier("lstm", 50, 2, embedding_dim=4, hidden_size=4, token_dropout=0.5)
    codes = torch.randint(2, 50, (4, 100))
    hidden = network.readers[0].embedding(codes).eq(0).all(dim=2)
    assert 0.4 < hidden.float().mean() < 0.6
    assert not network.eval().readers[0].embedding(codes).eq(0).any()


def test_members_learn_by_themselves_and_average_their_probabilities() -> None:
    network = TextClassifier("gru", 9, 3, embedding_dim=4, hidden_size=4, ensemble_size=2)
    codes, lengths = torch.randint(2, 9, (4, 7)), torch.tensor([4, 7, 1, 6])
    each = network(codes, lengths)
    assert each.shape == (4, 2, 3)
    expected = each.softmax(dim=2).mean(dim=1)
    torch.testing.assert_close(network.eval()(codes, lengths).softmax(dim=1), expected)
    each[:, 0].sum().backward()
    assert not network.readers[1].embedding.vectors.weight.grad.any()  # nothing is shared


def test_a_row_of_a_table_is_read_in_one_step() -> None:
    columns = (Number("size", 0.0, 1.0, missing=True), Category("city", ("Oslo", "Rome")))
    network = build("lstm", Spec(Table(columns), Values(("price",), (0.0,), (1.0,))), hidden_size=4)
    assert network(torch.tensor([[0.5, 0.0, 2.0], [0.5, 0.0, 3.0]])).unique().numel() == 2
    assert build("gru", Spec(Table(columns), Classes(("a", "b"))), hidden_size=4)(torch.zeros(3, 3)).shape == (3, 2)


@CELL
def test_mixed_precision_on_the_cpu(cell: str) -> None:
    """Layers around a stack take part in it; the stack itself stays in float32."""
    network = Stack(cell, 5, 16, bidirectional=True)
    x = sequences()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(nn.Linear(5, 5)(x), LENGTHS)
    assert mixed.dtype == torch.float32
    mixed.sum().backward()


@CELL
@pytest.mark.parametrize("recurrent_dropout", [0.0, 0.3])
def test_recurrent_layers_stay_in_float32(cell: str, recurrent_dropout: float) -> None:
    network = Stack(cell, 5, 16, num_layers=2, recurrent_dropout=recurrent_dropout)
    x = sequences()
    torch.manual_seed(1)
    expected = network(x, LENGTHS)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network(x, LENGTHS), expected)
        after, _ = network.step(x[:, :1].bfloat16(), network.start(len(x)))
    assert after.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@CELL
@pytest.mark.parametrize("recurrent_dropout", [0.0, 0.3])
@pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")
def test_a_gpu_gives_what_the_cpu_gives(cell: str, recurrent_dropout: float) -> None:
    network = Stack(cell, 5, 6, bidirectional=True, recurrent_dropout=recurrent_dropout)
    x = sequences()
    expected = network.eval()(x, LENGTHS)
    network.to("cuda")
    torch.testing.assert_close(network(x.cuda(), LENGTHS.cuda()).cpu(), expected, atol=1e-4, rtol=1e-4)
    network.train()(x.cuda(), LENGTHS.cuda()).sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size"),
        ({"num_layers": 1.5}, "num_layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"pool": "lats"}, "unknown pool 'lats'; did you mean 'last'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LSTM(5, 3, **options)


def test_an_unknown_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown cell 'lstn'; did you mean 'lstm'"):
        Stack("lstn", 5, 6)
    assert issubclass(LSTM, Recurrent)
