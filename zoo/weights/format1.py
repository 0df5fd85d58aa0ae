"""What format 1 of the artefact called by other names: files of zoo 0.1 are read through these tables."""

from __future__ import annotations

from typing import Any

# Modules that recipes name, where they have moved
MODULES = {
    "zoo.tasks.supervised": "zoo.tasks.supervised.supervised",
    "zoo.tasks.text": "zoo.tasks.supervised.sentiment",
    "zoo.tasks.ocr": "zoo.tasks.sequence.ocr",
    "zoo.tasks.captioning": "zoo.tasks.sequence.captioning",
    "zoo.tasks.tagging": "zoo.tasks.sequence.tagging",
    "zoo.tasks.forecasting": "zoo.tasks.sequence.forecasting",
    "zoo.tasks.language": "zoo.tasks.sequence.language_modelling",
    "zoo.tasks.memory": "zoo.tasks.sequence.memory",
    "zoo.tasks.restoration": "zoo.tasks.gan.restoration",
    "zoo.tasks.degradations": "zoo.tasks.gan.degradations",
    "zoo.tasks.generation": "zoo.tasks.gan.generation",
    "zoo.tasks.features": "zoo.tasks.rbm.features",
    "zoo.tasks.hybrid": "zoo.tasks.rbm.hybrid",
    "zoo.tasks.anomalies": "zoo.tasks.rbm.anomaly_detection",
    "zoo.tasks.recommendation": "zoo.tasks.rbm.recommendation",
    "zoo.tasks.topics": "zoo.tasks.rbm.topics",
    "zoo.tasks.optimisers": "zoo.optim.manhattan",
}

# Fields of each kind of input and output of a spec
SPEC_FIELDS = {"Counts": {"longest": "max_length"}}


def renamed(recipe: Any) -> Any:
    """A recipe of format 1 with today's names of modules."""
    if isinstance(recipe, dict):
        return {name: _target(value) if name == "_target_" else renamed(value) for name, value in recipe.items()}
    return [renamed(value) for value in recipe] if isinstance(recipe, list) else recipe


def _target(name: Any) -> Any:
    module, _, attribute = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    return f"{MODULES[module]}.{attribute}" if module in MODULES else name
