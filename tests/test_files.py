"""Files are replaced whole or not at all, and messages about them fit on a line."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

import zoo
from zoo.errors import ConfigError
from zoo.files import is_regular, matching, one_line, quoted, remove_abandoned, replacing, user_path
from zoo.spec.files import read_table


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file"
    with replacing(path) as file:
        file.write(b"old")
        assert not path.exists()
    with replacing(path, sync=False) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with suppress(KeyboardInterrupt), replacing(path) as file:
        file.write(b"newer")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"new"
    assert os.listdir(path.parent) == ["file"]


def test_a_disk_that_is_full_is_told_of_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"No space left on device: '.*file'"), replacing(tmp_path / "file"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as a write does, without a name


def test_what_is_no_fault_of_the_disk_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match=r"^it takes too long$"), replacing(tmp_path / "file"):
        raise TimeoutError("it takes too long")


def test_a_tilde_is_a_home_and_one_of_nobody_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/x.csv") == tmp_path / "x.csv"
    assert user_path("~nobody-has-this-name/x.csv") == Path("~nobody-has-this-name/x.csv")
    with pytest.raises(zoo.errors.DataError, match="no such file: ~nobody"):
        read_table("~nobody-has-this-name/x.csv")
    with pytest.raises(zoo.errors.ArtefactError, match=r"^~nobody"):
        zoo.load("~nobody-has-this-name/model.safetensors")
    zoo.save(zoo.load("cnn.digits"), "~/model.safetensors")
    assert zoo.load("~/model.safetensors").model == "cnn"


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    for name in (".a.part", ".b.part", "c.part"):
        (tmp_path / name).write_text("")
    os.utime(tmp_path / ".a.part", (time.time() - 10**6,) * 2)
    remove_abandoned(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".b.part", "c.part"]


def test_only_files_are_regular(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(__file__)
    assert is_regular(Path(__file__))
    assert is_regular(tmp_path / "link")
    assert not any(map(is_regular, (tmp_path, tmp_path / "nowhere", Path("/dev/null"), Path("a\0b"))))


def test_what_is_quoted_is_short_and_steers_no_terminal() -> None:
    endless: list[object] = []
    endless.append(endless)
    wide = [[[["x" * 1000] * 1000] * 1000] * 1000] * 1000
    for value in (endless, wide, "\x1b[2J\ud800\n" * 1000, 10**4000, {i: i for i in range(10**5)}):
        text = one_line(f"it is {quoted(value)}")
        assert len(text) <= 300
        assert text.isprintable()
        text.encode()
    assert one_line("a\n b\x07" + "c" * 10**6, 20).startswith(r"a b\x07ccc")


def test_a_pattern_matches_files_and_a_name_that_looks_like_one_is_a_name(tmp_path: Path) -> None:
    for name in ("scan1.png", "scan2.png", "scan[1].png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert matching(f"{tmp_path}/*.txt") == [f"{tmp_path}/notes.txt"]
    assert matching(f"{tmp_path}/scan?.png") == [f"{tmp_path}/scan1.png", f"{tmp_path}/scan2.png"]
    assert matching(f"{tmp_path}/scan[1].png") == [f"{tmp_path}/scan[1].png"]
    with pytest.raises(ConfigError, match=r"folder\.png is a folder"):
        matching(f"{tmp_path}/folder.png")
