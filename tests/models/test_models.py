"""What holds for every model of the zoo: whatever is listed in `MODELS` is tested here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn
from torch.nn import functional

import zoo
from zoo.errors import ConfigError, SpecError
from zoo.models import MODELS, build, find
from zoo.spec import Anomaly, Classes, Image, MaskedImage, Series, Spec, Text, Values
from zoo.weights.samples import random_inputs


def test_every_model_has_a_fitting_spec_to_be_tested_with(fitting: dict[str, Any]) -> None:
    assert set(fitting) == set(MODELS)
    assert zoo.list_models() == sorted(MODELS)


def error_of(spec: Spec, output: Tensor) -> Tensor:
    """How far the output is from one fixed target for each example, which no one could guess."""
    generator = torch.Generator().manual_seed(2)
    if isinstance(spec.output, Classes):
        labels = torch.randint(0, len(spec.output.names), (len(output),), generator=generator)
        return functional.cross_entropy(output, labels)
    target = torch.rand(output.shape, generator=generator) * 1.6 - 0.8
    if output.ndim == 2:
        return functional.mse_loss(output, target)
    return functional.mse_loss(output[:, :, 2:5, 3:7], target[:, :, 2:5, 3:7])  # in the hole


@pytest.fixture
def network(model_name: str, spec: Spec, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    return build(model_name, spec, **options)


def test_it_gives_what_its_spec_says(network: nn.Module, spec: Spec, random_batch: Callable[..., Tensor]) -> None:
    output = network(spec.input.prepare(random_batch(spec, 4)))
    assert output.dtype == torch.float32
    if isinstance(spec.output, Classes):
        assert output.shape == (4, len(spec.output.names))
    elif isinstance(spec.output, Anomaly):
        assert output.shape == (4, 1)
    else:
        assert output.shape == (4, spec.output.channels, spec.output.height, spec.output.width)
    assert len(spec.output.decode(output.detach())) == 4


def test_every_parameter_gets_a_finite_gradient(
    network: nn.Module, spec: Spec, random_batch: Callable[..., Tensor]
) -> None:
    x = spec.input.prepare(random_batch(spec, 8))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    for _ in range(2):  # the second, since what starts at zero passes no gradient on in the first
        optimiser.zero_grad()
        error_of(spec, network(x)).backward()
        optimiser.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_one_batch_can_be_overfitted(network: nn.Module, spec: Spec, random_batch: Callable[..., Tensor]) -> None:
    x = spec.input.prepare(random_batch(spec, 4))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    first = error_of(spec, network(x)).item()
    for _ in range(50):
        optimiser.zero_grad()
        error = error_of(spec, network(x))
        error.backward()
        optimiser.step()
    assert error.item() < 0.05 * first


def test_an_example_s_answer_does_not_depend_on_its_batch(
    network: nn.Module, spec: Spec, random_batch: Callable[..., Tensor]
) -> None:
    x = spec.input.prepare(random_batch(spec, 6))
    network.eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(x)[2:3], network(x[2:3]), rtol=1e-4, atol=1e-5)


def test_it_is_built_without_memory_and_filled(
    network: nn.Module, model_name: str, spec: Spec, options: dict[str, Any], random_batch: Callable[..., Tensor]
) -> None:
    with torch.device("meta"):
        hollow = build(model_name, spec, **options)
    assert all(tensor.is_meta for tensor in [*hollow.parameters(), *hollow.buffers()])
    hollow.load_state_dict(network.state_dict(), assign=True)
    assert not any(tensor.is_meta for tensor in [*hollow.parameters(), *hollow.buffers()])  # nothing is left out
    x = spec.input.prepare(random_batch(spec, 3))
    with torch.inference_mode():
        assert torch.equal(hollow.eval()(x), network.eval()(x))


def test_the_seed_decides_its_start(model_name: str, spec: Spec, options: dict[str, Any]) -> None:
    starts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        starts.append(torch.cat([p.detach().flatten() for p in build(model_name, spec, **options).parameters()]))
    assert torch.equal(starts[0], starts[1])
    assert not torch.equal(starts[0], starts[2])


def test_an_unknown_option_is_a_type_error(model_name: str, spec: Spec) -> None:
    with pytest.raises(TypeError, match="wdith"):
        build(model_name, spec, wdith=8)
    with pytest.raises(TypeError, match="wdith"):
        zoo.create_model(model_name, wdith=8)


def test_a_word_is_neither_true_nor_false() -> None:
    series = Spec(Series(("a", "b"), (0.0, 0.0), (1.0, 1.0)), CLASSES)
    for name, option in (("cnn", "causal"), ("lstm", "bidirectional")):
        with pytest.raises(ValueError, match=f"{option} must be true or false, got 'maybe'"):
            build(name, series, **{option: "maybe"})


def test_no_argument_is_swallowed(model_name: str) -> None:
    model = find(model_name)
    for function in (model.build, model.network):
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}, function


GREY, COLOUR = Image(1, 8, 8, (0.5,), (0.5,)), Image(3, 8, 8, (0.5,) * 3, (0.5,) * 3)
HOLED, CLASSES = MaskedImage(**vars(GREY)), Classes(("no", "yes"))


@pytest.mark.parametrize(
    "other",
    [Spec(GREY, CLASSES), Spec(HOLED, CLASSES), Spec(GREY, GREY), Spec(HOLED, GREY), Spec(HOLED, COLOUR)],
    ids=str,
)
def test_it_refuses_specs_that_are_not_its_own(model_name: str, spec: Spec, other: Spec) -> None:
    kinds = [
        (type(s.input), type(s.output), s.input.channels == getattr(s.output, "channels", None)) for s in (spec, other)
    ]
    if kinds[0] == kinds[1] or (model_name == "rbm" and other == Spec(GREY, CLASSES)):
        build(model_name, other)
    else:
        with pytest.raises(SpecError, match=f"{model_name} goes from|same channels"):
            build(model_name, other)


def test_it_is_created_by_name(model_name: str) -> None:
    network = zoo.create_model(model_name)
    assert type(network) is MODELS[model_name].network
    assert sum(parameter.numel() for parameter in network.parameters()) < 2_000_000


def test_an_unknown_name_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="unknown model 'cmn'; did you mean 'cnn'\\? choices: captioner, "):
        zoo.create_model("cmn")
    with pytest.raises(ConfigError, match="unknown model"):
        build("", Spec(GREY, CLASSES))


def test_its_config_states_options_that_it_has(model_name: str, spec: Spec, root: Path) -> None:
    options = dict(OmegaConf.to_container(OmegaConf.load(root / "conf" / "model" / f"{model_name}.yaml").model))
    options.pop("_target_", None)  # of the file that it extends
    assert options.pop("name") == model_name
    build(model_name, spec, **{name: value for name, value in options.items() if value is not None})


@pytest.mark.parametrize(
    ("name", "given", "options"),
    [
        ("cnn", Text(("good", "bad"), "words"), {}),
        ("lstm", Text(("good", "bad"), "words"), {"hidden_size": 4}),
        ("cnn", Image(3, 24, 24, (0.5,) * 3, (0.5,) * 3), {"photo": True, "widths": [8, 8]}),
        ("cnn", Image(3, 24, 24, (0.5,) * 3, (0.5,) * 3), {"widths": [8, 8]}),
        ("gru", Image(3, 24, 24, (0.5,) * 3, (0.5,) * 3), {"hidden_size": 4}),
    ],
)
def test_each_quantile_of_each_value_has_a_number(name: str, given: Any, options: dict[str, Any]) -> None:
    values = Values(("price", "size"), (0.0, 0.0), (1.0, 1.0), quantiles=(0.1, 0.5, 0.9))
    examples = [given.encode(*raw) for raw in random_inputs(given, 4)]
    prepared = given.prepare(given.collate(examples))
    output = build(name, Spec(given, values), **options).eval()(*(prepared if given.is_text else [prepared]))
    assert output.shape == (4, 2 * 3)
