"""Files that Unix `compress` packed (.Z), which Python cannot unpack by itself.

Welch, "A technique for high-performance data compression", 1984 (LZW), in the form of compress 4.0: codes of 9 to
16 bits, lowest bit first, in groups of eight; code 256 clears the table.
"""

from __future__ import annotations

MAGIC = b"\x1f\x9d"
CLEAR = 256


def uncompress(packed: bytes) -> bytes:
    """The content of a .Z file.

    Raises:
        ValueError: it is no such file, or is damaged.
    """
    if packed[:2] != MAGIC or len(packed) < 4:
        raise ValueError("it is no file of Unix compress")
    most, blocks = packed[2] & 0x1F, bool(packed[2] & 0x80)
    if not 10 <= most <= 16:
        raise ValueError(f"it has codes of {most} bits")
    out, table = bytearray(), _fresh(blocks)
    width, place, end, before = 9, 24, 8 * len(packed), b""
    group = place  # where the codes of this width begin
    while place + width <= end:
        code = int.from_bytes(packed[place // 8 : place // 8 + 3], "little") >> (place % 8) & ((1 << width) - 1)
        place += width
        if code == CLEAR and blocks:
            place = _next_group(group, place, width)
            width, group, table, before = 9, place, _fresh(blocks), b""
            continue
        if code > len(table) or (code == len(table) and not before):
            raise ValueError("it is damaged")
        entry = table[code] if code < len(table) else before + before[:1]
        out += entry
        if before and len(table) < 1 << most:
            table.append(before + entry[:1])
        before = entry
        if len(table) == 1 << width and width < most:
            place = _next_group(group, place, width)
            width, group = width + 1, place
    return bytes(out)


def _fresh(blocks: bool) -> list[bytes]:
    return [bytes([byte]) for byte in range(256)] + [b""] * blocks


def _next_group(group: int, place: int, width: int) -> int:
    """The first bit after the eight codes to which the last one belongs."""
    bits = 8 * width
    return group + -(-(place - group) // bits) * bits
