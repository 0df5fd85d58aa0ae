"""Prediction for many inputs: image files, rows of a table, lines of text or of JSON; from files or standard input."""

from __future__ import annotations

import csv
import gc
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Any

import PIL.Image
import torch
from omegaconf import DictConfig, OmegaConf

from zoo.errors import ConfigError, DataError, SpecError, ZooError, unknown
from zoo.files import output_path
from zoo.inference.inputs import Example, Failures, inputs_of, joined, message, read_examples
from zoo.metrics.meanings import rounded
from zoo.progress import track
from zoo.spec import Image, Ink, Table, drawing
from zoo.weights.artefact import Artefact
from zoo.weights.catalogue import load

ROWS = 8192  # of a file that are answered together, at least: each column is encoded at once
_JSON = json.JSONEncoder(ensure_ascii=False)  # json.dumps makes one each time
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)  # what moves a terminal's cursor, or is no character
MAX_NAME = 100  # characters of the name of an image that is saved, which may come from a text


def predict(cfg: DictConfig) -> int:
    """Answer all inputs, as `conf/use/predict.yaml` describes; standard error names those that do not fit.

    Returns:
        The number of inputs without an answer.

    Raises:
        ConfigError: a setting is impossible, or there is no such file.
        ArtefactError: the model cannot be loaded.
        SpecError: a table does not fit the model, or the model has no such option.
        DataError: a table cannot be read.
    """
    if cfg.format not in WRITERS:
        raise ConfigError(unknown("format", cfg.format, WRITERS))
    if type(cfg.batch_size) is not int or cfg.batch_size < 1:
        raise ConfigError(f"batch_size must be a whole number of at least 1, got {cfg.batch_size}")
    if not isinstance(cfg.options, (DictConfig, type(None))):
        raise ConfigError(f"options have names, such as options={{temperature: 0.5}}; got {cfg.options}")
    artefact = _on_device(load(cfg.model), cfg.device)
    inputs = inputs_of(artefact, cfg.input)
    output = None if cfg.output is None else output_path(cfg.output, [cfg.model, *inputs])
    batch_size = 1 if sys.stdin.isatty() else cfg.batch_size
    failures = Failures()
    total, examples = read_examples(artefact, inputs, batch_size, failures)
    options: Any = {} if cfg.options is None else OmegaConf.to_container(cfg.options)
    with _places(output, artefact) as (file, folder), _loaded_for_good():
        together = max(batch_size, ROWS) if isinstance(artefact.spec.input, Table) and total else batch_size
        answers = _answers(artefact, examples, together, options, failures, file.flush)
        shown = track(answers, str(cfg.model), total)
        rows = ({"input": name, **row} for name, answer in shown for row in _rows_of(name, answer, folder))
        WRITERS[cfg.format](rows, file)
    return len(failures)


