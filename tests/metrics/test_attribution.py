"""What an output comes from: against closed forms, axioms and enumeration."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.metrics.attribution import grad_cam, integrated_gradients, log_odds, word_influence
from zoo.models import CNN, TextClassifier, TextCNN


def test_grad_cam_of_a_network_that_averages_its_last_maps_is_cam() -> None:
    """Zhou et al., "Learning deep features for discriminative localization", 2016: weights times maps, in closed form;
    Selvaraju et al. show that Grad-CAM is that, over the number of cells and above 0."""
    convolutions = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.ReLU())
    linear = nn.Linear(6, 4)
    network = nn.Sequential(convolutions, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    x, classes = torch.randn(5, 3, 12, 10), torch.tensor([0, 3, 1, 1, 2])
    with torch.no_grad():
        maps = convolutions(x)  # 5, 6, 8, 6
        expected = torch.einsum("bkhw,bk->bhw", maps, linear.weight[classes]).relu() / (8 * 6)
    found = grad_cam(network, convolutions, x, classes)
    torch.testing.assert_close(found, expected)
    assert found.any()
    assert all(weight.grad is None for weight in network.parameters())


def test_grad_cam_takes_frozen_networks_and_inference_mode() -> None:
    network = CNN(1, 3, widths=[4, 8]).eval().requires_grad_(False)
    x, classes = torch.randn(2, 1, 16, 16), torch.tensor([0, 2])
    found = grad_cam(network, network.stages[0], x, classes)
    assert found.shape == (2, 8, 8)
    network(x)  # the hook is gone
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(network, network.stages[0], x, classes), found)


def test_integrated_gradients_add_up_to_the_difference_of_the_scores() -> None:
    """Completeness, proposition 1 of the paper."""
    network = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    x, baseline = torch.randn(5, 6).double(), torch.randn(6).double()

    def score(given: Tensor) -> Tensor:
        found: Tensor = network(given)[:, 1]
        return found

    difference = (score(x) - score(baseline[None])).detach()
    errors = [
        float((integrated_gradients(score, x, baseline, steps=steps).sum(dim=1) - difference).abs().max())
        for steps in (8, 128)
    ]
    assert errors[1] < 1e-3
    assert errors[1] < errors[0] / 50  # the midpoint rule: its error is of second order


def test_integrated_gradients_in_closed_form() -> None:
    """A linear score gives weight times difference; a product shares its value evenly (both are symmetric)."""
    x, baseline, weight = torch.randn(4, 3), torch.randn(3), torch.randn(3)
    torch.testing.assert_close(integrated_gradients(lambda given: given @ weight, x, baseline), (x - baseline) * weight)
    product = integrated_gradients(lambda given: given[:, 0] * given[:, 1], x, torch.zeros(3))
    half = x[:, 0] * x[:, 1] / 2
    torch.testing.assert_close(product, torch.stack([half, half, torch.zeros(4)], dim=1))


@pytest.mark.parametrize(
    "network",
    [TextClassifier("lstm", 20, 3, hidden_size=8, bidirectional=True), TextCNN(20, 3, hidden_size=8)],
    ids=["lstm", "cnn"],
)
def test_the_influence_of_words_is_that_of_leaving_each_out(network: nn.Module) -> None:
    network.eval()
    codes = torch.randint(1, 20, (9,))
    with torch.no_grad():
        whole = log_odds(network(codes[None]), 2)
        without = [log_odds(network(torch.cat([codes[:place], codes[place + 1 :]])[None]), 2) for place in range(9)]
    expected = torch.stack([whole - score for score in without])[:, 0]
    found = word_influence(network, codes, lambda logits: log_odds(logits, 2), together=4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    first = word_influence(network, codes, lambda logits: log_odds(logits, 2), most=3)
    torch.testing.assert_close(first, expected[:3], rtol=1e-4, atol=1e-5)


def test_a_text_of_one_word_is_compared_with_an_unknown_one() -> None:
    network = TextClassifier("gru", 20, 2, hidden_size=8).eval()
    found = word_influence(network, torch.tensor([7]), lambda logits: logits[:, 0])
    with torch.no_grad():
        expected = network(torch.tensor([[7]]))[:, 0] - network(torch.tensor([[1]]))[:, 0]
    torch.testing.assert_close(found, expected)


def test_log_odds_are_those_of_the_probability() -> None:
    logits = torch.randn(7, 4, dtype=torch.float64)
    for label in range(4):
        torch.testing.assert_close(log_odds(logits, label), logits.softmax(dim=1)[:, label].logit())
