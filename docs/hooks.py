"""For the documentation site: a page for each weight, pages of the repository's root, and links to what is no page."""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import zoo
from zoo.inference.weight_pages import weight_page

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "SECURITY.md")
WEIGHTS = {f"weights/{weights.name}.md": weights for weights in zoo.list_weights()}
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#:]+)(?P<anchor>#[^)]*)?\)")


def on_config(config: Any) -> Any:
    """Put the pages of the weights below that of all."""
    (use,) = (part["Use"] for part in config.nav if "Use" in part)
    use[use.index("weights.md")] = {"Weights": [{"All weights": "weights.md"}, *WEIGHTS]}
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, and of the weights."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    for place, weights in WEIGHTS.items():
        files.append(File.generated(config, place, content=weight_page(weights)))
    return files


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Let links lead to pages of the site; a file of the repository is told by its name."""
    source = page.file.src_uri
    at = os.path.dirname(source)
    here = ROOT if source in PAGES else ROOT / "docs" / at
    if source == "weights.md":
        markdown = re.sub(r"^## (\w+\.\w+)$", r"## [\1](weights/\1.md)", markdown, flags=re.MULTILINE)

    def linked(match: re.Match[str]) -> str:
        target = (here / match["target"]).resolve()
        if not target.exists():
            return match[0]  # which the site's own check finds
        place = target.relative_to(ROOT).as_posix()
        if place in PAGES or place.startswith("docs/"):
            return f"[{match['text']}]({os.path.relpath(place.removeprefix('docs/'), at)}{match['anchor'] or ''})"
        return match["text"] if match["text"].strip("`") == place else f"{match['text']} (`{place}`)"

    return LINK.sub(linked, markdown)
