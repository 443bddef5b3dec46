"""Lists the members of a tar archive without unpacking it.

Supports the formats ustar, GNU (long names, sizes in base 256) and pax. :mod:`tarfile` is not used
because it stops without an error at a damaged header and is slow for a million members. Source:
POSIX.1-2017, "pax", section "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Member", "TarProblem", "members"]

_BLOCK = 512
_LONG_NAME, _LONG_LINK = b"L", b"K"
_PAX, _PAX_GLOBAL = b"x", b"g"
_FOLDER = b"5"
_FILES = (b"0", b"\0", b"7")
_KINDS = {b"1": "hard link", b"2": "symbolic link", b"S": "sparse file"}
_LONGEST_NAME = 1 << 20


class TarProblem(Exception):
    """The rest of the archive cannot be read; the message states the position and the reason."""


@dataclass(frozen=True)
class Member:
    """A member of an archive.

    Attributes:
        name: without a leading "./".
        offset: position of its data in the file that contains the archive.
        size: in bytes.
        kind: "" for a file, otherwise its type: "hard link", ...
    """

    name: str
    offset: int
    size: int
    kind: str = ""


def members(descriptor: int, start: int, end: int) -> Iterator[Member]:
    """Yields the members, except folders, of the archive in bytes `start` to `end` - 1 of a file.

    A member that extends beyond `end` is also yielded, before TarProblem is raised.

    Raises:
        TarProblem: the file is not an archive, is truncated, or has a damaged header.
    """
    at = start
    name, size = "", -1  # of the next member, if an extended header has them
    while True:
        header = os.pread(descriptor, min(_BLOCK, max(0, end - at)), at)
        if header == bytes(_BLOCK):
            return
        if len(header) < _BLOCK:
            raise TarProblem(f"it is cut off: there is no end mark at byte {at - start}")
        if not _sound(header):
            raise TarProblem(
                "it is not a tar archive"
                if at == start
                else f"the header at byte {at - start} is bad"
            )
        kind = header[156:157]
        stored = _number(header[124:136], at - start)
        data, length = at + _BLOCK, stored
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            if stored > _LONGEST_NAME or data + stored > end:
                raise TarProblem(f"it is cut off in a header at byte {at - start}")
            extra = os.pread(descriptor, stored, data)
            if kind == _LONG_NAME:
                name = _text(extra)
            elif kind == _PAX:
                records = _pax(extra)
                name = records.get("path", name)
                size = int(records["size"]) if records.get("size", "").isdecimal() else size
        else:
            length = size if size >= 0 else stored
            full = name or _ustar_name(header)
            if kind in _FILES and not full.endswith("/"):
                yield Member(full.removeprefix("./"), data, length)
            elif kind != _FOLDER and kind not in _FILES:
                word = _KINDS.get(kind, "special file")
                yield Member(full.removeprefix("./"), data, length, word)
            name, size = "", -1
            if data + length > end:
                raise TarProblem(f"it is cut off in {full}")
        at = data + -(-length // _BLOCK) * _BLOCK


def _sound(header: bytes) -> bool:
    """Whether the checksum matches: the sum of all bytes, with the checksum field as blanks."""
    field = header[148:156].strip(b" \0")
    if not field or any(byte not in b"01234567" for byte in field):
        return False
    unsigned = sum(header) - sum(header[148:156]) + 8 * 0x20
    return int(field, 8) in (unsigned, unsigned - 256 * sum(b > 127 for b in header))


def _number(field: bytes, at: int) -> int:
    """Octal digits, or (GNU) a number in base 256 after a byte 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if any(byte not in b"01234567" for byte in digits):
        raise TarProblem(f"the header at byte {at} is bad")
    return int(digits or b"0", 8)


def _ustar_name(header: bytes) -> str:
    name = _text(header[:100])
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _pax(data: bytes) -> dict[str, str]:
    """Parses records "LENGTH KEYWORD=VALUE\\n"; LENGTH is the length of the whole record."""
    records = {}
    while data:
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or not len(digits) < int(digits) <= len(data):
            raise TarProblem("it has a damaged pax header")
        record, data = data[: int(digits)], data[int(digits) :]
        key, _, value = record[len(digits) + 1 : -1].partition(b"=")
        records[_text(key)] = _text(value)
    return records


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("utf-8", "surrogateescape")
