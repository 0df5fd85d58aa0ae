"""The artefact: a trained network and all that is needed to use it, in one .safetensors file.

The file is an ordinary safetensors file. Its header's metadata has one entry, `zoo`: JSON with the format's version,
the model's name and options, the spec, the calibration, metrics, the recipe, and the sha256 of the whole file (taken
with the digest's own 64 characters as zeros). `zoo.weights.header` reads it, and `zoo.weights.rebuild` makes a
network of it. Loading unpickles nothing, and runs no code but that of the models in `zoo.list_models()`.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from zoo import models
from zoo.errors import ArtefactError, ConfigError, SpecError, unknown
from zoo.files import replacing, user_path
from zoo.spec import Calibration, Encoded, Features, Forecast, Sentence, Series, SourceText, Spec, Table, Transcript
from zoo.weights import header as headers
from zoo.weights.header import FORMAT, MAX_HEADER, NO_DIGEST
from zoo.weights.read_again import read_again
from zoo.weights.rebuild import read_tensors, rebuild

if TYPE_CHECKING:
    from zoo.weights.next_character import NextCharacter

BATCH = 256
ALIKE = 32  # examples of similar length that are answered at once


@dataclass(repr=False)
class Artefact:
    """A trained network with its spec: called on raw input, it answers in people's terms.

    One input gives one answer, a list gives a list:

        digit = zoo.load("model.safetensors")
        digit("scan.png")                  # {"label": "7", "probability": 0.98, "probabilities": {…}}
        digit(["a.png", "b.png"])          # a list of two

    Args:
        model: the technique's name in `zoo.list_models()`.
        options: the arguments that built the network, besides the spec.
        spec: the input and the output.
        network: the bare nn.Module, in eval mode.
        metrics: by name, such as `{"test/accuracy": 0.99}`.
        recipe: how it was trained: command, settings, versions.
        calibration: numbers chosen after training, such as the threshold of anomalies.
    """

    model: str
    options: dict[str, Any]
    spec: Spec
    network: nn.Module
    metrics: dict[str, float] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)

    def __post_init__(self) -> None:
        self.network.eval()

    def __repr__(self) -> str:
        """In one line: a spec may hold a vocabulary of thousands of words."""
        return f"Artefact({self.model}: {self.spec}, options={self.options}, metrics={self.metrics})"

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Answer one raw input, or several: a list, or images as one array of four axes.

        An inpainter takes two, (image, mask) or two lists. An array of images is B x C x H x W, or B x H x W x C where
        only that has the channels of the spec; with three axes it is one image.

        A network with a method `generate` answers by that. The keyword arguments of `generate` and of
        `spec.output.decode` are options of this call.

        A network for tables takes a row as a dict, a list of those, a DataFrame, or the path of a CSV file.

        Raises:
            SpecError: an input does not fit `spec.input`, or there is no such option.
        """
        if isinstance(self.spec.input, Series) and isinstance(self.spec.output, Forecast):
            return self._forecasts(*inputs, **options)
        run, decode = self._steps(options)
        several, batches = self._batches(inputs)
        answers: list[Any] = []
        for batch in batches:
            counted = {name: options[name] + len(answers) for name in self._per_example(run)}
            answers += self._answers(partial(run, **counted), decode, batch)
        if isinstance(self.spec.input, Sentence):
            answers = list(map(self.spec.input.labelled, inputs[0] if several else inputs, answers))
        if isinstance(self.spec.input, SourceText):
            answers = list(map(self.spec.input.answered, inputs[0] if several else inputs, answers))
        return answers if several else answers[0]

    def _forecasts(self, raw: Any, **options: Any) -> Any:
        """Rows of forecasts, with their times; one raw input may hold several series."""
        run, decode = self._steps(options)
        described = self.spec.input
        assert isinstance(described, Series)
        several = isinstance(raw, (list, tuple))
        inputs = [described.parts(one) for one in (raw if several else [raw])]
        parts = [part for found in inputs for part in found]
        decoded: list[Any] = []
        for start in range(0, len(parts), BATCH):
            chunk = described.collate([part.encoded for part in parts[start : start + BATCH]])
            decoded += self._answers(run, decode, chunk)
        rows = iter([part.dated(answer) for part, answer in zip(parts, decoded)])
        answers = [[row for _ in found for row in next(rows)] for found in inputs]
        return answers if several else answers[0]

    def features(self, *inputs: Any, stages: Sequence[int] | None = None) -> Any:
        """The features of raw input, which the last layer of the network sees: float32 on the CPU.

        One input gives its features alone, (F,) for most networks; a list of N gives (N, F). With `stages` there is a
        list of feature maps, one a stage: (C, H, W) each, or (N, C, H, W).

        Args:
            *inputs: as of a call.
            stages: of a network of images, the stages whose feature maps are wanted, counted from 0.

        Raises:
            SpecError: an input does not fit `spec.input`, the list is empty, the images of a list differ in size, or
                the network has no features: no method `forward_features`, and no output of that kind; or no stages, or
                not so many.
        """
        extract = self.extractor(stages)
        several, batches = self._batches(inputs)
        found = [[part.float().cpu() for part in self._output(extract, batch)] for batch in batches]
        if not found:
            raise SpecError("the list is empty; give at least one input")
        if len({tuple(part.shape[1:] for part in parts) for parts in found}) > 1:
            raise SpecError("feature maps of images that differ in size make no batch; give one image at a time")
        joined = [torch.cat(parts) if several else parts[0][0] for parts in zip(*found)]
        return joined[0] if stages is None else joined

    def extractor(self, stages: Sequence[int] | None = None) -> Callable[..., list[Tensor]]:
        """What gives the features of a batch, in a list of one; or the feature maps of these stages.

        Raises:
            SpecError: the network has no features, no stages, or not so many of them.
        """
        if stages is not None:
            return self._stages(list(stages))
        extract = self.network if isinstance(self.spec.output, Features) else None
        extract = extract or getattr(self.network, "forward_features", None)
        if extract is None:
            raise SpecError(f"{self.model}, {self.spec}, has no features: no forward_features")
        return lambda *batch: [extract(*batch)]

    def _stages(self, stages: list[int]) -> Callable[..., list[Tensor]]:
        all_stages: Callable[..., list[Tensor]] | None = getattr(self.network, "forward_stages", None)
        if all_stages is None:
            raise SpecError(f"{self.model}, {self.spec}, has no stages: no forward_stages")
        count: Any = self.network.num_stages
        if not stages or any(type(stage) is not int or not 0 <= stage < count for stage in stages):
            raise SpecError(f"stages is a list of whole numbers from 0 to {count - 1}, got {stages}")

        def chosen(*batch: Tensor) -> list[Tensor]:
            maps = all_stages(*batch)
            return [maps[stage] for stage in stages]

        return chosen

    def to(self, device: str | torch.device) -> Artefact:
        """Move the network to a device, which then computes the answers."""
        self.network.to(device)
        return self

    def _answers(self, run: partial[Any], decode: Callable[[Any], list[Any]], batch: Encoded) -> list[Any]:
        """The answers to a batch, in order. Examples of similar length go together, so that there is little padding."""
        if isinstance(batch, Tensor) or self._per_example(run):
            return decode(self._output(run, batch))
        padded, lengths = batch
        order = lengths.argsort(stable=True)
        answers: list[Any] = []
        for rows in order.split(ALIKE):
            longest = max(1, int(lengths[rows].max()))
            alike = padded[rows, :longest], lengths[rows]
            answers += decode(read_again(partial(self._output, run), alike, self.spec))
        return [answers[place] for place in order.argsort().tolist()]

    def _per_example(self, run: partial[Any]) -> list[str]:
        """Those whole numbers among the given options of the network that count up from one example to the next."""
        names: tuple[str, ...] = getattr(self.network, "per_example", ())
        return [name for name in names if type(run.keywords.get(name)) is int]

    def _steps(self, options: dict[str, Any]) -> tuple[partial[Any], Callable[[Any], list[Any]]]:
        """The functions that compute an output and decode it, each with its options."""
        run: Callable[..., Any] = getattr(self.network, "generate", self.network)
        decode: Callable[..., Any] = self.spec.output.decode
        known = [_keywords(run if run is not self.network else self.network.forward), _keywords(decode)]
        for name in options:
            if name not in known[0] + known[1]:
                raise SpecError(unknown("option", name, known[0] + known[1]))
        if isinstance(language_model := options.get("language_model"), str | Artefact):
            options = {**options, "language_model": self._next_character(language_model)}
        chosen = [{name: options[name] for name in names if name in options} for names in known]
        if "calibration" in inspect.signature(decode).parameters:
            chosen[1]["calibration"] = self.calibration
        return partial(run, **chosen[0]), partial(decode, **chosen[1])

    def _next_character(self, language_model: str | Artefact) -> NextCharacter:
        """What a language model, or that of a name or path, says about the alphabet of this artefact's transcripts."""
        from zoo.weights.catalogue import load
        from zoo.weights.next_character import NextCharacter

        found = load(language_model) if isinstance(language_model, str) else language_model
        assert isinstance(self.spec.output, Transcript)
        return NextCharacter(found, self.spec.output.alphabet)

    def _batches(self, inputs: tuple[Any, ...]) -> tuple[bool, Iterator[Encoded]]:
        takes = self.spec.input.takes
        if not 1 <= len(inputs) <= len(takes):
            raise SpecError(f"call it with ({', '.join(takes)}), or a list of each, not with {len(inputs)} inputs")
        if isinstance(self.spec.input, Table):
            return self._rows(*inputs)
        if self.spec.input.is_batch(inputs[0]):
            return True, self.spec.input.encode_batch(inputs[0], BATCH)
        return self._examples(inputs)

    def _examples(self, inputs: tuple[Any, ...]) -> tuple[bool, Iterator[Encoded]]:
        """Whether there are several, and their batches, encoded."""
        described: Any = self.spec.input
        several = described.is_several(inputs[0])
        if any(described.is_several(column) != several for column in inputs):
            raise SpecError("give a list of each, or one of each")
        columns = inputs if several else tuple([single] for single in inputs)
        if len({len(column) for column in columns}) > 1:
            raise SpecError(f"the lists differ in length: {', '.join(str(len(column)) for column in columns)}")
        size = BATCH if described.stacks else 1
        examples = zip(*columns)
        chunks = iter(lambda: list(islice(examples, size)), [])
        return several, (described.collate(described.encode_all(chunk)) for chunk in chunks)

    def _rows(self, raw: Any) -> tuple[bool, Iterator[Encoded]]:
        """As `_examples`, for the rows of a table, which are encoded column by column."""
        table = self.spec.input
        assert isinstance(table, Table)
        plain = isinstance(raw, (list, tuple)) or table.is_row(raw)
        frame = raw if plain else table.read(raw)
        encoded = table.encode(frame)
        if (blank := table.blank(encoded)).any():
            place = int(blank.int().argmax())
            row = place + 1 if plain else frame.index[place]
            raise SpecError(f"row {row}: all cells are missing; give at least one")
        return not table.is_row(raw), iter(encoded.split(BATCH))

    @torch.inference_mode()
    def _output(self, run: Callable[..., Any], batch: Encoded) -> Any:
        device = next(self.network.parameters()).device
        described: Any = self.spec.input
        moved = batch.to(device) if isinstance(batch, Tensor) else tuple(part.to(device) for part in batch)
        return models.apply(run, described.prepare(moved))


