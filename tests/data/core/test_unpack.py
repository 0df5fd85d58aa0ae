"""Files of Unix compress."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from zoo.data.core.unpack import uncompress


def pack(content: bytes, most: int) -> bytes:
    """Pack as compress does, by the plain reading of its rules: codes in groups of eight of one width."""
    table = {bytes([byte]): byte for byte in range(256)}
    out, group, width, size = bytearray(b"\x1f\x9d") + bytes([0x80 | most]), [], 9, 257

    def flush() -> None:
        bits = sum(code << (width * place) for place, code in enumerate(group))
        out.extend(bits.to_bytes(-(-width * len(group) // 8), "little"))
        group.clear()

    before = b""
    for value in content:
        now = before + bytes([value])
        if now in table:
            before = now
            continue
        group.append(table[before])
        if len(group) == 8:
            flush()
        if size < 1 << most:
            table[now] = size
            size += 1
            if size > 1 << width and width < most:  # the reader is one entry behind
                if group:
                    out_size = len(out)
                    flush()
                    out.extend(bytes(out_size + width - len(out)))
                width += 1
        before = bytes([value])
    group.append(table[before])
    flush()
    return bytes(out)


@pytest.mark.parametrize("content", [b"a", b"aaaaaaaaaa", b"banana " * 3000, random.Random(0).randbytes(3000)])
@pytest.mark.parametrize("most", [10, 12, 16])
def test_what_was_packed_comes_back(content: bytes, most: int) -> None:
    assert uncompress(pack(content, most)) == content


@pytest.mark.skipif(shutil.which("compress") is None, reason="needs the program compress")
def test_what_compress_packed_comes_back() -> None:
    content = b"".join(b"%d %d\n" % (value * value % 977, value % 13) for value in range(60_000))
    packed = subprocess.run(["compress", "-c"], input=content, capture_output=True, check=True).stdout
    assert uncompress(packed) == content


@pytest.mark.parametrize("packed", [b"", b"\x1f\x8b\x08\x00", b"\x1f\x9d\x85abc", b"\x1f\x9d\x90\xff\xff\xff\xff"])
def test_other_files_are_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        uncompress(packed)
