"""The pages of files: TIFFs, faxes, PDFs, and what is no document."""

from __future__ import annotations

from pathlib import Path

import PIL.Image
import pytest

from zoo.errors import SpecError
from zoo.inference.pages import read_page
from zoo.inference.pages.sources import pages_of


def test_all_pages_of_a_bigtiff_are_read_and_a_fax_is_stretched(tmp_path: Path) -> None:
    sheets = [PIL.Image.new("L", (60, 40), 255), PIL.Image.new("L", (60, 40), 200)]
    sheets[0].save(tmp_path / "big.tif", save_all=True, append_images=sheets[1:], big_tiff=True)
    assert len(list(pages_of(tmp_path / "big.tif"))) == 2
    sheets[0].convert("1").save(tmp_path / "fax.tif", compression="group4", dpi=(204, 98))
    assert [page.size for page in pages_of(tmp_path / "fax.tif")] == [(60, 83)]


def test_a_damaged_page_is_told_by_its_number(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    lone = b"%PDF-1.4\n1 0 obj <</Pages 2 0 R>> endobj 2 0 obj <</Kids [3 0 R 9 0 R] /Count 2>> endobj\n"
    (tmp_path / "page.pdf").write_bytes(
        lone + b"3 0 obj <</Type /Page /Parent 2 0 R>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF"
    )
    with pytest.raises(SpecError, match=r"page.pdf: page 2 of 2 is damaged"):
        list(pages_of(tmp_path / "page.pdf"))


@pytest.mark.parametrize("pages", [b"/Kids [] /Count 0", b"/Count 0/Kids[]"])
def test_a_pdf_without_pages_is_not_called_damaged(tmp_path: Path, pages: bytes) -> None:
    pytest.importorskip("pypdfium2")
    whole = b"%%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj 2 0 obj <</Type /Pages %s>> endobj\n"
    (tmp_path / "none.pdf").write_bytes(whole % pages + b"trailer <</Root 1 0 R>>\n%%EOF")
    with pytest.raises(SpecError, match=r"none.pdf: it has no pages"):
        list(pages_of(tmp_path / "none.pdf"))


LOCKED = b"""%PDF-1.3
1 0 obj << /Type /Pages /Count 1 /Kids [3 0 R] >> endobj
2 0 obj << /Type /Catalog /Pages 1 0 R >> endobj
3 0 obj << /Type /Page /Resources << >> /MediaBox [0 0 200 100] /Parent 1 0 R >> endobj
4 0 obj << /V 1 /R 2 /Length 40 /P 4294967292 /Filter /Standard
/O <295815096290d89f881ad8500840bca77fab9e9027621d1b0af4a6d622a6f9af>
/U <898697a4d498bf0f6943dee5d0d3a4c9c078944c44fc55d10ca1b919404691b1> >> endobj
trailer << /Size 5 /Root 2 0 R /Encrypt 4 0 R
/ID [<76823996c1af55df3faa9f7fb9ce85fe> <76823996c1af55df3faa9f7fb9ce85fe>] >>
%%EOF
"""  # its password is "open sesame"; the two keys are pypdf's


def test_a_pdf_with_a_password_is_said_to_need_it(tmp_path: Path) -> None:
    pytest.importorskip("pypdfium2")
    (tmp_path / "locked.pdf").write_bytes(LOCKED)
    with pytest.raises(SpecError, match=r"locked.pdf: it needs a password"):
        read_page(tmp_path / "locked.pdf")
