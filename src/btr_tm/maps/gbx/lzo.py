"""Unpacks LZO1X, as the game packs its files; never more than was announced.

The format is that of the Linux kernel's Documentation/staging/lzo.rst. Libraries for it grow their memory as
far as the data ask for, which a file from elsewhere must not decide.
"""

from __future__ import annotations

LITERALS, NOTHING_COPIED = 4, 0  # states beside 1 to 3, the literals that followed the last match


class BadLzo(ValueError):
    """The data are no LZO, or do not unpack to the size announced."""


def unpack(packed: bytes, size: int) -> bytes:
    """The `size` bytes that `packed` holds; BadLzo if it holds anything else."""
    try:
        return _unpack(packed, size)
    except IndexError as error:
        raise BadLzo("it ends too early") from error


def _unpack(packed: bytes, size: int) -> bytes:
    out, at, state = bytearray(), 0, NOTHING_COPIED
    if packed[0] > 17:
        count = packed[0] - 17
        state, at = min(count, LITERALS), 1
        at = _literals(packed, at, count, out, size)
    while True:
        code = packed[at]
        if code < 16 and state == NOTHING_COPIED:
            count, at = _length(packed, at, code, 15)
            at = _literals(packed, at, count + 3, out, size)
            state = LITERALS
            continue
        length, distance, state, at = _match(packed, at, code, state)
        if distance == 0:
            break
        _copy(out, distance, length, size)
        at = _literals(packed, at, state, out, size)
    if at != len(packed):
        raise BadLzo(f"{len(packed) - at:,} bytes follow its end")
    if len(out) != size:
        raise BadLzo(f"it holds {len(out):,} bytes instead of {size:,}")
    return bytes(out)


def _match(packed: bytes, at: int, code: int, state: int) -> tuple[int, int, int, int]:
    """Length and distance (0: the end) of a copy, literals after it, and the place of what follows."""
    if code >= 64:
        distance = (packed[at + 1] << 3) + (code >> 2 & 7) + 1
        return (code >> 5) + 1, distance, code & 3, at + 2
    if code >= 16:
        far = code < 32
        mask = 7 if far else 31
        length, at = _length(packed, at, code & mask, mask)
        tail = packed[at] | packed[at + 1] << 8
        distance = (tail >> 2) + (((code & 8) << 11) + 16384 if far else 1)
        ends = far and distance == 16384
        return length + 2, 0 if ends else distance, tail & 3, at + 2
    near = state != LITERALS
    distance = (packed[at + 1] << 2) + (code >> 2) + (1 if near else 2049)
    return 2 if near else 3, distance, code & 3, at + 2


def _length(packed: bytes, at: int, bits: int, mask: int) -> tuple[int, int]:
    """A length whose `bits` stand in the code at `at`, and go on in bytes after it if they are 0."""
    at += 1
    if bits:
        return bits, at
    first = at
    while packed[at] == 0:
        at += 1
    return mask + 255 * (at - first) + packed[at], at + 1


def _literals(packed: bytes, at: int, count: int, out: bytearray, size: int) -> int:
    """Append `count` bytes as they are; the place after them."""
    if at + count > len(packed) or len(out) + count > size:
        short = at + count > len(packed)
        raise BadLzo("it ends too early" if short else f"it holds more than {size:,} bytes")
    out += packed[at : at + count]
    return at + count


def _copy(out: bytearray, distance: int, length: int, size: int) -> None:
    """Append `length` bytes that lie `distance` before the end, which may be some of the new ones."""
    if distance > len(out) or len(out) + length > size:
        early = distance > len(out)
        raise BadLzo("it copies from before its start" if early else f"it holds more than {size:,} bytes")
    first = len(out) - distance
    if distance >= length:
        out += out[first : first + length]
    else:
        piece = out[first:]
        out += (piece * (length // distance + 1))[:length]
