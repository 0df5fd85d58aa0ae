"""The pages of the published weights: one of all, which is kept in docs, and one of each, which the site builds.

Whatever a page says of a weight comes from its artefact and its record.
"""

from __future__ import annotations

from zoo.errors import install
from zoo.metrics.meanings import meaning
from zoo.spec import Classes, Ink, Labels, MultiLabel, Strokes, Table, Transcript
from zoo.weights.catalogue import Weights, list_weights

MAX_NAMES = 30  # classes that a page lists


ABOUT = f"""# Published weights

All of these come with the package. Metrics are those of the test split. To compute them again:

    python scripts/evaluate.py weights=all

`$ZOO_DATA` in a command is the folder of your data sets. `python scripts/publish.py` writes this page.

## Load pretrained weights

    import zoo

    zoo.load("cnn.digits")("scan.png")                        # answers raw input
    zoo.create_model("cnn", weights="digits", num_classes=26) # the bare network, here with a new head
    zoo.features("cnn.digits")(["a.png", "b.png"])            # the features that its last layer sees, (2, F)
    zoo.features("cnn.digits", stages=[0, 2])(["a.png"])      # feature maps of two depths
    zoo.create_model("cnn", in_channels=3, num_classes=0)     # without a head; zoo.list_models("*") has all networks
    zoo.load("cnn.digits")(images)                            # one array, B x C x H x W (or B x H x W x C): a batch

    python scripts/predict.py model=cnn.digits input='scans/*.png'
    python scripts/export.py model=cnn.digits format=onnx

An image is a path, a PIL image or an array (uint8 from 0 to 255, or float from 0 to 1). A model for tables takes a row
as a dict, a list of rows, a DataFrame or the path of a CSV file. A list gives a list of answers. `digit.network` is the
bare `nn.Module`, `digit.spec` says what goes in and what comes out, `digit.metrics` how good it is, and `digit.recipe`
how it was trained, where `digit = zoo.load("cnn.digits")`. A file of weights is ordinary safetensors with a sha256 of
its whole content. Nothing in it is ever executed: [SECURITY.md](../SECURITY.md). A damaged or forged file raises a
`zoo.ArtefactError` that says what is wrong.

## Fine-tune

    python scripts/train.py model=cnn data=mnist init_from=cnn.digits freeze=[stages.0] layer_decay=0.8

## Load and share other weights

`zoo.load` also takes a file (`zoo.load("model.safetensors")`), an address (`zoo.load("https://…", sha256="…")`; the
file is kept in `~/.cache/zoo`, or where `ZOO_CACHE` says), and a repository of the Hugging Face hub
(`zoo.load("hf://owner/name")`, with `{install("hub")}`). This uploads a run of yours, with its card and
plots:

    python scripts/publish.py run=runs/… to=hf://owner/name licence=Apache-2.0

For torch.hub, `hubconf.py` has `load` and `create_model`.
"""


def page(plots: str) -> str:
    """All published weights in Markdown; `plots` is the folder of their plots beside the page."""
    lines = [ABOUT]
    for weights in list_weights():
        named = {name.removeprefix("test/"): value for name, value in weights.test_metrics.items()}
        metrics = ", ".join(f"[{name}](glossary.md#{name}) {value:.4g}" for name, value in named.items())
        lines += [
            f"## {weights.name}",
            "",
            f"{weights.spec}. Data: {weights.data}.",
            "",
            f"{metrics}; {weights.parameters:,} parameters, {weights.size:,} bytes, {weights.licence}.",
            "",
            *_commands(weights),
            "",
            f"![what {weights.name} does]({plots}/{weights.name}.png)",
            "",
        ]
    return "\n".join(lines)


def _commands(weights: Weights) -> list[str]:
    """The command that trained it, after those that trained what it started from."""
    if not weights.parent_commands:
        return [f"    {weights.command}"]
    goes_on = "" if "init_from=" in weights.command else " init_from=runs/…/model.safetensors"
    return [*(f"    {command}" for command in weights.parent_commands), f"    {weights.command}{goes_on}"]


def weight_page(weights: Weights) -> str:
    """The page of one weight in Markdown, beside its plot; the glossary and the techniques are a folder above."""
    model = weights.header["model"]
    lines = [
        f"# {weights.name}",
        "",
        f"**{weights.spec}**, by {model} ([how it works](../{_technique(weights)}.md)). [All weights](../weights.md).",
        "",
        f"![what {weights.name} does]({weights.name}.png)",
        "",
        "## Use",
        "",
        "    import zoo",
        "",
        f'    zoo.load("{weights.name}")({_example(weights)})',
        "",
        "In a browser, for many files, and over HTTP:",
        "",
        f"    zoo demo model={weights.name}",
        f"    zoo predict model={weights.name} input=…",
        f"    zoo serve model={weights.name}",
        "",
        *_sides(weights),
        "## Metrics",
        "",
        f"Of the test split, as `zoo evaluate weights={weights.name}` computes them again from the file and the data.",
        "",
        "| metric | value | may differ by | what it is |",
        "|---|---|---|---|",
        *(_row(name, value, weights) for name, value in weights.metrics.items() if not name.startswith("train/")),
        "",
        "## Data and training",
        "",
        f"{weights.data}.",
        "",
        *_commands(weights),
        "",
        *_seconds(weights),
        "## File",
        "",
        "| | |",
        "|---|---|",
        f"| licence | {weights.licence} |",
        f"| parameters | {weights.parameters:,} |",
        f"| size | {weights.size:,} bytes |",
        f"| sha256 | `{weights.sha256}` |",
        *(f"| made with {library} | {version} |" for library, version in weights.header["recipe"]["versions"].items()),
        "",
    ]
    return "\n".join(lines)


def _technique(weights: Weights) -> str:
    """The page of docs that tells of it."""
    if isinstance(weights.spec.output, Transcript):
        return "ocr"
    if isinstance(weights.spec.input, Strokes) or isinstance(weights.spec.output, Ink):
        return "handwriting"
    model = str(weights.header["model"])
    return "rnn" if model in ("gru", "lstm") else model


def _example(weights: Weights) -> str:
    """The arguments of a call, in Python."""
    if weights.example is not None:
        return repr(weights.example)
    return '"table.csv"' if isinstance(weights.spec.input, Table) else weights.spec.input.example()


def _sides(weights: Weights) -> list[str]:
    """What goes in and what comes out, where that has names."""
    into, out = weights.spec.input, weights.spec.output
    lines = []
    if isinstance(into, Table):
        lines.append(f"Columns: {', '.join(column.name for column in into.columns)}.")
    if isinstance(out, (Classes, Labels, MultiLabel)) and len(out.names) <= MAX_NAMES:
        lines.append(f"{out.word.capitalize()}: {', '.join(out.names)}.")
    return [line for text in lines for line in (text, "")]


def _row(name: str, value: float, weights: Weights) -> str:
    split, _, bare = name.partition("/")
    shown = f"[{bare}](../glossary.md#{bare})" if split == "test" else bare
    tolerance = weights.tolerance.get(name)
    return f"| {shown} | {value:.4g} | {'' if tolerance is None else f'{tolerance:.2g}'} | {meaning(name)} |"


def _seconds(weights: Weights) -> list[str]:
    seconds = weights.metrics.get("train/seconds")
    return [] if seconds is None else [f"The training took {seconds:,.0f} seconds.", ""]