def save(artefact: Artefact, path: str | os.PathLike[str], *, half: bool = False) -> None:
    """Write an artefact to one .safetensors file, whole or not at all.

    Args:
        artefact: to be written; it is not changed.
        path: of the file; its folder is made if need be.
        half: write floats in half precision (float16), in half the space; they load as float32 again.

    Raises:
        ArtefactError: its options, metrics or recipe are not JSON or too long, its model is not one of
            `zoo.list_models()`, or a number is too large for half precision (65504).
    """
    data = to_bytes(artefact, half=half)
    with replacing(user_path(path)) as file:  # a reader sees the old file or the new one, never half of one
        file.write(data)


def to_bytes(artefact: Artefact, *, half: bool = False) -> bytes:
    """What `save` writes."""
    from safetensors.torch import save as serialize

    try:
        plugin = models.find(artefact.model).plugin
    except ConfigError as error:
        raise ArtefactError(str(error)) from error
    header = {
        "sha256": NO_DIGEST,  # first, so that it is the first run of zeros in the file
        "format": FORMAT,
        "model": artefact.model,
        "options": artefact.options,
        "spec": artefact.spec.to_json(),
        "calibration": artefact.calibration.to_json(),
        "metrics": artefact.metrics,
        "recipe": artefact.recipe,
        **({"plugin": plugin} if plugin else {}),  # what to import before it is loaded, as text for people
    }
    try:
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ArtefactError(f"options, metrics and recipe must be plain JSON with finite numbers: {error}") from error
    tensors = _apart({name: tensor.detach().cpu() for name, tensor in artefact.network.state_dict().items()})
    if half:
        tensors = {name: _halved(name, tensor) for name, tensor in tensors.items()}
    data = serialize(tensors, metadata={"zoo": text})
    if (length := int.from_bytes(data[:8], "little")) > MAX_HEADER:
        raise ArtefactError(f"its header would take {length} bytes; {MAX_HEADER} is the limit")
    headers.check_lists(data)
    return data.replace(NO_DIGEST.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def load(path: str | os.PathLike[str], *, sha256: str | None = None) -> Artefact:
    """Load an artefact: the network in eval mode on the CPU, with its spec.

    Args:
        path: of the file.
        sha256: of the whole file, where it is known from elsewhere.

    Raises:
        ArtefactError: no such file, or one that is truncated, altered, oversized, from a newer zoo, of an unknown
            model, or whose tensors do not fit its model. The message names file and fault.
    """
    path = user_path(path)
    try:
        data = headers.read(path)
        if sha256 is None:
            return from_bytes(data)
        if (found := hashlib.sha256(data).hexdigest()) != sha256.lower():
            raise ArtefactError(f"its sha256 is {found}, and not {sha256}; it is damaged, or another file")
        return _rebuilt(headers.entries(data), data)  # the digest within it has nothing to add
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error


def from_bytes(data: bytes) -> Artefact:
    """The artefact that `to_bytes` turned into bytes.

    Raises:
        ArtefactError: as `load`; the message names no file.
    """
    return _rebuilt(headers.verified(data), data)


def _rebuilt(header: dict[str, Any], data: bytes) -> Artefact:
    network, spec, calibration = rebuild(header, read_tensors(data))
    return Artefact(header["model"], header["options"], spec, network, header["metrics"], header["recipe"], calibration)


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The header of an artefact (model, options, spec, calibration, metrics, recipe), without reading its tensors.

    Raises:
        ArtefactError: no such file, or its header is damaged.
    """
    path = user_path(path)
    try:
        return headers.entries(headers.read(path, header_alone=True))
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error


def check(path: str | os.PathLike[str]) -> None:
    """Check that a file is an artefact, whole and as it was written.

    Raises:
        ArtefactError: it is not; the message does not name the file.
    """
    headers.verified(headers.read(Path(path)))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous tensors that share no memory: weights that are tied are written under each of their names."""
    taken: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        found = tensor.contiguous()
        place = found.untyped_storage().data_ptr()
        apart[name] = found.clone() if place in taken else found
        taken.add(place)
    return apart


def _halved(name: str, tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    if not torch.equal(halved.isfinite(), tensor.isfinite()):
        raise ArtefactError(f"{name} holds numbers above 65504, too large for half precision")
    return halved


def _keywords(method: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(method).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
