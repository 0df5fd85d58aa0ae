"""The Hugging Face hub: artefacts from its repositories, and into them, through huggingface_hub (the extra hub)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from zoo.errors import ArtefactError, first_line, install
from zoo.files import one_line
from zoo.weights.artefact import check, describe
from zoo.weights.download import MAX_BYTES

ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", re.ASCII)
FILE = "model.safetensors"


def fetch(address: str) -> Path:
    """The artefact of a repository, `hf://owner/name` or `hf://owner/name@revision`, in huggingface_hub's cache.

    Raises:
        ArtefactError: not such an address, no such repository, no connection, or huggingface_hub is not installed.
    """
    hub = _hub()
    repo, revision = parse(address)
    try:
        _check_size(hub, repo, revision)
        return Path(hub.hf_hub_download(repo, FILE, revision=revision, library_name="zoo"))
    except (OSError, ValueError, ArtefactError, hub.errors.HfHubHTTPError) as error:
        raise ArtefactError(one_line(f"{one_line(address, 120)}: {first_line(error)}")) from error


def push(folder: Path, address: str, *, licence: str, private: bool = False) -> str:
    """Upload a run's artefact, its card and its plots to a repository, which is made if need be.

    It takes an account with leave to write there, to which `hf auth login` or the environment variable HF_TOKEN
    connects.

    Args:
        folder: of the run.
        address: `hf://owner/name`, or `hf://owner/name@branch`.
        licence: under which the weights may be used, by its SPDX name.
        private: whether a repository that is made is for its owner alone.

    Returns:
        The address of the upload on the web.

    Raises:
        ArtefactError: not such an address, a damaged artefact, no leave to write there, no connection, or
            huggingface_hub is not installed.
    """
    hub = _hub()
    repo, revision = parse(address)
    try:
        check(folder / FILE)
        card = f"---\nlibrary_name: zoo\nlicense: {licence.lower()}\n---\n\n" + (folder / "card.md").read_text("utf-8")
        card = _with_portable_commands(card, folder / FILE)
        card = card.replace(f'zoo.load("{FILE}")', f'zoo.load("{address}")')
        files = [hub.CommitOperationAdd("README.md", card.encode())]
        files += [hub.CommitOperationAdd(path.name, path) for path in [folder / FILE, *sorted(folder.glob("*.png"))]]
        api = hub.HfApi(library_name="zoo")
        api.create_repo(repo, private=private, exist_ok=True)
        done = api.create_commit(repo, files, commit_message="Upload from zoo", revision=revision)
    except (OSError, ValueError, ArtefactError, hub.errors.HfHubHTTPError) as error:
        raise ArtefactError(one_line(f"{one_line(address, 120)}: {first_line(error)}")) from error
    return str(done.commit_url)


def parse(address: str) -> tuple[str, str | None]:
    """Repository and revision of an address.

    Raises:
        ArtefactError: it is none.
    """
    match = ADDRESS.fullmatch(address)
    if match is None or {"", ".", ".."} & {*match["repo"].split("/"), *(match["revision"] or "main").split("/")}:
        shown = one_line(address, 120)
        raise ArtefactError(f"{shown} is not of the form hf://owner/name or hf://owner/name@revision")
    return match["repo"], match["revision"]


def _check_size(hub: Any, repo: str, revision: str | None) -> None:
    """See that the file that is promised is not too large, before any of it is received."""
    try:
        size = hub.get_hf_file_metadata(hub.hf_hub_url(repo, FILE, revision=revision), library_name="zoo").size
    except Exception:  # of no connection, or no such file: the download says so, or finds the file in its cache
        return
    if size is not None and size > MAX_BYTES:
        raise ArtefactError(f"it has {size} bytes; {MAX_BYTES} is the limit")


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ArtefactError(f"hf:// takes huggingface_hub: {install('hub')}") from error
    return huggingface_hub


def _with_portable_commands(card: str, file: Path) -> str:
    """The card with the commands of the artefact's recipe, which name no place on this disk."""
    recipe = describe(file)["recipe"]
    commands = [*recipe.get("parent_commands", ()), recipe.get("command", "")]
    lines = "".join(f"    {command}\n" for command in commands if command)
    return re.sub(r"(?<=## Command\n\n)(?:    .*\n)+", lambda _: lines, card)
