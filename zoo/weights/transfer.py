"""Starting a network from the tensors of another, which may differ in head, channels and vocabulary."""

from __future__ import annotations

import copy
import unicodedata
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from zoo.errors import ConfigError
from zoo.spec import Sentence, SourceText, Spec, Table, TargetText, Text, Tokens, Transcript
from zoo.spec.text import FIRST

NEW = 5.0  # nats by which a new character is less likely, at first, than the one that it starts from


def start_from(source: Mapping[str, Tensor], source_spec: Spec, network: nn.Module, spec: Spec) -> list[str]:
    """Copy into a network for one spec what fits it of the `state_dict` of a network of the same model for another.

    A tensor is copied where name and shape agree. A convolution over another number of channels gets the mean of the
    source's over them, scaled so that equal channels sum to what they did. What belongs to a token goes to the same
    token, where vocabularies differ, and so do the rows of a head over characters, where alphabets differ: a new letter
    with an accent starts from that without. All else stays as it is.

    Returns:
        A line for each tensor of the network that is not a plain copy: what became of it.

    Raises:
        ConfigError: the two see tables of different columns, or no tensor fits.
    """
    if isinstance(spec.input, Table) and isinstance(source_spec.input, Table):
        theirs, ours = ({column.name for column in table.columns} for table in (source_spec.input, spec.input))
        if theirs != ours:
            raise ConfigError(f"those weights are of other columns; they take: {', '.join(sorted(theirs))}")
    codes = _common_codes(source_spec, spec)
    characters = _common_characters(source_spec, spec)
    heads = _heads(source, network, characters)
    lines = []
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            found = source.get(name)
            of_head = characters if name in heads else None
            rows = next((rows for part, rows in codes.items() if name == part or f"{part}." in name), None)
            line = f"{name} is new" if found is None else _fill(name, tensor, found, rows, of_head)
            lines += [line] if line else []
    if len(lines) == len(network.state_dict()) and all(" is new" in line for line in lines):
        raise ConfigError(f"none of those weights, for {source_spec}, fits the network, for {spec}")
    return lines


def interpolate(
    source: Mapping[str, Tensor], source_spec: Spec, network: nn.Module, spec: Spec, learned: float
) -> None:
    """Move a network that learned from where `start_from` set it to a point on the line between both.

    Wortsman et al., "Robust fine-tuning of zero-shot models", 2022: between the weights before and after fine-tuning
    there often are some that are about as good on the new data as those after, and on the old data as those before.

    Args:
        source, source_spec, network, spec: as of `start_from`; what is new in the network stays as it is.
        learned: 0 for what it started from, 1 for what it learned.
    """
    before = copy.deepcopy(network)
    start_from(source, source_spec, before, spec)
    characters = _common_characters(source_spec, spec)
    heads = _heads(source, network, characters)
    with torch.no_grad():
        for (name, tensor), start in zip(network.state_dict().items(), before.state_dict().values()):
            if characters is not None and name in heads:
                theirs, added, _ = characters
                start.unflatten(0, (-1, len(theirs)))[:, added] = tensor.unflatten(0, (-1, len(theirs)))[:, added]
            if tensor.is_floating_point():
                tensor.copy_(torch.lerp(start, tensor, learned))


def _fill(
    name: str, tensor: Tensor, found: Tensor, rows: Tensor | None, characters: tuple[list[int], list[int], int] | None
) -> str | None:
    """Fill a tensor from the one found, as far as that can be done; says so where it is no plain copy.

    `rows` are the codes of tokens that both have, where each token has a row, and `characters`, as
    `_common_characters` gives them, those of a head's rows; both are None for all other tensors.
    """
    if rows is not None and found.shape[1:] == tensor.shape[1:]:
        tensor[rows[1]] = found[rows[0]]
        return f"{name} has {rows.shape[1]} of its {len(tensor)} rows from the weights' vocabulary"
    if characters is not None:
        theirs, added, size = characters
        old = found.unflatten(0, (-1, size))  # steps, characters, …
        ours = tensor.unflatten(0, (-1, len(theirs)))
        ours.copy_(old[:, theirs])
        if tensor.ndim == 1:  # the biases: what is known goes on being read as it was
            ours[:, added] -= NEW
        return f"{name} has the rows of characters that both alphabets hold, and of those without accents"
    if found.shape == tensor.shape:
        tensor.copy_(found)
        return None
    if _differ_in_channels(found, tensor):
        old, new = found.shape[1], tensor.shape[1]
        tensor.copy_((found.sum(dim=1, keepdim=True) / new).expand_as(tensor))
        return f"{name} sees {new} channels in place of {old}, by the mean over those"
    return f"{name} is new: it has shape {list(tensor.shape)}, and the weights' has {list(found.shape)}"


