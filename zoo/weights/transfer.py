"""Starting a network from the tensors of another, which may differ in head and channels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def transfer(source: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """Copy into a network what fits it of another's `state_dict`.

    A tensor is copied where name and shape agree. A convolution over another number of channels gets the mean of the
    source's over them, scaled so that equal channels sum to what they did. All else stays as it is.

    Returns:
        A line for each tensor of the network that is not a plain copy: what became of it.
    """
    lines = []
    for name, tensor in network.state_dict().items():
        found = source.get(name)
        if found is None:
            lines.append(f"{name} is new")
        elif found.shape == tensor.shape:
            tensor.copy_(found)
        elif _differs_in_channels(found, tensor):
            old, new = found.shape[1], tensor.shape[1]
            tensor.copy_((found.sum(dim=1, keepdim=True) / new).expand_as(tensor))
            lines.append(f"{name} sees {new} channels in place of {old}, by the mean over those")
        else:
            lines.append(f"{name} is new: it has shape {list(tensor.shape)}, and the weights' has {list(found.shape)}")
    return lines


def _differs_in_channels(found: Tensor, tensor: Tensor) -> bool:
    """Whether both are weights of convolutions, alike but for the channels that they see."""
    return found.ndim == tensor.ndim >= 3 and found.shape[:1] + found.shape[2:] == tensor.shape[:1] + tensor.shape[2:]
