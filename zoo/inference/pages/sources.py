"""The pages of a document: an image, the frames of a TIFF, or a PDF."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import SpecError, install
from zoo.spec.image_files import check_pixels, frames_of, read_image

if TYPE_CHECKING:
    import PIL.Image

    from zoo.spec.image_files import RawImage

DPI = 200  # at which pages of a PDF are drawn: type of 10 points is 28 pixels high

SMALL = 2**20  # bytes of a PDF, in which one without pages says so
NO_PAGES = re.compile(rb"/Kids\s*\[\s*\]")
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the latter two are BigTIFF
MAX_STRETCH = 4.0  # of a page whose pixels are no squares; a fax has 204 x 98 dpi


def pages_of(source: RawImage) -> Iterator[PIL.Image.Image]:
    """The pages of a document as images in mode L or RGB.

    Args:
        source: the path of a PDF, of a TIFF of one or more pages, or of an image; or an image as for `zoo.spec.Image`.

    Raises:
        SpecError: it cannot be read, needs a password, is an animation, or is too large; the message names the file.
    """
    if isinstance(source, (str, os.PathLike)) and Path(source).is_file():
        with Path(source).open("rb") as file:
            start = file.read(1024)
        if b"%PDF-" in start:
            yield from _pdf(source)
            return
        if start and str(source).lower().endswith(".pdf"):
            raise SpecError(f"cannot read {source}: it is no PDF, by its first bytes")
        if start[:4] in TIFFS:
            yield from map(read_image, map(_square, frames_of(source)))
            return
    yield read_image(source)


def _pdf(path: str | os.PathLike[str]) -> Iterator[PIL.Image.Image]:
    try:
        import pypdfium2
    except ModuleNotFoundError as error:
        raise SpecError(f"{path}: to read a PDF takes pypdfium2: {install('pages')}") from error
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise SpecError(f"cannot read {path}: {_fault(path, str(error))}") from error
    number = 0
    try:
        for number in range(len(document)):
            page = document[number]
            width, height = (side * DPI / 72 for side in page.get_size())
            check_pixels(int(width * height), f"cannot read {path}: a page has, at {DPI} dpi,")
            yield page.render(scale=DPI / 72).to_pil().convert("RGB")
    except pypdfium2.PdfiumError as error:
        raise SpecError(f"cannot read {path}: page {number + 1} of {len(document)} is damaged") from error
    finally:
        document.close()


def _fault(path: str | os.PathLike[str], message: str) -> str:
    """Why a PDF cannot be opened; to PDFium one without pages is damaged."""
    if "assword" in message:
        return "it needs a password; save it without one"
    with Path(path).open("rb") as file:
        return "it has no pages" if NO_PAGES.search(file.read(SMALL)) else "a damaged PDF"


def _square(page: PIL.Image.Image) -> PIL.Image.Image:
    """A page with as many pixels an inch down as across: a fax is stretched."""
    across, down = map(float, page.info.get("dpi", (1, 1)))
    stretch = max(across, down) / max(min(across, down), 1e-6)
    if not 1.2 < stretch <= MAX_STRETCH:
        return page
    width, height = page.size
    size = (width, round(height * stretch)) if across > down else (round(width * stretch), height)
    return page.convert("L" if page.mode == "1" else page.mode).resize(size)
