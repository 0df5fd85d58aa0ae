"""Settings that were called otherwise in zoo 0.1: whoever uses an old name is told the new one."""

from __future__ import annotations

# By the part of the config, as `part.old` → `part.new`
GROUPS = {"optimiser": "optimizer"}
SETTINGS = {
    "model": {
        "hidden": "hidden_size (hidden_sizes of mlp)",
        "layers": "num_layers",
        "embedding": "embedding_dim",
        "members": "ensemble_size",
        "rows": "by_rows",
        "latent": "latent_dim",
    },
    "task": {
        "optimiser": "optimizer",
        "discriminator_optimiser": "discriminator_optimizer",
        "game": "gan_loss",
        "penalty": "gradient_penalty",
        "contrast_weight": "contrastive_weight",
        "judge": "evaluator",
        "binarise": "binarize",
        "centring": "centering",
        "normal": "normal_classes",
        "false_alarms": "false_positive_rate",
        "given": "given_fraction",
        "targets": "max_targets",
        "item_rate": "item_lr_scale",
        "spectral": "spectral_norm",
        "smallest": "min_fraction",
        "largest": "max_fraction",
    },
    "data": {
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
    "": {
        "scale": "task.degradation.scale",
        "arrangement": "part of the models: what suits a task is the model's default",
    },
}


def new_name(setting: str) -> str | None:
    """What a setting such as `model.hidden` is called now; None where it was not renamed."""
    part, _, rest = setting.partition(".")
    if not rest:
        return SETTINGS[""].get(part) or GROUPS.get(part)
    parent, _, last = rest.rpartition(".")
    table = SETTINGS.get(part, {})
    found = table.get(last)
    if found is None and (head := rest.split(".")[0]) in table:  # task.optimiser.lr
        return f"{part}.{table[head]}{rest[len(head) :]}"
    return None if found is None else f"{part}.{f'{parent}.' if parent else ''}{found}"
