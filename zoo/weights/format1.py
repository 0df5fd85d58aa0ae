"""Artefacts of format 1, written by zoo 0.1: these tables turn the header of one into that of format 2.

Whatever is renamed that stands in an artefact gets a line here, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Modules that recipes name
MODULES = {
    "zoo.tasks.text": "zoo.tasks.supervised",
    "zoo.tasks.ocr": "zoo.tasks.sequence",
    "zoo.tasks.captioning": "zoo.tasks.sequence",
    "zoo.tasks.tagging": "zoo.tasks.sequence",
    "zoo.tasks.forecasting": "zoo.tasks.sequence",
    "zoo.tasks.language": "zoo.tasks.sequence",
    "zoo.tasks.memory": "zoo.tasks.sequence",
    "zoo.tasks.restoration": "zoo.tasks.gan",
    "zoo.tasks.degradations": "zoo.tasks.gan",
    "zoo.tasks.generation": "zoo.tasks.gan",
    "zoo.tasks.features": "zoo.tasks.rbm",
    "zoo.tasks.hybrid": "zoo.tasks.rbm",
    "zoo.tasks.anomalies": "zoo.tasks.rbm",
    "zoo.tasks.recommendation": "zoo.tasks.rbm",
    "zoo.tasks.topics": "zoo.tasks.rbm",
    "zoo.tasks.optimisers": "zoo.optim.manhattan",
}

# Functions that chose a task by the output of the spec: now the recipe names the task
TASKS = {
    "zoo.tasks.supervised.supervised": {
        "Classes": "zoo.tasks.supervised.Classification",
        "Values": "zoo.tasks.supervised.Regression",
    },
    "zoo.tasks.memory.memory": {
        "Values": "zoo.tasks.sequence.Adding",
        "Labels": "zoo.tasks.sequence.Tagging",
    },
}

# Options of models
RECURRENT = {
    "hidden": "hidden_size",
    "layers": "num_layers",
    "embedding": "embedding_dim",
    "members": "ensemble_size",
    "rows": "by_rows",
}
OPTIONS = {
    "cnn": {"hidden": "hidden_size", "layers": "num_layers"},
    "gan": {"latent": "latent_dim"},
    "gru": RECURRENT,
    "lstm": RECURRENT,
    "mlp": {"hidden": "hidden_sizes", "embedding": "embedding_dim", "members": "ensemble_size"},
    "rnn": RECURRENT,
}

# Fields of each kind of input and output of a spec
SPEC_FIELDS = {
    "Anomaly": {"false_alarms": "false_positive_rate"},
    "Counts": {"longest": "max_length"},
}

# Arguments in recipes of whatever has a name, or a module, that begins so
ARGUMENTS = {
    "zoo.models.": {"spectral": "spectral_norm"},
    "zoo.tasks.": {
        "given": "given_fraction",
        "targets": "max_targets",
        "item_rate": "item_lr_scale",
        "optimiser": "optimizer",
        "discriminator_optimiser": "discriminator_optimizer",
        "judge": "evaluator",
        "game": "gan_loss",
        "penalty": "gradient_penalty",
        "contrast_weight": "contrastive_weight",
        "smallest": "min_fraction",
        "largest": "max_fraction",
        "binarise": "binarize",
        "centring": "centering",
        "normal": "normal_classes",
        "false_alarms": "false_positive_rate",
    },
    "zoo.data.": {
        "words": "max_vocab",
        "fewest": "min_freq",
        "longest": "max_length",
        "past": "context_length",
        "window": "context_length",
        "val_share": "val_fraction",
        "test_share": "test_fraction",
        "turns": "rotate90",
        "lines": "train_size",
        "held_out": "eval_size",
        "people": "num_users",
        "silence": "delay",
    },
}

# Classes with other names
CLASSES = {"zoo.data.photos.RandomFlip": "zoo.data.augmentation.PhotoAugmentation"}

# Whole images of a folder were split without regard to classes, and JPEGs always read in full
WHOLE_IMAGES = {"stratify": False, "draft": False}

METRICS = {
    "test/false_alarms": "test/false_positive_rate",
    "test/detected": "test/recall",
    "baseline/rmse_item_and_person_effects": "baseline/rmse_item_and_user_effects",
}

RECIPE = {"before": "parent_commands"}
GROUPS = {"optimiser": "optimizer", "scale": "task.degradation.scale"}  # of the command line


def renamed(header: dict[str, Any]) -> dict[str, Any]:
    """The header of format 1 as one of format 2; a part of the wrong kind stays as it is, and its reader refuses it."""
    model, spec = str(header.get("model")), header.get("spec")
    output = spec.get("output") if isinstance(spec, dict) else None
    output = output if isinstance(output, dict) else {}
    anomaly = output.get("kind") == "Anomaly" and "threshold" in output
    return {
        **header,
        "format": 2,
        "options": _named(header.get("options"), OPTIONS.get(model, {})),
        "spec": {side: _side(described) for side, described in spec.items()} if isinstance(spec, dict) else spec,
        "calibration": {"threshold": output["threshold"]} if anomaly else {},
        "metrics": _named(header.get("metrics"), METRICS),
        "recipe": _recipe(header.get("recipe"), model, str(output.get("kind"))),
    }


def _named(values: Any, names: Mapping[str, str]) -> Any:
    """A dict with new names."""
    return {names.get(name, name): value for name, value in values.items()} if isinstance(values, dict) else values


def _side(described: Any) -> Any:
    """The input or output of a spec."""
    if not isinstance(described, dict):
        return described
    kind = str(described.get("kind"))
    moved = {"threshold"} if kind == "Anomaly" else set()  # to the calibration
    kept = {name: value for name, value in described.items() if name not in moved}
    return _named(kept, SPEC_FIELDS.get(kind, {}))


def _recipe(recipe: Any, model: str, output: str) -> Any:
    if not isinstance(recipe, dict):
        return recipe
    recipe = _named(recipe, RECIPE)
    if isinstance(commands := recipe.get("parent_commands"), list):
        recipe["parent_commands"] = [_command(command, model) for command in commands]
    if "command" in recipe:
        recipe["command"] = _with_length(_command(recipe["command"], model), recipe.get("config"))
    if isinstance(config := recipe.get("config"), dict):
        recipe["config"] = {
            name: _named(part, OPTIONS.get(model, {})) if name == "model" else _built(part, output)
            for name, part in config.items()
        }
    return recipe


def _built(part: Any, output: str) -> Any:
    """A part of a config, with the targets and arguments of all that it says to build."""
    if isinstance(part, list):
        return [_built(value, output) for value in part]
    if not isinstance(part, dict):
        return part
    target = part.get("_target_")
    names = _arguments(target) if isinstance(target, str) else {}
    built = {names.get(name, name): _built(value, output) for name, value in part.items()}
    if isinstance(target, str):
        if target == "zoo.data.photos.ImageFolder" and built.get("size") is not None:
            built = built | {name: built.get(name, value) for name, value in WHOLE_IMAGES.items()}
        built["_target_"] = _target(target, output)
    return built


def _target(name: str, output: str) -> str:
    if name in CLASSES:
        return CLASSES[name]
    if name in TASKS:
        return TASKS[name].get(output, name)
    module, _, attribute = name.rpartition(".")
    return f"{MODULES[module]}.{attribute}" if module in MODULES else name


def _arguments(target: str) -> dict[str, str]:
    return {old: new for prefix, names in ARGUMENTS.items() if target.startswith(prefix) for old, new in names.items()}


def _command(command: Any, model: str) -> Any:
    """A command with the new names of the settings that it overrides, such as task.optimiser.lr."""
    if not isinstance(command, str):
        return command
    groups = {
        "model": OPTIONS.get(model, {}),
        "task": ARGUMENTS["zoo.tasks."] | ARGUMENTS["zoo.models."],
        "data": ARGUMENTS["zoo.data."],
    }

    def override(match: re.Match[str]) -> str:
        group, *path = match[0].split(".")
        return ".".join([GROUPS.get(group, group), *(groups.get(group, {}).get(name, name) for name in path)])

    command = re.sub(r"(?<![\w.$/])[a-z_]+(\.\w+)*(?==)", override, command)
    return re.sub(r"(?<=\s)\+(?=\w)", "++", command)  # what had to be added may stand in the config now


def _with_length(command: Any, config: Any) -> Any:
    """A command with the length of its run, which stood in the config of the data or the task."""
    if not isinstance(command, str) or not isinstance(config, dict):
        return command
    if re.search(r"\b(experiment|epochs|batches)=", command):
        return command
    lengths = [f"{name}={config[name]}" for name in ("epochs", "batches") if type(config.get(name)) is int]
    return " ".join([command, *lengths[:1]])
