"""JSON Schema of inputs and answers, by the kinds of a spec, for the OpenAPI description of a server."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from zoo.spec import (
    Anomaly,
    Classes,
    Counts,
    Features,
    Forecast,
    Image,
    InputKind,
    Label,
    Labels,
    MaskedImage,
    MultiLabel,
    Ratings,
    Recommendations,
    Seed,
    Sentence,
    Series,
    Spec,
    Table,
    Text,
    TextLine,
    Tokens,
    Topics,
    Transcript,
    Values,
    Video,
)
from zoo.spec.columns import Boolean, Category, Number
from zoo.spec.series_parts import said_steps

Schema = dict[str, Any]
NUMBER, STRING = {"type": "number"}, {"type": "string"}
PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
FILE = {"type": "string", "format": "binary"}
PIXELS = {"type": "array", "description": "rows of pixels: whole numbers 0..255, or numbers 0..1"}
PNG = {"type": "string", "description": "data:image/png;base64,…"}


def an_object(**properties: Schema) -> Schema:
    """An object that has all of these properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def a_list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


# Inputs


@singledispatch
def input_schema(kind: InputKind) -> Schema:
    """The JSON of one input."""
    return {"description": f"{kind.word}, such as {kind.example()[:200]}"}


@input_schema.register(Image)
@input_schema.register(TextLine)
@input_schema.register(Video)
def _(kind: Any) -> Schema:
    file = {"type": "string", "description": f"{kind.word}: the base64 of its file, or a data address of it"}
    return {"anyOf": [file, PIXELS]}


@input_schema.register
def _(kind: MaskedImage) -> Schema:
    mask = {"anyOf": [{**STRING, "description": "as the image; bright in the hole"}, PIXELS]}
    return an_object(image=input_schema.dispatch(Image)(kind), mask=mask)


@input_schema.register(Text)
@input_schema.register(Sentence)
@input_schema.register(Counts)
def _(kind: Text | Sentence | Counts) -> Schema:
    return {"type": "string", "minLength": 1, "description": f"a {kind.word}"}


@input_schema.register
def _(kind: Label) -> Schema:
    return {"type": "string", "enum": list(kind.names)}


@input_schema.register
def _(kind: Seed) -> Schema:
    return {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}


@input_schema.register
def _(kind: Ratings) -> Schema:
    rating = {"enum": list(kind.scale)}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": dict.fromkeys(kind.titles, rating),
        "additionalProperties": False,
    }


@input_schema.register
def _(kind: Table) -> Schema:
    return an_object(**{column.name: _cell(column) for column in kind.columns})


def _cell(column: Any) -> Schema:
    """A cell of a column; a missing one is null."""
    if isinstance(column, Number):
        return {"type": ["number", "string", "null"], "examples": [column.example()]}
    if isinstance(column, Boolean):
        return {"type": ["boolean", "string", "null"]}
    if isinstance(column, Category):
        return {"type": ["string", "number", "boolean", "null"], "examples": list(column.values[:100])}
    return {"type": ["string", "null"], "examples": [column.example()]}


@input_schema.register
def _(kind: Series) -> Schema:
    columns = an_object(**{name: a_list(NUMBER) for name in kind.names})
    steps = a_list({**a_list(NUMBER), "minItems": len(kind.names), "maxItems": len(kind.names)})
    return {"anyOf": [columns, steps, *([a_list(NUMBER)] if len(kind.names) == 1 else [])]}


# Answers


@singledispatch
def answer_schema(kind: Any) -> Schema:
    """The JSON of one answer."""
    return {"description": kind.word}


@answer_schema.register
def _(kind: Classes) -> Schema:
    probabilities = an_object(**dict.fromkeys(kind.names, PROBABILITY))
    return an_object(label={"enum": list(kind.names)}, probability=PROBABILITY, probabilities=probabilities)


@answer_schema.register
def _(kind: MultiLabel) -> Schema:
    probabilities = an_object(**dict.fromkeys(kind.names, PROBABILITY))
    return an_object(labels=a_list({"enum": list(kind.names)}), probabilities=probabilities)


@answer_schema.register
def _(kind: Labels) -> Schema:
    return a_list(an_object(label={"enum": list(kind.names)}, probability=PROBABILITY))


@answer_schema.register
def _(kind: Image) -> Schema:
    return PNG


@answer_schema.register
def _(kind: Values) -> Schema:
    return an_object(**{name: {} for name in kind.names})  # of each a number, and intervals where there are any


@answer_schema.register
def _(kind: Forecast) -> Schema:
    return {"description": f"the next {said_steps(kind.horizon)} of {', '.join(kind.names)}"}


@answer_schema.register(Tokens)
@answer_schema.register(Transcript)
def _(kind: Tokens | Transcript) -> Schema:
    return an_object(text=STRING, confidence=PROBABILITY)


@answer_schema.register
def _(kind: Features) -> Schema:
    return a_list(PROBABILITY)


@answer_schema.register
def _(kind: Anomaly) -> Schema:
    return an_object(score=NUMBER, anomaly={"type": ["boolean", "null"]})


@answer_schema.register
def _(kind: Recommendations) -> Schema:
    return a_list(an_object(title={"enum": list(kind.titles)}, rating=NUMBER))


@answer_schema.register
def _(kind: Topics) -> Schema:
    return a_list(an_object(topic={"type": "integer"}, probability=PROBABILITY, words=a_list(STRING)))


# Requests and replies


def request_body(spec: Spec) -> Schema:
    """OpenAPI's description of what POST /predict takes."""
    options = {"type": "object", "description": "of the answers, such as a seed, where the network has any"}
    inputs = {**a_list(input_schema(spec.input)), "minItems": 1}
    json = {"type": "object", "properties": {"inputs": inputs, "options": options}, "required": ["inputs"]}
    part = FILE if spec.input.reads_files or isinstance(spec.input, (Table, Series)) else STRING
    fields = {**{name: a_list(part) for name in spec.input.takes}, "options": STRING}
    form = {"type": "object", "properties": fields, "required": list(spec.input.takes)}
    return {
        "required": True,
        "content": {"application/json": {"schema": json}, "multipart/form-data": {"schema": form}},
    }


def responses(spec: Spec) -> dict[int | str, Schema]:
    """OpenAPI's description of what POST /predict gives, by status."""
    answers = a_list({"anyOf": [answer_schema(spec.output), {"type": "null"}]})
    error = an_object(index={"type": "integer", "minimum": 0}, error=STRING)
    body = an_object(answers=answers, errors=a_list(error))
    content: Schema = {"application/json": {"schema": body}, "text/csv": {"schema": STRING}}
    if isinstance(spec.output, Image):
        content["image/png"] = {"schema": FILE}
    line = {"application/json": {"schema": an_object(error=STRING)}}
    refused = {
        400: "the body is not JSON",
        401: "no token, or a wrong one",
        408: "the request took too long to arrive",
        413: "the request is too large",
        415: "neither JSON nor a form",
        503: "too many requests wait",
        504: "the answer takes too long",
    }
    return {
        200: {"description": "an answer for each input, null where `errors` says why", "content": content},
        422: {
            "description": "no input has an answer, or the request is not of the form that is meant",
            "content": line,
        },
        **{status: {"description": why, "content": line} for status, why in refused.items()},
    }
