"""How commands end when a user made a mistake."""

from __future__ import annotations

import io
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from zoo import console
from zoo.console import one_line_errors, optional_console
from zoo.errors import DataError, SpecError
from zoo.training.compose import one_line

CONF = Path(__file__).resolve().parents[1] / "conf"


def choices(group: str) -> str:
    return ", ".join(sorted(file.stem for file in (CONF / group).glob("*.yaml")))


MNITS = f"unknown data 'mnits'; did you mean 'mnist'? choices: {choices('data')}"


@pytest.fixture
def config_folder(root: Path) -> Iterator[None]:
    with initialize_config_dir(str(root / "conf"), version_base="1.3"):
        yield


@pytest.mark.usefixtures("config_folder")
@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (
            ["data=mnits"],
            [MNITS],
        ),
        (["model=xyz"], [f"unknown model 'xyz'; choices: {choices('model')}"]),
        (["task=inpaintng"], ["unknown task 'inpaintng'; did you mean 'inpainting'?"]),
        (["trainer=gpuu"], ["unknown trainer 'gpuu'; did you mean 'gpu'?"]),
        (["model.width=3"], ["unknown setting 'model.width'; did you mean 'model.widths'? choices:", "model.dropout"]),
        (["model=gan", "model.widths=[3]"], ["unknown setting 'model.widths'; did you mean 'model.width'?"]),
        (["task.optimizer.lrr=1"], ["unknown setting 'task.optimizer.lrr'; did you mean 'task.optimizer.lr'?"]),
        (["epoch=1"], ["unknown setting 'epoch'; did you mean 'epochs'?"]),
        (["lr=1"], ["unknown setting 'lr'; did you mean 'task.optimizer.lr'?"]),
        (["optimizer.lr=1"], ["unknown setting 'optimizer'; did you mean 'task.optimizer'?"]),
        (["batch_size=32"], ["unknown setting 'batch_size'; did you mean 'data.batch_size'?"]),
        (["data=image_folder", "data.path=x"], ["unknown setting 'data.path'; did you mean 'data.root'?"]),
        (["model=cnn,mlp"], ["Ambiguous value", "--multirun"]),
        (["data=csv", "data.kinds.city=category"], ["data.kinds has no settings yet; ", "'+data.kinds.city=category'"]),
        (["modle=cnn"], ["modle"]),
        (["seed=[1"], ["cannot read 'seed=[1': "]),
        (["seed"], ["cannot read 'seed': "]),
        (["folder=é"], ["cannot read 'folder=é': ", "is read in quotes: \"folder='é'\""]),
        (["=3"], ["override"]),
    ],
    ids=str,
)
def test_a_mistake_on_the_command_line(overrides: list[str], parts: list[str]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # what Hydra raises is Hydra's affair
        compose("train", overrides)
    line = one_line(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line


@pytest.mark.usefixtures("config_folder")
def test_a_value_that_points_nowhere() -> None:
    with pytest.raises(OmegaConfBaseException) as caught:
        _ = compose("train", ["seed=${nowhere}"]).seed
    assert one_line(caught.value) == "Interpolation key 'nowhere' not found"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("no such\n  file: a\tb"), "no such file: a b"),
        (SpecError(""), ""),
        (HydraException("the first line\nand many more"), "the first line"),
        (HydraException("\n"), "HydraException"),
        (HydraException(), "HydraException"),
    ],
    ids=repr,
)
def test_an_error_in_one_line(error: Exception, line: str) -> None:
    assert one_line(error) == line


@pytest.fixture
def as_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a script that was started without HYDRA_FULL_ERROR; what it sets is undone."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setattr(console, "_WITH_TRACEBACK", False)


@pytest.mark.usefixtures("as_a_script")
def test_a_user_s_mistake_ends_in_one_line_and_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise DataError("no such file: digits.csv")
    assert end.value.code == 1
    assert capsys.readouterr() == ("", "no such file: digits.csv\n")


@pytest.mark.usefixtures("as_a_script", "config_folder")
def test_a_choice_is_no_null(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), one_line_errors():
        compose("train", ["logger=null"])
    assert capsys.readouterr() == ("", "a choice, such as model=cnn, is a name; null, a number or a list is none\n")


@pytest.mark.usefixtures("as_a_script")
@pytest.mark.parametrize("bug", [KeyError("a bug"), SystemExit(3), ValueError("a bug")], ids=repr)
def test_what_is_no_user_s_mistake_passes(bug: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(type(bug)) as caught, one_line_errors():
        raise bug
    assert caught.value is bug
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("as_a_script")
def test_one_within_the_other_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), one_line_errors(), one_line_errors():
        raise DataError("once")
    assert capsys.readouterr().err == "once\n"


def test_on_request_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    wanted = runpy.run_path(console.__file__)["_WITH_TRACEBACK"]
    assert wanted is True
    monkeypatch.setattr(console, "_WITH_TRACEBACK", wanted)
    with pytest.raises(DataError), one_line_errors():
        raise DataError("no such file")


@pytest.mark.usefixtures("as_a_script")
@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (OSError(28, "No space left on device", "a.ckpt"), 1, "No space left on device: 'a.ckpt'\n"),
        (KeyboardInterrupt(), 130, "Stopped\n"),
    ],
    ids=repr,
)
def test_what_the_machine_or_ctrl_c_ends(
    error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise error
    assert end.value.code == code
    assert capsys.readouterr().err == line


def test_a_console_shows_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    with optional_console():
        print("a ━ b")
    assert sys.stdout is stream
    assert stream.buffer.getvalue() == b"a ? b\n"  # type: ignore[attr-defined]
