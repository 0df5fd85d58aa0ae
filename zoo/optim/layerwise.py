"""Learning rates by layer: what lies deeper is general, and is changed less.

Howard and Ruder, "Universal language model fine-tuning for text classification", 2018, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn


def layers(network: nn.Module) -> list[nn.Module]:
    """The parts of a network that hold parameters, in the order in which it names them; lists are taken apart."""
    parts = list(_parts(network))
    return layers(parts[0]) if len(parts) == 1 and len(list(parts[0].children())) > 0 else parts


def layer_shares(network: nn.Module, decay: float) -> dict[Tensor, float]:
    """For each parameter the share of the learning rate that it gets: 1 in the last layer, `decay` in that before, …"""
    parts = layers(network)
    shares: dict[Tensor, float] = {}
    for depth, part in enumerate(reversed(parts)):
        shares |= {parameter: decay**depth for parameter in part.parameters() if parameter not in shares}
    lowest = decay ** max(len(parts) - 1, 0)
    return {parameter: shares.get(parameter, lowest) for parameter in network.parameters()}


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    for child in network.children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            yield from _parts(child)
        elif any(True for _ in child.parameters()):
            yield child
