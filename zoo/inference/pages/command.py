"""`zoo read`: documents to text or JSON."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any

from omegaconf import DictConfig, ListConfig

from zoo import check
from zoo.errors import ConfigError, SpecError, one_line, unknown
from zoo.files import matching, output_path
from zoo.inference.pages.document import Document
from zoo.inference.pages.reading import check_reader, read_page
from zoo.progress import track
from zoo.weights.catalogue import load

FORMATS = ("text", "json")


def read(cfg: DictConfig) -> int:
    """Read all documents, as `conf/use/read.yaml` describes; standard error names what could not be read.

    Returns:
        The number of documents without any text.

    Raises:
        ConfigError: a setting is impossible, or there is no such file.
        ArtefactError: the model cannot be loaded.
        SpecError: the model reads no lines of text.
    """
    if cfg.format not in FORMATS:
        raise ConfigError(unknown("format", cfg.format, FORMATS))
    try:
        least = check.fraction("min_confidence", cfg.min_confidence)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    files = _files(cfg.input)
    path = None if cfg.output is None else output_path(cfg.output, files)
    reader = load(cfg.model)
    check_reader(reader)
    failures, between = 0, ""
    try:
        place = nullcontext(sys.stdout) if path is None else path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {cfg.output}: {error.strerror}") from error
    with place as output:
        for file in track(files, "reading", len(files)):
            try:
                document = read_page(file, reader, min_confidence=least)
            except SpecError as error:
                failures += 1
                _say(str(error) if file in str(error) else f"{file}: {error}")
                continue
            print(between + _written(file, document, cfg.format), file=output, flush=True)
            between = "\f" if cfg.format == "text" else ""
            for line in document.unread:
                _say(f"{file}: {line}")
            failures += not document.text.strip()
    return failures


def _files(given: Any) -> list[str]:
    if given == "-" or isinstance(given, ListConfig):
        raise ConfigError(f"give one file or one pattern, such as input='scans/*.pdf'; got input={given}")
    return matching(str(given))


def _written(file: str, document: Document, form: str) -> str:
    if form == "text":
        return document.text
    return json.dumps({"file": file, **document.as_dict()}, ensure_ascii=False)


def _say(line: str) -> None:
    print(one_line(line), file=sys.stderr)
