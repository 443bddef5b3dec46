"""Reads MATLAB's .mat files, version 5: the subset used by the development kits of ILSVRC.

Source: MathWorks, "MAT-File Format", chapter 1, "MAT-File Level 5 File Format".
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from alexnet_native.errors import DataError

__all__ = ["read_matlab"]

_HEADER = 128
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_TEXTS = {16: "utf-8", 17: "utf-16", 18: "utf-32"}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC_CLASSES = range(6, 16)


def read_matlab(data: bytes, name: str) -> dict[str, Any]:
    """Reads the variables of a file.

    Numeric matrices become flat arrays, text becomes str, struct arrays become lists of dicts, cell
    arrays become lists; all in MATLAB's column-major order.

    Args:
        data: the content of the file.
        name: name of the file, for error messages.

    Raises:
        DataError: the file is not version 5, is damaged, or has an unsupported type.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None or not data.startswith(b"MATLAB 5.0"):
        raise DataError(
            f"{name} is not a MATLAB file of version 5; use the file from the official kit"
        )
    try:
        return dict(_variables(data[_HEADER:], order))
    except (ValueError, IndexError, KeyError, zlib.error, UnicodeError) as error:
        raise DataError(f"{name} is damaged ({error}); extract it from the kit again") from error


def _variables(data: bytes, order: str) -> list[tuple[str, Any]]:
    found = []
    at = 0
    while at < len(data):
        kind, content, at = _element(data, at, order)
        if kind == _COMPRESSED:
            found += _variables(zlib.decompress(content), order)
        elif kind == _MATRIX:
            found.append(_matrix(content, order))
    return found


def _element(data: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """The element at `at`: its type, its bytes, and the position of the next element."""
    kind, size = (int(n) for n in np.frombuffer(data, f"{order}u4", 2, at))
    if kind >> 16:  # a small element: size and type in four bytes, then at most four data bytes
        kind, size, start, following = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    else:
        start = at + 8
        following = start + size + (-size % 8 if kind != _COMPRESSED else 0)
    if start + size > len(data):
        raise ValueError(f"an element of {size} bytes exceeds the end of the file")
    return kind, data[start : start + size], following


def _matrix(data: bytes, order: str) -> tuple[str, Any]:
    """Name and value of a matrix; the name is empty inside a cell or struct."""
    if not data:  # an empty matrix inside a cell or struct
        return "", np.zeros(0)
    _, flags, at = _element(data, 0, order)
    category = int(np.frombuffer(flags, f"{order}u4", 1)[0]) & 0xFF
    kind, sizes, at = _element(data, at, order)
    count = int(np.prod(_numbers(kind, sizes, order), dtype=np.int64))
    _, name, at = _element(data, at, order)
    if category == _CELL:
        value: Any = _matrices(data, at, order, count)
    elif category == _STRUCT:
        value = _struct(data, at, order, count)
    elif category == _CHAR:
        value = _text(*_element(data, at, order)[:2], order) if count else ""
    elif category in _NUMERIC_CLASSES:
        value = _numbers(*_element(data, at, order)[:2], order)
    else:
        raise ValueError(f"a matrix of class {category}")
    return name.decode("ascii"), value


def _struct(data: bytes, at: int, order: str, count: int) -> list[dict[str, Any]]:
    kind, content, at = _element(data, at, order)
    width = int(_numbers(kind, content, order)[0])
    _, content, at = _element(data, at, order)
    names = [
        content[i : i + width].split(b"\0")[0].decode("ascii")
        for i in range(0, len(content), width)
    ]
    values = _matrices(data, at, order, count * len(names))
    rows = range(0, len(values), max(1, len(names)))
    return [dict(zip(names, values[i : i + len(names)], strict=True)) for i in rows]


def _matrices(data: bytes, at: int, order: str, count: int) -> list[Any]:
    values = []
    for _ in range(count):
        kind, content, at = _element(data, at, order)
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} instead of a matrix")
        values.append(_matrix(content, order)[1])
    return values


def _numbers(kind: int, content: bytes, order: str) -> Any:
    return np.frombuffer(content, order + _NUMBERS[kind])


def _text(kind: int, content: bytes, order: str) -> str:
    if kind in _TEXTS:
        suffix = {"<": "-le", ">": "-be"}[order] if kind != 16 else ""
        return content.decode(_TEXTS[kind] + suffix)
    return "".join(map(chr, _numbers(kind, content, order)))
