"""Starting a network from the tensors of another, which may differ in head, channels and vocabulary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.spec import Spec, Table, Text
from zoo.spec.text import FIRST


def start_from(source: Mapping[str, Tensor], source_spec: Spec, network: nn.Module, spec: Spec) -> list[str]:
    """Copy into a network for one spec what fits it of the `state_dict` of a network of the same model for another.

    A tensor is copied where name and shape agree. A convolution over another number of channels gets the mean of the
    source's over them, scaled so that equal channels sum to what they did. The embedding of a token goes to the same
    token, where vocabularies differ. All else stays as it is.

    Returns:
        A line for each tensor of the network that is not a plain copy: what became of it.

    Raises:
        ConfigError: the two see tables of different columns, or no tensor fits.
    """
    if isinstance(spec.input, Table) and isinstance(source_spec.input, Table):
        theirs, ours = ({column.name for column in table.columns} for table in (source_spec.input, spec.input))
        if theirs != ours:
            raise ConfigError(f"those weights are of other columns; they take: {', '.join(sorted(theirs))}")
    rows = _common_codes(source_spec, spec)
    lines = []
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            found = source.get(name)
            line = f"{name} is new" if found is None else _fill(name, tensor, found, rows)
            lines += [line] if line else []
    if len(lines) == len(network.state_dict()) and all(" is new" in line for line in lines):
        raise ConfigError(f"none of those weights, for {source_spec}, fits the network, for {spec}")
    return lines


def _fill(name: str, tensor: Tensor, found: Tensor, rows: Tensor | None) -> str | None:
    """Fill a tensor from the one found, as far as that can be done; says so where it is no plain copy."""
    if rows is not None and "embedding" in name and tensor.ndim == 2 and found.shape[1:] == tensor.shape[1:]:
        tensor[rows[1]] = found[rows[0]]
        return f"{name} has {rows.shape[1]} of its {len(tensor)} rows from the weights' vocabulary"
    if found.shape == tensor.shape:
        tensor.copy_(found)
        return None
    if _differ_in_channels(found, tensor):
        old, new = found.shape[1], tensor.shape[1]
        tensor.copy_((found.sum(dim=1, keepdim=True) / new).expand_as(tensor))
        return f"{name} sees {new} channels in place of {old}, by the mean over those"
    return f"{name} is new: it has shape {list(tensor.shape)}, and the weights' has {list(found.shape)}"


def _differ_in_channels(found: Tensor, tensor: Tensor) -> bool:
    """Whether both are weights of convolutions, alike but for the channels that they see."""
    return found.ndim == tensor.ndim >= 3 and found.shape[:1] + found.shape[2:] == tensor.shape[:1] + tensor.shape[2:]


def _common_codes(source: Spec, spec: Spec) -> Tensor | None:
    """The codes of tokens that both vocabularies hold, in the one and the other (2, N); None if they are the same."""
    if not isinstance(source.input, Text) or not isinstance(spec.input, Text):
        return None
    if source.input.vocabulary == spec.input.vocabulary:
        return None
    return torch.tensor(list(_pairs(source.input.vocabulary, spec.input.vocabulary))).T


def _pairs(theirs: tuple[str, ...], ours: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    yield from ((code, code) for code in range(FIRST))
    codes = {token: code for code, token in enumerate(theirs, start=FIRST)}
    yield from ((codes[token], code) for code, token in enumerate(ours, start=FIRST) if token in codes)
