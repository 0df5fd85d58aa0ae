"""The card of a run: what was trained on what, how well it does, and how to use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig

from zoo.data.core.data_module import DataModule
from zoo.metrics.meanings import meaning, rounded
from zoo.training.recipe import command, overrides_given, title
from zoo.weights.artefact import Artefact


def card(
    cfg: DictConfig, artefact: Artefact, data: DataModule, notes: Sequence[str], captions: Mapping[str, str]
) -> str:
    """The card in Markdown; `captions` are those of the plots beside it, by file."""
    commands = [*artefact.recipe.get("parent_commands", ()), command(overrides_given(cfg))]
    parameters = sum(parameter.numel() for parameter in artefact.network.parameters())
    lines = [
        f"# {title(cfg)}",
        "",
        f"{artefact.spec}, {parameters:,} parameters.",
        "",
        "## Data",
        "",
        " ".join((type(data).__doc__ or "").split("Args:")[0].split()),
        "",
        "| split | examples |",
        "|---|---|",
        *(f"| {split} | {len(examples)} |" for split, examples in data.splits.items()),
        "",
        *(line for note in data.notes for line in (f"- {note}", "")),
        "## Command",
        "",
        *(f"    {line}" for line in commands),
        "",
        "## Metrics",
        "",
        "| metric | value | what it is |",
        "|---|---|---|",
        *(f"| {name} | {rounded(value)} | {meaning(name)} |" for name, value in artefact.metrics.items()),
        "",
        *(line for note in notes for line in (note, "")),
        "## Use",
        "",
        "    import zoo",
        "",
        '    model = zoo.load("model.safetensors")',
        f"    model({artefact.spec.input.example()})",
        "",
        "## Plots",
        "",
        *(f"{caption}\n\n![{caption}]({file})\n" for file, caption in captions.items()),
    ]
    return "\n".join(lines)