def _heads(
    source: Mapping[str, Tensor], network: nn.Module, characters: tuple[list[int], list[int], int] | None
) -> set[str]:
    """The tensors of a network, and of the source's, that have a row for each class of their two alphabets, by name.

    Where both have one shape, that is none of its own: only the network's last module is then taken for a head.
    """
    if characters is None:
        return set()
    theirs, _, size = characters
    ours = network.state_dict()
    last = next(reversed(ours)).rpartition(".")[0]
    heads = set()
    for name, tensor in ours.items():
        found = source.get(name, torch.tensor(0))
        steps, rest = divmod(len(found), size) if found.ndim else (0, 1)
        fits = rest == 0 and tensor.shape == (steps * len(theirs), *found.shape[1:])
        if fits and (found.shape != tensor.shape or name.rpartition(".")[0] == last):
            heads.add(name)
    return heads


def _common_characters(source: Spec, spec: Spec) -> tuple[list[int], list[int], int] | None:
    """For each class of an alphabet, the blank first, the one of the source's; which are new; and the source's number.

    A letter that the source does not have is that without its accent, and any other character the blank. None where
    the alphabets are the same, or there are none.
    """
    if not isinstance(source.output, Transcript) or not isinstance(spec.output, Transcript):
        return None
    theirs, ours = source.output.alphabet, spec.output.alphabet
    if theirs == ours:
        return None
    places = {character: place for place, character in enumerate(theirs, start=1)}
    plain = (character if character in places else unicodedata.normalize("NFD", character)[0] for character in ours)
    new = [place for place, character in enumerate(ours, start=1) if character not in places]
    return [0, *(places.get(character, 0) for character in plain)], new, 1 + len(theirs)


def _differ_in_channels(found: Tensor, tensor: Tensor) -> bool:
    """Whether both are weights of convolutions, alike but for the channels that they see."""
    return found.ndim == tensor.ndim >= 3 and found.shape[:1] + found.shape[2:] == tensor.shape[:1] + tensor.shape[2:]


def _common_codes(source: Spec, spec: Spec) -> dict[str, Tensor]:
    """The codes of tokens that two vocabularies hold, in the one and the other (2, N), where these differ.

    By the part of their names that tensors with a row for each token have.
    """
    theirs, ours = _vocabularies(source), _vocabularies(spec)
    differ = [part for part in ours if theirs.get(part, ours[part]) != ours[part]]
    return {part: torch.tensor(list(_pairs(theirs[part], ours[part]))).T for part in differ}


def _vocabularies(spec: Spec) -> dict[str, tuple[str, ...]]:
    """The tokens that have a row each in a network's tensors, by a part of their names."""
    given, wanted = spec.input, spec.output
    if isinstance(given, SourceText) and isinstance(wanted, TargetText):
        return {"source": given.vocabulary, "embedding": wanted.vocabulary, "bias": wanted.vocabulary}
    if isinstance(wanted, Tokens):
        return {"embedding": wanted.vocabulary, "output": wanted.vocabulary}
    if isinstance(given, Sentence):
        return {"words": given.vocabulary, "letters": given.alphabet}
    return {"embedding": given.vocabulary} if isinstance(given, Text) else {}


def _pairs(theirs: tuple[str, ...], ours: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    yield from ((code, code) for code in range(FIRST))
    codes = {token: code for code, token in enumerate(theirs, start=FIRST)}
    yield from ((codes[token], code) for code, token in enumerate(ours, start=FIRST) if token in codes)