@contextmanager
def _loaded_for_good() -> Iterator[None]:
    """Spare the garbage collector all that is loaded by now: it would look through it again with every few answers.

    They take half of the time on 200,000 rows of a table.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _on_device(artefact: Artefact, device: str | None) -> Artefact:
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if chosen.type == "meta":
            raise ConfigError("device=meta computes nothing; choose cpu or cuda")
        return artefact.to(chosen)
    except (RuntimeError, AssertionError, TypeError) as error:  # an AssertionError if torch was built without CUDA
        raise ConfigError(f"device={device}: {str(error).splitlines()[0]}") from error


# Answers


def _answers(
    artefact: Artefact,
    examples: Iterator[Example],
    batch_size: int,
    options: dict[str, Any],
    failures: Failures,
    flush: Callable[[], None],
) -> Iterator[tuple[str, Any]]:
    """The name of each input and its answer; an input that does not fit is added to `failures`.

    Answers are flushed before the next inputs are read, for which a stream may have one wait.
    """
    if not isinstance(artefact.spec.input, Table):
        artefact(*([] for _ in artefact.spec.input.takes), **options)  # a wrong option is an error now
    while batch := list(islice(examples, batch_size)):
        for example, answer in zip(batch, _answered(artefact, batch, options)):
            if isinstance(answer, ZooError):
                failures.append(message(example.place or example.name, answer))
            else:
                yield example.name, answer
        flush()


def _answered(artefact: Artefact, batch: Sequence[Example], options: dict[str, Any]) -> list[Any]:
    """The answers to a batch; the error of each input that does not fit, which is looked for in halves."""
    columns = [list(column) for column in zip(*(example.raw for example in batch), strict=True)]
    inputs: list[Any] = [joined(columns[0])] if isinstance(artefact.spec.input, Table) else columns
    try:
        answers: list[Any] = artefact(*inputs, **options)
    except (ZooError, ValueError) as error:
        if len(batch) == 1:
            if not isinstance(error, SpecError | DataError) or (options and _is_answered(artefact, inputs)):
                raise  # what ends the command: an option is wrong, and not this input
            return [error]
        half = len(batch) // 2
        return _answered(artefact, batch[:half], options) + _answered(artefact, batch[half:], options)
    return answers


def _is_answered(artefact: Artefact, inputs: list[Any]) -> bool:
    """Whether there is an answer without any option."""
    try:
        artefact(*inputs)
    except (ZooError, ValueError):
        return False
    return True


# Outputs


@contextmanager
def _places(output: Path | None, artefact: Artefact) -> Iterator[tuple[IO[str], Path | None]]:
    """The file for answers, and the folder for answers that are images."""
    if isinstance(artefact.spec.output, Image | Ink):
        if output is None:
            raise ConfigError(f"{artefact.model} answers with images: give their folder, output=…")
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"{output} cannot be the folder of images: {error.strerror}") from error
        yield sys.stdout, output
    elif output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # for names of files that are not valid text, as \\udcff
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout, None
    else:
        try:
            with output.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
                yield file, None
        except OSError as error:
            raise ConfigError(f"cannot write {output}: {error.strerror}") from error


def _rows_of(name: str, answer: Any, folder: Path | None) -> list[dict[str, Any]]:
    """An answer as a row of named parts, a forecast as one a step; an image or ink is saved, and is its file."""
    if isinstance(answer, dict) and "strokes" in answer:
        assert folder is not None
        file = _free(folder, Path(name).stem[:MAX_NAME])
        for suffix in drawing.SUFFIXES:
            drawing.save(answer["strokes"], file.with_suffix(suffix))
        return [{"answer": str(file), "strokes": answer["strokes"]}]
    if isinstance(answer, PIL.Image.Image):
        assert folder is not None
        file = _free(folder, Path(name).stem[:MAX_NAME])
        answer.save(file)
        return [{"answer": str(file)}]
    if isinstance(answer, list) and answer and isinstance(answer[0], dict) and "time" in answer[0]:
        return answer
    return [answer if isinstance(answer, dict) else {"answer": answer}]


def _free(folder: Path, stem: str) -> Path:
    """A free name in the folder, since images of different folders may have one name."""
    file, number = folder / f"{stem}.png", 1
    while file.exists():
        number += 1
        file = folder / f"{stem}_{number}.png"
    return file


def _write_table(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    """Aligned columns for people, without strokes, the probabilities of all classes and the like."""
    cells: list[list[str]] = []
    for row in rows:
        named = {name: value for name, value in row.items() if _is_for_people(value)}
        shown = _flat(named)
        cells = cells or [list(shown)]  # the columns are those of the first answer
        values = (shown.get(name, "") for name in cells[0])
        cells.append([rounded(value) if isinstance(value, float) else _text(value) for value in values])
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), file=file)


def _is_for_people(value: Any) -> bool:
    if isinstance(value, list):
        return not (value and isinstance(value[0], list))
    return not isinstance(value, dict) or "value" in value


def _write_csv(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    """A header and a row for each answer; a nested part has a column `part.name`.

    The columns are those of the first answer, since others may not be known for long: what only some answers have, such
    as the words that a translation copies, is in lines of JSON alone.
    """
    writer = csv.writer(file)
    names: list[str] = []
    for row in rows:
        cells = _flat(row)
        if not names:
            names = list(cells)
            writer.writerow(names)
        writer.writerow([cells.get(name, "") for name in names])


def _write_json(rows: Iterable[dict[str, Any]], file: IO[str]) -> None:
    for row in rows:
        file.write(_JSON.encode(row) + "\n")


WRITERS = {"table": _write_table, "csv": _write_csv, "jsonl": _write_json}


def _flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    """The cells of a row by name; those of a nested part as `part.name`."""
    cells: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            cells.update(_flat(value, f"{before}{_plain(name)}."))
        else:
            cells[before + _plain(name)] = value if isinstance(value, float) else _text(value)
    return cells


def _text(value: Any) -> str:
    return _plain(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@lru_cache(maxsize=1024)  # names and labels come with every row
def _plain(text: str) -> str:
    return _STEERING.sub(lambda sign: repr(sign[0])[1:-1], text)
