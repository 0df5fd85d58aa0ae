"""A run's folder is one run's alone."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from zoo.errors import ConfigError
from zoo.training.folder import SHARED, choose, claimed, logged, write_config


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path) -> None:
    with ExitStack() as stack:
        folders = [stack.enter_context(claimed(tmp_path / "runs" / "now", chosen_by_user=False)) for _ in range(3)]
        assert [folder.name for folder in folders] == ["now", "now_2", "now_3"]
        (folders[1] / "card.md").write_text("")
    assert os.listdir(tmp_path / "runs") == ["now_2"]  # the others were left empty
    assert os.listdir(folders[1]) == ["card.md"]


def test_a_folder_in_use_is_refused_until_its_run_ends_or_is_killed(tmp_path: Path, forks: Any) -> None:
    folder, program, out = tmp_path / "mine", tmp_path / "program.py", tmp_path / "out"
    with claimed(folder, chosen_by_user=True), pytest.raises(ConfigError, match="mine is in use by another run"):
        claimed(folder, chosen_by_user=True).__enter__()
    assert not folder.exists()
    program.write_text(
        "from pathlib import Path; from zoo.training.folder import claimed; import time\n"
        "with claimed(Path('mine'), True): print(flush=True); time.sleep(600)"
    )
    process = forks.start(program, cwd=tmp_path, out=out, err=tmp_path / "err")
    while not (out.exists() and out.read_text()):
        assert process.is_alive(), (tmp_path / "err").read_text()
        time.sleep(0.01)
    with pytest.raises(ConfigError, match="in use"):
        claimed(folder, chosen_by_user=True).__enter__()
    process.kill()
    process.join()
    (folder / ".last.ckpt.0123.part").write_text("half")
    with claimed(folder, chosen_by_user=True):
        write_config(folder, OmegaConf.create({"choices": {"overrides": []}}))  # the first that is written
        assert sorted(os.listdir(folder)) == [".hydra", ".lock"]


@pytest.mark.parametrize("where", ["/dev/null/x", "{}/file/x", "{}/file"])
def test_a_folder_that_cannot_be_made(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    folder = Path(where.format(tmp_path))
    with pytest.raises(ConfigError, match="cannot be written to"):
        claimed(folder, chosen_by_user=True).__enter__()


def test_which_folder_is_asked_for(tmp_path: Path) -> None:
    assert choose("here", None, "runs/x") == (Path("here").absolute(), True)
    assert choose("here", "there/last.ckpt", "runs/x") == (Path("here").absolute(), True)
    assert choose(None, "there/last.ckpt", "runs/x") == (Path("there").absolute(), True)
    generated, chosen = choose(None, None, "runs/x")
    assert generated.parent == Path("runs/x").absolute()
    assert not chosen


def test_other_processes_of_a_run_take_the_folder_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    with claimed(tmp_path / "run", chosen_by_user=False) as folder:
        assert os.environ[SHARED] == str(folder)
        monkeypatch.setattr(rank_zero_only, "rank", 1)
        with claimed(tmp_path / "other", chosen_by_user=False) as told:
            assert told == folder


def test_config_and_log_are_as_hydra_writes_them(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    cfg = compose("train", "model=mlp", "seed=7")
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / ".hydra.yaml.0a1b2c3d.part").touch()  # of a run that was killed
    write_config(tmp_path, cfg, cfg.hydra)
    assert sorted(os.listdir(tmp_path / ".hydra")) == ["config.yaml", "hydra.yaml", "overrides.yaml"]
    assert OmegaConf.load(tmp_path / ".hydra" / "config.yaml").seed == 7
    assert list(OmegaConf.load(tmp_path / ".hydra" / "overrides.yaml")) == ["model=mlp", "seed=7"]
    with logged(tmp_path):
        logging.getLogger("zoo").warning("said \ud800")
    logging.getLogger("zoo").warning("not said")
    assert (tmp_path / "train.log").read_text() == "said \\ud800\n"


def test_a_refused_run_changes_nothing_of_a_killed_one(tmp_path: Path) -> None:
    left = {tmp_path / ".lock", tmp_path / ".last.ckpt.0a1b2c3d.part"}
    for file in left:
        file.touch()
    with pytest.raises(RuntimeError), claimed(tmp_path, True):
        raise RuntimeError
    assert set(tmp_path.iterdir()) == left
    with claimed(tmp_path, True):
        pass
    assert not (tmp_path / ".lock").exists()


def test_an_empty_folder_that_was_there_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), claimed(tmp_path, True):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
