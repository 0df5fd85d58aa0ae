"""The zoo command, and the scripts, which are the same functions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import zoo
from zoo import progress
from zoo.cli import LOADING, VERBS, main, settings
from zoo.errors import install


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("HYDRA_FULL_ERROR", "LOCAL_RANK")}
    ended = subprocess.run([sys.executable, *command], cwd=cwd, env=plain, capture_output=True, text=True, check=False)
    ended.stderr = ended.stderr.replace(f"{LOADING}\n", "")  # which a busy machine adds
    return ended


def without(names: str, argv: list[str], event: str = "raise ModuleNotFoundError(name, name=name)") -> str:
    """A program that runs the zoo command where something happens as a module is imported."""
    return (
        "import signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name in {names.split()}: {event}\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"sys.argv = ['zoo', *{argv}]\n"
        "from zoo.cli import main\n"
        "main()\n"
    )


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Gives exit code, output and errors of the zoo command with some arguments, where it ends before Hydra starts."""

    def say(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return say


def test_help_has_a_line_for_each_verb(say: Callable[..., tuple[int, str, str]]) -> None:
    code, told, _ = say("--help")
    assert code == 0
    for name, verb in VERBS.items():
        assert sum(line.split()[:1] == [name] and verb.about in line for line in told.splitlines()) == 1
    assert say() == say("-h") == (0, told, "")
    assert max(map(len, told.splitlines())) <= 120


def test_the_version(say: Callable[..., tuple[int, str, str]]) -> None:
    assert say("--version") == (0, f"{zoo.__version__}\n", "")


def test_an_unknown_verb_is_one_line_with_the_nearest(say: Callable[..., tuple[int, str, str]]) -> None:
    code, told, error = say("tarin", "model=cnn")
    assert (code, told) == (1, "")
    assert error.count("\n") == 1
    assert "did you mean 'train'?" in error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "cnn.mnist"], "settings are given without dashes: model=…, not --model"),
        (["--batch-size=3"], "settings are given without dashes: batch_size=…"),
        (["-e", "5"], "e=…, not -e"),
        (["model=cnn.mnist", "scan.png"], "'scan.png' is no setting; one is NAME=VALUE"),
    ],
)
def test_what_is_no_setting_is_one_line(
    arguments: list[str], told: str, say: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, error = say("predict", *arguments)
    assert code == 1
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("verb", [verb for verb in VERBS if VERBS[verb].config])
def test_each_verb_has_its_config_and_its_script(root: Path, verb: str) -> None:
    assert (root / "conf" / f"{VERBS[verb].config}.yaml").is_file()
    script = (root / "scripts" / f"{verb}.py").read_text(encoding="utf-8")
    assert script.endswith(f'from zoo.cli import main\n\nif __name__ == "__main__":\n    main("{verb}")\n')


@pytest.mark.parametrize("verb", [verb for verb in VERBS if VERBS[verb].config])
def test_help_tells_of_every_setting(compose: Callable[..., DictConfig], verb: str) -> None:
    cfg = compose(VERBS[verb].config)
    assert "${settings:}" in OmegaConf.to_container(cfg.hydra.help, resolve=False)["template"]
    told = settings()
    assert f"python scripts/{verb}.py" in told.partition("\n\n")[0]
    assert "hydra:" not in told.replace("{hydra:", "")
    for setting in {"train": ["seed", "init_from", "resume"]}.get(verb, cfg.keys() - {"hydra"}):
        assert f"\n{setting}: " in told


def test_help_and_version_import_neither_torch_nor_hydra(tmp_path: Path) -> None:
    program = (
        "from zoo.cli import main; main(); import sys; print(sorted({'torch', 'hydra', 'numpy'} & {*sys.modules}))"
    )
    told = run("-c", program, "--help", cwd=tmp_path)
    assert told.stdout.endswith("[]\n"), told.stderr


def test_a_script_is_the_verb(root: Path, tmp_path: Path, forks: Any) -> None:
    ended = forks.run(root / "scripts" / "train.py", "data=mnits", "trainer=cpu", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("unknown data 'mnits'; did you mean 'mnist'? choices: ")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # and no run folder is left


def test_a_missing_extra_is_one_line(tmp_path: Path) -> None:
    ended = run("-c", without("lightning", ["train"]), cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"zoo train takes lightning: {install('train')}\n"


def test_imports_that_take_long_are_told_of_once(
    monkeypatch: pytest.MonkeyPatch, say: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.setattr(progress, "UNWATCHED", 0.01)
    monkeypatch.setattr(progress, "MOMENT", 0.01)
    slow = replace(VERBS["compare"], function="zoo.training.absent.command")
    monkeypatch.setitem(VERBS, "compare", slow)

    def imported(name: str) -> None:
        time.sleep(0.3)
        raise zoo.ConfigError(name)

    monkeypatch.setattr("zoo.cli.importlib.import_module", imported)
    assert say("compare") == (1, "", f"{LOADING}\nzoo.training.absent\n")


def test_ctrl_c_during_imports_is_one_line(tmp_path: Path) -> None:
    ended = run("-c", without("hydra", ["train"], "signal.raise_signal(signal.SIGINT)"), cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "Stopped\n")


@pytest.mark.parametrize("group", ["model", "task", "data", "trainer", "callbacks", "logger"])
def test_a_run_without_a_part_that_it_needs(compose: Callable[..., DictConfig], group: str) -> None:
    from zoo.training.run import train

    cfg = compose("train", f"~{group}")
    with pytest.raises(zoo.ConfigError, match=f"needs a {group}"):
        train(cfg)


def test_without_the_settings_of_a_kind_of_runs(compose: Callable[..., DictConfig]) -> None:
    from zoo.training.run import train

    with pytest.raises(zoo.ConfigError, match="~run: a run needs one"):
        train(compose("train", "~run"))


def test_a_folder_that_is_read_as_a_number(compose: Callable[..., DictConfig]) -> None:
    from zoo.training.run import train

    with pytest.raises(zoo.ConfigError, match=r"folder: a path is text, got 2026; folder=\./2026 is read"):
        train(compose("train", "folder=2026"))


def test_a_refused_run_leaves_no_folder(root: Path, tmp_path: Path, forks: Any) -> None:
    program = root / "zoo" / "__main__.py"
    ended = forks.run(program, "train", "hydra.run.dir=a/b", "data.batch_size=0", "trainer=cpu", cwd=tmp_path)
    assert ended.returncode == 1
    assert "batch_size" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_switch_is_true_or_false(say: Callable[..., tuple[int, str, str]]) -> None:
    code, _, said = say("export", "model=cnn.digits", "int8=maybe")
    assert (code, said.splitlines()[-1]) == (1, "int8 is true or false, got 'maybe'")
