"""The suite that measures what a lexicon and a language model gain."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pytest

from zoo.benchmarks import ocr_language


def test_the_words_of_the_other_sentences_are_the_lexicon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ocr_language, "COUNT", 2)
    monkeypatch.setattr(ocr_language, "LONGEST", 12)
    (tmp_path / "text.txt").write_text("The gate is shut.\nA dog waits.\n\nThe dog waits here.\nThe gate.\n")
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    (tmp_path / font.name).write_bytes(font.read_bytes())
    rows = {row.name: row.ours for row in ocr_language.run(tmp_path)}
    printed = capsys.readouterr().out
    assert "2 lines; a lexicon of 7 words" in printed  # in small letters
    assert rows["lexicon: character error rate"] == [0]  # "The dog" and "The gate."
    assert len(rows) == 6  # no language model
    assert "language_model.safetensors" in printed
