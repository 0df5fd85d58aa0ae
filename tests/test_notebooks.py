"""The notebooks of the lesson, from top to bottom, in the short form that ZOO_SHORT=1 asks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_without_error(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("ZOO_SHORT", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "## Try next" in notebook.cells[-1].source
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3


RUN = """
import zoo
from zoo import progress
progress.FIRST = 0.2
list(progress.track(range(3), "counting"))
trained = zoo.train("model.hidden_sizes=[4]", model="mlp", data="wine", epochs=30, folder="run", trainer="cpu")
"""


@pytest.mark.notebook
def test_a_training_shows_one_line_of_progress_that_changes(tmp_path: Path) -> None:
    """Thirty epochs, each with a validation, leave no more of the console than a run of one."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RUN)])
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = notebook.cells[0].outputs
    written = "".join(output.get("text", "") for output in outputs)
    assert not {"\r", "\x1b"} & set(written)
    assert "test/accuracy" in written
    assert written.count("\n") < 40
    shown = [output.data["text/plain"] for output in outputs if output.output_type == "display_data"]
    assert len(shown) == 1
    assert shown[0].startswith("trained: ")
