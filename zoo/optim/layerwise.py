"""Layer-wise learning rates: the deeper a layer lies, the more general it is, and the less it is changed.

Howard and Ruder, "Universal language model fine-tuning for text classification", 2018, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from zoo import check


def layers(network: nn.Module) -> list[nn.Module]:
    """The children of a network that hold parameters, in its order; lists among them are taken apart."""
    found = list(_children(network))
    return layers(found[0]) if len(found) == 1 and len(list(found[0].children())) > 0 else found


def layer_lr_scales(network: nn.Module, layer_decay: float) -> dict[Tensor, float]:
    """For each parameter the factor of its learning rate: 1 in the last layer, `layer_decay` in that before, …

    Parameters of the network itself, beside its layers, have that of the first layer.

    Raises:
        ValueError: `layer_decay` is not above 0 and at most 1.
    """
    check.fraction("layer_decay", layer_decay, zero=False)
    found = layers(network)
    scales: dict[Tensor, float] = {}
    for depth, layer in enumerate(reversed(found)):
        scales |= {parameter: layer_decay**depth for parameter in layer.parameters() if parameter not in scales}
    lowest = layer_decay ** max(len(found) - 1, 0)
    return {parameter: scales.get(parameter, lowest) for parameter in network.parameters()}


def _children(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            yield from _children(child)
        elif any(True for _ in child.parameters()):
            yield child
