"""The commands of the README, run as a new user would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import zoo


def check_inpainter(printed: str, folder: Path) -> zoo.Artefact:
    """Follow the last line printed, and use what it names."""
    path = re.search(r'zoo\.load\("(.+?)"\)', printed.strip().splitlines()[-1])
    assert path, printed
    inpaint = zoo.load(folder / path[1])
    height, width = inpaint.spec.input.height, inpaint.spec.input.width
    hole = [[2 <= row < 5 and column > 3 for column in range(width)] for row in range(height)]
    import numpy as np

    picture = np.full((height, width), 200, dtype=np.uint8)
    restored = np.asarray(inpaint(picture, np.array(hole)))
    assert (restored[~np.array(hole)] == 200).all()
    return inpaint


def test_the_first_command_in_short(root: Path, tmp_path: Path, forks: Any) -> None:
    done = forks.run(root / "scripts" / "train.py", "model=gan", "batches=10", "model.width=8", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    check_inpainter(done.stdout, tmp_path)
    assert len(list(tmp_path.glob("runs/gan_inpainting_digits/*/restored.png"))) == 1


@pytest.mark.slow
def test_the_first_command_learns(root: Path, tmp_path: Path, forks: Any) -> None:
    """In a twelfth of its epochs the default inpainter beats filling the hole with the mean shade by far."""
    done = forks.run(root / "scripts" / "train.py", "model=gan", "epochs=6", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = check_inpainter(done.stdout, tmp_path).metrics
    assert metrics["test/l1"] < metrics["baseline/mean_fill_l1"] / 2


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/commands.md"])
def test_a_page_names_no_choice_that_does_not_exist(root: Path, page: str) -> None:
    """Each `group=choice` of its commands is a file of conf."""
    text = (root / page).read_text(encoding="utf-8").replace("    $ python scripts/train.py data=mnits\n", "")
    pairs = set(re.findall(r"\b(model|task|data|trainer|callbacks|experiment)=([a-z_0-9]+)(?![a-z_0-9.])", text))
    assert pairs
    for group, choice in pairs:
        assert (root / "conf" / group / f"{choice}.yaml").exists(), f"{group}={choice}"


def test_what_the_readme_links_to_exists(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https:)([^)#]+)", text):
        assert (root / target).exists(), target
