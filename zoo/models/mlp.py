"""A multilayer perceptron: layers of units, each connected to all of the layer before.

Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", 1986. For tables, categories are
embedded (Guo and Berkhahn, 2016), and so are numbers, by their cosines at learned frequencies: steps and bumps of a
value are then easy (Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep learning",
2022; with phases, as in Holzmüller, Grinsztajn, Steinwart, "Better by default", 2024). `ensemble_size` trains an
ensemble within one network (Gorishniy, Kotelnikov, Babenko, "TabM", 2025, in its smallest form, TabM-mini: the members
share all hidden layers; each scales the input in its own way and has its own output layer). A network for values adds
to a linear regression: where rows are few and noisy, that is hard to beat.

Shape letters: B batch, F numbers, W frequencies, D features of a number, C categorical columns, H units, M members,
K outputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import check
from zoo.errors import SpecError
from zoo.models.ensemble import mean_of_classes, mean_of_labels
from zoo.spec import Classes, Image, MultiLabel, Spec, Table, Values

CLIP = 3.0  # standard deviations, for numbers of tables
FREQUENCIES = 16  # of each number of a table
MOST_NUMBERS = 500  # of a table, above which there are none: they would take most of the time
SPREAD = 0.2  # of the frequencies at first: turns a standard deviation
FEATURES = 4  # of the cosines of a number
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "softmax": lambda: nn.Softmax(dim=-1),
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class LinearPart(nn.Module):
    """A linear function of numbers and categories; 0 until it is fitted.

    Args:
        in_features: F.
        num_outputs: K.
        categories: number of codes of each of C categorical columns.
    """

    def __init__(self, in_features: int, num_outputs: int, categories: Sequence[int] = ()) -> None:
        super().__init__()
        self.in_features, self.categories = in_features, tuple(categories)
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.zeros(in_features + sum(categories), num_outputs))
        self.register_buffer("bias", torch.zeros(num_outputs))

    def regressors(self, x: Tensor) -> Tensor:
        """Numbers, and categories one-hot: of the input of `MLP.forward` (B, F + C), (B, F + all codes)."""
        codes = x[:, self.in_features :].long()
        parts = [functional.one_hot(codes[:, place], size) for place, size in enumerate(self.categories)]
        return torch.cat([x[:, : self.in_features], *(part.to(x.dtype) for part in parts)], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """The input of `MLP.forward` to (B, K)."""
        outputs = x[:, : self.in_features] @ self.weight[: self.in_features] + self.bias
        start = self.in_features
        for place, size in enumerate(self.categories):
            outputs = outputs + self.weight[start : start + size][x[:, self.in_features + place].long()]
            start += size
        return outputs


class Cosines(nn.Module):
    """Features of each number by itself: linear in its cosines at learned frequencies and phases.

    Args:
        in_features: F.
        frequencies: W of each number.
    """

    def __init__(self, in_features: int, frequencies: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(frequencies)  # as torch.nn.Linear
        self.frequency = nn.Parameter(SPREAD * torch.randn(in_features, frequencies))
        self.phase = nn.Parameter(torch.empty(in_features, frequencies).uniform_(-math.pi, math.pi))
        self.weight = nn.Parameter(torch.empty(in_features, frequencies, FEATURES).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(in_features, FEATURES).uniform_(-bound, bound))

    def forward(self, numbers: Tensor) -> Tensor:
        """Numbers (B, F), standardised, to their features (B, F D)."""
        waves = (2 * math.pi * self.frequency * numbers[..., None] + self.phase).cos()  # B, F, W
        return (torch.einsum("bfw,fwd->bfd", waves, self.weight) + self.bias).flatten(1)


class MLP(nn.Module):
    """Fully connected layers, with an activation after each.

    Args:
        in_features: F, numbers of an input.
        num_outputs: K, numbers of an output; with 0 there is no output layer, and the network gives the last hidden
            one.
        hidden_sizes: units of each hidden layer; an empty list gives a linear model.
        activation: of the hidden layers: linear, logistic, tanh, softmax (over a layer's units), relu, gelu or silu.
        output_activation: of the outputs, likewise; softmax is over the K of them.
        dropout: probability of zeroing a hidden unit, 0 <= dropout < 1.
        categories: number of codes of each of C categorical columns.
        embedding_dim: the longest vector that embeds a category; columns of fewer codes get shorter ones.
        ensemble_size: M networks in one, which share their hidden layers.
        frequencies: W, of the cosines whose features the network sees beside each number; 0 for none.
        clip: bends the F numbers smoothly, so that none goes beyond it: x / sqrt(1 + (x / clip)^2), as Holzmüller,
            Grinsztajn, Steinwart, "Better by default", 2024; None leaves them.
        linear: whether the outputs are added to those of a `LinearPart`. They start from 0, and in eval mode `gate`
            (K,), from 0 to 1, says how much of them is added.

    Raises:
        ValueError: a number is out of range, or an activation unknown.
    """

    def __init__(
        self,
        in_features: int = 784,
        num_outputs: int = 10,
        *,
        hidden_sizes: Sequence[int] = (128,),
        activation: str = "relu",
        output_activation: str = "linear",
        dropout: float = 0.0,
        categories: Sequence[int] = (),
        embedding_dim: int = 16,
        ensemble_size: int = 1,
        frequencies: int = 0,
        clip: float | None = None,
        linear: bool = False,
    ) -> None:
        super().__init__()
        check.one_of("activation", activation, ACTIVATIONS)
        check.one_of("output_activation", output_activation, ACTIVATIONS)
        check.whole("in_features", in_features, 0 if categories else 1)
        check.whole("num_outputs", num_outputs, 0)
        for name, sizes in (("hidden_sizes", hidden_sizes), ("categories", categories)):
            check.wholes(name, sizes)
        check.fraction("dropout", dropout, one=False)
        check.whole("embedding_dim", embedding_dim)
        check.whole("ensemble_size", ensemble_size)
        check.whole("frequencies", frequencies, 0)
        self.clip = None if clip is None else check.positive("clip", clip)
        self.ensemble_size = ensemble_size
        self.in_features = in_features
        self.embeddings = nn.ModuleList(_embedding(codes, min(codes, embedding_dim)) for codes in categories)
        self.cosines = Cosines(in_features, frequencies) if frequencies and in_features else None
        width = in_features + sum(min(codes, embedding_dim) for codes in categories)
        width += 0 if self.cosines is None else in_features * FEATURES
        # Random signs let each member see the input in its own way (Wen et al., "BatchEnsemble", 2020)
        self.scales = nn.Parameter(torch.randn(ensemble_size, width).sign()) if ensemble_size > 1 else None
        self.layers = nn.Sequential()
        for size in hidden_sizes:
            self.layers.extend((nn.Linear(width, size), ACTIVATIONS[activation](), nn.Dropout(dropout)))
            width = size
        self.num_features = width
        head = nn.Linear if ensemble_size == 1 else partial(EnsembleLinear, ensemble_size)
        self.output: nn.Module | None = head(width, num_outputs) if num_outputs else None
        self.output_activation = ACTIVATIONS[output_activation]()
        self.linear: LinearPart | None = None
        if linear and self.output is not None:
            self.linear = LinearPart(in_features, num_outputs, categories)
            self.gate: Tensor
            self.register_buffer("gate", torch.ones(num_outputs))
            for parameter in self.output.parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Numbers (B, …), flattened, and after them codes of categories (B, C), to outputs (B, K).

        An ensemble gives the outputs of each member in training, (B, M, K), so that each has its own loss, and their
        mean in evaluation, (B, K). Without an output layer it gives what `forward_features` gives.
        """
        if self.output is None:
            return self.forward_features(x)
        if self.linear is None:
            return self._outputs(x)
        base, outputs = self.parts(x)
        if not self.training:
            return base + self.gate * outputs
        return outputs + (base if self.scales is None else base[:, None])

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """For the input of `forward`, what the linear part gives (B, K), and what the network adds to it, without the
        gate: (B, K), or (B, M, K) of an ensemble in training."""
        assert self.linear is not None
        return self.linear(x.flatten(1)), self._outputs(x)

    def _outputs(self, x: Tensor) -> Tensor:
        assert self.output is not None
        outputs: Tensor = self.output_activation(self.output(self.forward_features(x)))
        return outputs if self.scales is None or self.training else self.combine(outputs)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last hidden layer for the input of `forward`: (B, H), or (B, M, H) of an ensemble."""
        x = self._embed(x.flatten(1))
        if self.scales is not None:
            x = x[:, None] * self.scales  # B, F -> B, M, F
        return self.layers(x)

    def remove_head(self) -> None:
        """Leave the output layer out, as `num_outputs=0` does: the network then gives the last hidden layer."""
        self.output = self.linear = None

    def combine(self, outputs: Tensor) -> Tensor:
        """The outputs of all members in one: (B, M, K) to (B, K)."""
        return outputs.mean(dim=1)

    def _embed(self, x: Tensor) -> Tensor:
        numbers = x[:, : self.in_features]
        if self.clip is not None:
            numbers = numbers / (1 + (numbers / self.clip).square()).sqrt()
        if self.cosines is not None:
            numbers = torch.cat([numbers, self.cosines(numbers)], dim=1)
        if not self.embeddings:
            return numbers
        codes = x[:, self.in_features :].long()
        vectors = [embedding(codes[:, column]) for column, embedding in enumerate(self.embeddings)]
        return torch.cat([numbers, *vectors], dim=1)


class Classifier(MLP):
    """An MLP whose outputs are logits; an ensemble averages probabilities, not logits."""

    def combine(self, outputs: Tensor) -> Tensor:
        return mean_of_classes(outputs)


class Labeller(MLP):
    """An MLP whose outputs are logits of labels; an ensemble averages probabilities, not logits."""

    def combine(self, outputs: Tensor) -> Tensor:
        return mean_of_labels(outputs)


class EnsembleLinear(nn.Module):
    """A linear layer for each of M members: (B, M, H) to (B, M, K)."""

    def __init__(self, ensemble_size: int, in_features: int, num_outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(max(in_features, 1))  # as torch.nn.Linear
        self.weight = nn.Parameter(torch.empty(ensemble_size, in_features, num_outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(ensemble_size, num_outputs).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bmh,mhk->bmk", x, self.weight) + self.bias


def defaults(spec: Spec) -> dict[str, Any]:
    """What suits a spec in a training: of tables two hidden layers, cosines of numbers, no number far from the others,
    and of their values a linear part."""
    if not isinstance(spec.input, Table):
        return {}
    frequencies = FREQUENCIES if spec.input.numbers <= MOST_NUMBERS else 0
    linear = isinstance(spec.output, Values)
    return {"hidden_sizes": (128, 128), "frequencies": frequencies, "clip": CLIP, "linear": linear}


def build(
    spec: Spec,
    *,
    hidden_sizes: Sequence[int] = (128,),
    activation: str = "relu",
    output_activation: str | None = None,
    dropout: float = 0.0,
    embedding_dim: int = 16,
    ensemble_size: int = 1,
    frequencies: int = 0,
    clip: float | None = None,
    linear: bool = False,
) -> MLP:
    """The MLP for a spec: table or image → classes, table or image → values.

    Args:
        output_activation: None for softmax with classes and linear with values. The network gives classes as logits:
            softmax, or with two classes one logistic unit for the second.
        hidden_sizes, activation, dropout, embedding_dim, ensemble_size, frequencies, clip: as in `MLP`.
        linear: as in `MLP`; of values of tables.

    Raises:
        SpecError: the spec asks for something else.
        ValueError: an option is out of range.
    """
    if isinstance(spec.input, Table):
        in_features, categories = spec.input.numbers, spec.input.categories
    elif type(spec.input) is Image:
        in_features, categories = spec.input.channels * math.prod(spec.input.size), ()
    else:
        hint = "; texts are for lstm, gru and rnn" if getattr(spec.input, "is_text", False) else ""
        raise SpecError(f"mlp goes from table or image to classes, labels or values, not {spec}{hint}")

    if linear and not (isinstance(spec.input, Table) and isinstance(spec.output, Values)):
        raise ValueError(f"linear is for values of tables, not {spec}; leave model.linear away")
    if linear and output_activation not in (None, "linear"):
        raise ValueError(f"output_activation={output_activation} does not bound a linear part; give model.linear=false")

    def network(kind: type[MLP], num_outputs: int, output_activation: str) -> MLP:
        return kind(
            in_features,
            num_outputs,
            hidden_sizes=hidden_sizes,
            activation=activation,
            output_activation=output_activation,
            dropout=dropout,
            categories=categories,
            embedding_dim=embedding_dim,
            ensemble_size=ensemble_size,
            frequencies=frequencies,
            clip=clip,
            linear=linear,
        )

    if isinstance(spec.output, Values):
        return network(MLP, spec.output.outputs, output_activation or "linear")
    if isinstance(spec.output, MultiLabel):
        if output_activation not in (None, "logistic"):
            raise ValueError(f"output_activation of several labels is logistic, not {output_activation}")
        return network(Labeller, len(spec.output.names), "linear")  # loss and spec apply it to the logits
    if not isinstance(spec.output, Classes):
        raise SpecError(f"mlp goes from table or image to classes, labels or values, not {spec}")
    classes = len(spec.output.names)
    if output_activation in (None, "softmax"):  # loss and spec apply it to the logits
        return network(Classifier, classes, "linear")
    if output_activation == "logistic" and classes == 2:
        unit = network(Classifier, 1, "linear")
        unit.output_activation = nn.ConstantPad1d((1, 0), 0.0)  # softmax of the logits 0 and x is the logistic of x
        return unit
    raise ValueError(
        f"output_activation of {classes} classes is softmax (or logistic, of two), not {output_activation}"
    )


def _embedding(codes: int, length: int) -> nn.Embedding:
    """An embedding whose vectors for a missing and for an unseen category are 0 until training meets one."""
    embedding = nn.Embedding(codes, length)
    with torch.no_grad():
        embedding.weight[:2] = 0
    return embedding
