"""The zoo command: `zoo train model=gan`, `python -m zoo train model=gan`, `python scripts/train.py model=gan`.

A verb is a line of VERBS. What it needs is imported once it is chosen, within the guard of `zoo.console`.
"""

from __future__ import annotations

import importlib
import operator
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import zoo
from zoo import progress
from zoo.console import one_line_errors, optional_console, take_any_letter
from zoo.errors import ConfigError, install, unknown
from zoo.files import quoted

LOADING = "loading: the first seconds go to imports"
FLAGS = {  # of Hydra
    "--help", "-h", "--hydra-help", "--version", "--cfg", "-c", "--resolve", "--package", "-p", "--run", "-r",
    "--multirun", "-m", "--shell-completion", "-sc", "--config-path", "-cp", "--config-name", "-cn", "--config-dir",
    "-cd", "--experimental-rerun", "--info", "-i",
}  # fmt: skip


@dataclass(frozen=True)
class Verb:
    """What a word of the command line does.

    Args:
        about: one line for `zoo --help`.
        function: its full name; it takes the config, or the arguments where there is none.
        config: a file of conf, without its ending; empty where Hydra does not read the arguments.
        failed: whether what the function gives ends the command with exit code 1.
        console: around the whole of it.
        extra: of pyproject.toml, which holds what it imports.
    """

    about: str
    function: str
    config: str = ""
    failed: Callable[[Any], bool] = lambda result: False
    console: Callable[[], AbstractContextManager[None]] = nullcontext
    extra: str = "train"


VERBS = {
    "train": Verb(
        "train a network: zoo train model=gan", "zoo.training.doors.from_command", "train", console=optional_console
    ),
    "predict": Verb(
        "answer many inputs: zoo predict model=cnn.mnist input='scans/*.png'",
        "zoo.inference.predict.predict",
        "use/predict",
        failed=bool,
    ),
    "read": Verb(
        "read scans and PDFs: zoo read input=scan.pdf", "zoo.inference.pages.command.read", "use/read", failed=bool
    ),
    "evaluate": Verb(
        "compute metrics again and compare: zoo evaluate weights=all",
        "zoo.inference.evaluate.evaluate",
        "use/evaluate",
        failed=operator.not_,
    ),
    "export": Verb(
        "write a network for other programs: zoo export model=cnn.mnist", "zoo.inference.export.export", "use/export"
    ),
    "publish": Verb(
        "put a run into the catalogue of weights: zoo publish run=runs/… name=cnn.digits licence=Apache-2.0",
        "zoo.inference.publish.publish",
        "use/publish",
    ),
    "dream": Verb(
        "draw what a convolutional network would like to see: zoo dream model=cnn.mnist",
        "zoo.inference.dream.dream",
        "use/dream",
    ),
    "sweep": Verb(
        "look for good settings: zoo sweep model=cnn 'task.optimizer.lr=log(1e-4,1e-1)' n=50",
        "zoo.training.search.from_command",
        console=optional_console,
        extra="sweep",
    ),
    "compare": Verb(
        "put runs side by side, with intervals: zoo compare runs/a runs/b", "zoo.training.compare.from_command"
    ),
    "serve": Verb(
        "answer over HTTP: zoo serve model=cnn.mnist port=8000", "zoo.serve.doors.serve", "use/serve", extra="serve"
    ),
    "demo": Verb("try networks in a browser: zoo demo", "zoo.serve.doors.demo", "use/demo", extra="serve"),
    "doctor": Verb("say what this machine can do: zoo doctor", "zoo.hardware.doctor", "use/doctor"),
    "benchmark": Verb("measure speed and quality: zoo benchmark suite=training", "zoo.benchmarks.run", "benchmark"),
}


def main(verb: str | None = None) -> None:
    """Run the command that this process was started with.

    Args:
        verb: of a script, which has only one; None where it is the first argument.
    """
    with one_line_errors():
        take_any_letter()
        arguments = sys.argv[1:]
        if verb is None:
            verb, *arguments = arguments or ["--help"]
        if verb in ("-h", "--help"):
            print(_help())
        elif verb == "--version":
            print(zoo.__version__)
        elif verb not in VERBS:
            raise ConfigError(unknown("command", verb, VERBS))
        else:
            with VERBS[verb].console(), one_line_errors():
                _run(verb, arguments)


def _check_spelling(arguments: Sequence[str]) -> None:
    """Refuse what is no setting, which Hydra would answer with its usage.

    Raises:
        ConfigError: an argument has dashes that Hydra does not know, or no =.
    """
    for before, argument in pairwise(["", *arguments]):
        name = argument.partition("=")[0]
        if argument.startswith("-") and name not in FLAGS:
            plain = name.lstrip("-").replace("-", "_")
            raise ConfigError(f"settings are given without dashes: {plain}=…, not {argument}")
        if not argument.startswith(("-", "~")) and "=" not in argument and before not in FLAGS:
            raise ConfigError(f"{quoted(argument)} is no setting; one is NAME=VALUE, such as model=…")


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"    {name:{width}}  {verb.about}" for name, verb in VERBS.items()]
    settings = "`zoo VERB --help` tells of the settings of each. `zoo --version` gives the version."
    return "\n".join(["zoo VERB [SETTING=VALUE …]", "", *lines, "", settings])


def _run(name: str, arguments: list[str]) -> None:
    """Have Hydra compose the config from the arguments, and call the verb's function on it."""
    verb = VERBS[name]
    try:
        with progress.announced(LOADING):
            import hydra
            from omegaconf import DictConfig, OmegaConf

            from zoo import private
            from zoo.settings import config_folder
            from zoo.training import plugins

            module, _, function = verb.function.rpartition(".")
            call = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "zoo":
            raise
        raise ConfigError(f"zoo {name} takes {error.name}: {install(verb.extra)}") from error
    if not verb.config:
        call(arguments)
        return
    OmegaConf.register_new_resolver("settings", settings, replace=True)
    private.compose_by(plugins.for_command)
    config = config_folder() / verb.config
    started = sys.argv

    @hydra.main(version_base="1.3", config_path=str(config.parent), config_name=config.name)
    def job(cfg: DictConfig) -> Any:
        sys.argv = started  # by which Lightning starts the other processes of a run
        with one_line_errors():
            _check_switches(cfg, OmegaConf.to_container(OmegaConf.load(config.with_suffix(".yaml"))))
            result = call(cfg)
            if verb.failed(result):
                sys.exit(1)
            return result

    _check_spelling(arguments)
    sys.argv = [started[0], *arguments]
    job()


def _check_switches(cfg: Any, defaults: Any) -> None:
    """Refuse what is neither true nor false where the default is one of them: any text would count as true.

    Raises:
        ConfigError: there is such a setting.
    """
    for name, default in defaults.items():
        if type(default) is bool and type(cfg.get(name)) is not bool:
            raise ConfigError(f"{name} is true or false, got {quoted(cfg.get(name))}")


def settings() -> str:
    """For --help: what the config file of the verb that runs says of its settings, but for what is Hydra's own."""
    from hydra.core.hydra_config import HydraConfig

    hydra = HydraConfig.get()
    folder = next(source.path for source in hydra.runtime.config_sources if source.provider == "main")
    text = Path(folder, f"{hydra.job.config_name}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^defaults:\n( .*\n)*", "", text.partition("\nhydra:")[0], flags=re.MULTILINE)
    return re.sub(r"^# ?", "", text, flags=re.MULTILINE).strip().replace("$", "$$")  # it is a template
