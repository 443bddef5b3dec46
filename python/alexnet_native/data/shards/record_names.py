"""The names of records, one per line; names may contain line breaks and invalid UTF-8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from alexnet_native.errors import DataError

__all__ = ["escaped", "lines", "read_names", "unescaped"]

_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_LETTERS = {"\\": "\\", "n": "\n", "r": "\r"}
_ESCAPED = re.compile(r"\\(?:u([0-9a-f]{4})|(.))")


def escaped(name: str) -> str:
    r"""`name` as one line: backslash as \\, line breaks as \n and \r, bytes that are not valid
    UTF-8 as \udc80 to \udcff (Python's surrogates)."""
    for character, escape in _ESCAPES.items():
        name = name.replace(character, escape)
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def unescaped(line: str) -> str:
    """The inverse of `escaped`.

    Raises:
        ValueError: `line` contains an escape that `escaped` does not write.
    """

    def character(match: re.Match[str]) -> str:
        surrogate, letter = match.groups()
        if surrogate:
            return chr(int(surrogate, 16))
        if letter not in _LETTERS:
            raise ValueError(f"{line} contains the unknown escape \\{letter}")
        return _LETTERS[letter]

    return _ESCAPED.sub(character, line)


def read_names(file: Path) -> list[str]:
    """The names, in record order.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        text = file.read_bytes().decode("utf-8")
        return [unescaped(line) for line in text.split("\n")[:-1]]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{file} is damaged ({error}); prepare the data set again") from error


def lines(names: Iterable[str]) -> bytes:
    """The content of the file for these names."""
    return "".join(f"{escaped(name)}\n" for name in names).encode("utf-8")
