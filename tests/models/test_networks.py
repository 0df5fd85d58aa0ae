"""Every public network: it has a name, it can be traced by torch.fx, and its head can be left out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import zoo
from zoo import models
from zoo.errors import ConfigError
from zoo.models import GRU, LSTM, MODELS, NETWORKS, LabelledRBM

Case = tuple[dict[str, Any], Callable[[], tuple[Tensor, ...]]]
LENGTHS = torch.tensor([5, 3, 2])
CODES = torch.tensor([[2, 3, 4, 5, 6], [7, 8, 2, 0, 0], [3, 3, 0, 0, 0]])


def images(channels: int, height: int, width: int) -> Callable[[], tuple[Tensor]]:
    return lambda: (torch.randn(3, channels, height, width),)


def row() -> tuple[Tensor]:
    """Four numbers, and the codes of two categories."""
    return (torch.cat([torch.randn(3, 4), torch.randint(0, 3, (3, 2)).float()], dim=1),)


def series() -> tuple[Tensor, Tensor]:
    return torch.randn(3, 5, 4), LENGTHS


# Whoever adds a public network adds a line here: options, and what it is called on
CASES: dict[str, Case] = {
    "captioner": (
        {"cell": "lstm", "in_channels": 1, "codes": 9, "max_length": 5, "num_layers": 2},
        lambda: (torch.randn(3, 1, 12, 16), CODES),
    ),
    "class_rbm": ({"num_visible": 4, "visible": "gaussian", "categories": [3, 3]}, row),
    "cnn": ({"in_channels": 3, "widths": [4, 6], "blocks": 1}, images(3, 28, 30)),
    "colouriser": ({"width": 8}, images(1, 17, 19)),
    "crnn": ({"blocks": 1, "hidden_size": 6}, lambda: (torch.randn(3, 1, 32, 40), torch.tensor([40, 23, 8]))),
    "discriminator": ({"classes": 4, "spectral_norm": True}, lambda: (torch.randn(3, 1, 28, 28), torch.arange(3))),
    "forecaster": ({"network": GRU(4, 6), "targets": [0, 2]}, series),
    "frame_reader": ({"in_channels": 1, "out_features": 6}, images(1, 12, 13)),
    "free_energy_rbm": ({"num_visible": 4, "visible": "gaussian", "categories": [3, 3]}, row),
    "generator": ({"codes": 9, "blocks": 2}, lambda: (torch.randn(3, 64), CODES, LENGTHS)),
    "gru": ({"in_features": 4, "num_layers": 2, "bidirectional": True, "pool": "mean_max"}, series),
    "handwriter": (
        {"cell": "lstm", "codes": 9, "std": 0.1, "hidden_size": 6, "num_components": 2},
        lambda: (CODES, LENGTHS, torch.randn(3, 7, 3)),
    ),
    "image_reader": ({"network": LSTM(16), "by_rows": True}, images(1, 12, 16)),
    "inpainter": ({"width": 8}, images(2, 17, 19)),
    "language_model": ({"cell": "gru", "codes": 9, "num_layers": 2}, lambda: (CODES, LENGTHS)),
    "lstm": ({"in_features": 4, "pool": "max"}, series),
    "mlp": ({"in_features": 4, "categories": [3, 3], "ensemble_size": 2}, row),
    "patch_discriminator": ({"in_channels": 1}, images(1, 16, 20)),
    "photo_cnn": ({"widths": [8, 8]}, images(3, 20, 22)),
    "rating_rbm": ({"num_items": 4}, lambda: (nn.functional.pad(torch.eye(5).flatten()[None], (0, 0, 0, 2))[:, :20],)),
    "rbm": ({"num_visible": 4, "visible": "gaussian", "categories": [3, 3]}, row),
    "rnn": ({"in_features": 4, "pool": "none"}, series),
    "row_reader": ({"network": GRU(10), "numbers": 4, "categories": [3, 3]}, row),
    "sequence_cnn": ({"in_features": 4, "num_layers": 2, "pool": "max"}, series),
    "super_resolver": ({"channels": 1, "blocks": 2}, images(1, 10, 12)),
    "tagger": ({"network": LSTM(4, pool="none")}, series),
    "text_cnn": ({"codes": 9, "num_classes": 2}, lambda: (CODES, LENGTHS)),
    "text_classifier": ({"cell": "rnn", "codes": 9, "num_classes": 2, "ensemble_size": 2}, lambda: (CODES, LENGTHS)),
    "topic_rbm": ({"num_words": 6}, lambda: (torch.randint(0, 3, (3, 6)).float(),)),
    "translator": (
        {"cell": "gru", "source_codes": 9, "codes": 9, "max_length": 5, "num_layers": 2},
        lambda: (CODES, LENGTHS, CODES),
    ),
    "unet": ({"in_channels": 1, "out_channels": 2, "width": 8}, images(1, 17, 19)),
    "value_rbm": ({"num_visible": 4, "categories": [3, 3]}, row),
}
UNTRACEABLE = {
    "handwriter": "it goes from step to step, as many as there are",
    "rating_rbm": "it takes a batch in parts, as many as memory asks for",
}


@pytest.fixture(params=sorted(NETWORKS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_public_network_has_a_name() -> None:
    public = [getattr(models, name) for name in models.__all__]
    networks = {kind for kind in public if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    assert set(NETWORKS.values()) == networks - {LabelledRBM}  # that is what two of them share
    assert set(CASES) == set(NETWORKS)


def test_it_is_created_with_the_arguments_of_its_class(name: str) -> None:
    options, batch = CASES[name]
    network = zoo.create_model(name, **options)
    assert type(network) is NETWORKS[name]
    with torch.no_grad():
        assert network.eval()(*batch()).isfinite().any()
    with pytest.raises(TypeError, match="wdith"):
        zoo.create_model(name, wdith=8, **options)


def test_the_names_are_listed() -> None:
    assert zoo.list_models() == sorted(MODELS)
    assert zoo.list_models("*") == sorted({*MODELS, *NETWORKS})
    assert zoo.list_models("*_rbm") == ["class_rbm", "free_energy_rbm", "rating_rbm", "topic_rbm", "value_rbm"]
    assert zoo.list_models("nothing*") == []
    with pytest.raises(ConfigError, match="unknown model 'disciminator'; did you mean 'discriminator'"):
        zoo.create_model("disciminator")


def test_it_is_traced(name: str) -> None:
    """The trace gives what the network gives, bit for bit, and on other sizes than those it was made with."""
    options, batch = CASES[name]
    network = zoo.create_model(name, **options).eval()
    if name in UNTRACEABLE:
        with pytest.raises((fx.proxy.TraceError, RuntimeError, TypeError)):
            fx.symbolic_trace(network)
        return
    traced = fx.symbolic_trace(network)
    given = batch()
    with torch.no_grad():
        assert torch.equal(traced(*given), network(*given))
        assert torch.equal(traced(*(part[:2] for part in given)), network(*(part[:2] for part in given)))


def test_sequences_of_one_length_are_traced_without_lengths() -> None:
    for name in ("gru", "tagger", "forecaster", "text_classifier", "language_model"):
        options, batch = CASES[name]
        network = zoo.create_model(name, **options).eval()
        traced, x = fx.symbolic_trace(network, {"lengths": None}), batch()[0]
        with torch.no_grad():
            assert torch.equal(traced(x), network(x))


HEADS = {
    "cnn": "num_classes",
    "gru": "num_outputs",
    "lstm": "num_outputs",
    "mlp": "num_outputs",
    "rnn": "num_outputs",
    "text_classifier": "num_classes",
}


@pytest.mark.parametrize(("name", "outputs"), HEADS.items())
def test_without_a_head_it_gives_features(name: str, outputs: str) -> None:
    """They are what the head would see; and a head removed later leaves the same."""
    options, batch = CASES[name]
    headless = zoo.create_model(name, **{**options, outputs: 0}).eval()
    whole = zoo.create_model(name, **options).eval()
    rest = whole.load_state_dict(headless.state_dict(), strict=False)
    assert rest.unexpected_keys == []
    assert rest.missing_keys
    given = batch()
    with torch.no_grad():
        features = headless(*given)
        assert torch.equal(features, whole.forward_features(*given))
        assert features.shape[-1] == headless.num_features
        whole.remove_head()
        assert torch.equal(whole(*given), features)
    assert whole.state_dict().keys() == headless.state_dict().keys()


@pytest.mark.parametrize("name", ["cnn", "unet", "inpainter", "colouriser"])
def test_stages_are_the_maps_on_the_way(name: str) -> None:
    options, batch = CASES[name]
    network = zoo.create_model(name, **options).eval()
    (x,) = batch()
    with torch.no_grad():
        maps = network.forward_stages(x)
        assert len(maps) == network.num_stages > 1
        sizes = [part.shape[-2:].numel() for part in maps]
        assert sizes == sorted(sizes, reverse=True)
        if name == "cnn":  # the last map is all that the features come from
            pooled = nn.functional.adaptive_avg_pool2d(maps[-1], network.grid)
            assert torch.equal(pooled.permute(0, 2, 3, 1).flatten(1), network.forward_features(x))
