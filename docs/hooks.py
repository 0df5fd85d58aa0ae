"""For the documentation site: pages that stand at the root of the repository, and links to what is no page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)#:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **others: Any) -> str:
    """Let links lead to pages of the site; a file of the repository is told by its name."""
    here = ROOT if page.file.src_uri in PAGES else Path(ROOT, "docs", page.file.src_uri).parent

    def linked(match: re.Match[str]) -> str:
        target = (here / match["target"]).resolve()
        if not target.exists():
            return match[0]  # which the site's own check finds
        place = target.relative_to(ROOT).as_posix()
        if place in PAGES:
            return f"[{match['text']}]({place}{match['anchor'] or ''})"
        if place.startswith("docs/"):
            return f"[{match['text']}]({place.removeprefix('docs/')}{match['anchor'] or ''})"
        return match["text"] if match["text"].strip("`") == place else f"{match['text']} (`{place}`)"

    return LINK.sub(linked, markdown)
