"""Output of the program: results on standard output, warnings and errors on standard error.

The streams may be closed (None without a file descriptor), or replaced by objects that have only
`write`. What cannot be printed for such a reason is dropped: a training is worth more than its
lines. A full disk or a closed pipe behind standard output still raises OSError.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

__all__ = ["Encodable", "error", "flush", "is_terminal", "line", "printable", "warning"]

_GONE = (errno.EBADF, errno.EIO)  # closed by the caller; a terminal that has been closed


def line(text: str = "") -> None:
    """Prints a line and flushes it; characters that the encoding lacks are escaped."""
    _print(sys.stdout, text)


def warning(text: str) -> None:
    """Prints a warning on standard error."""
    _complain("warning", text)


def error(text: str) -> None:
    """Prints an error message on standard error."""
    _complain("error", text)


def flush() -> None:
    """Writes what standard output has buffered.

    Raises:
        OSError: a full disk, or a closed pipe.
    """
    if sys.stdout is not None and getattr(sys.stdout, "closed", False) is not True:
        _flush(sys.stdout)


def is_terminal(stream: Any) -> bool:
    """Returns whether a stream is a terminal on which the cursor can be moved."""
    try:
        return bool(stream.isatty()) and os.environ.get("TERM") not in ("dumb", "unknown")
    except (AttributeError, ValueError, OSError):  # None, a replacement, closed
        return False


def printable(text: str, stream: Any) -> str:
    """Returns the text with escapes in the place of characters that the stream's encoding lacks."""
    encoding = getattr(stream, "encoding", None)
    try:
        return text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")
    except (LookupError, TypeError):  # a replacement that names no known encoding
        return text.encode("ascii", "backslashreplace").decode("ascii")


class Encodable:
    """A stream that replaces characters that its encoding lacks by "?", so that widths remain."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return int(self._stream.write(text.encode(encoding, "replace").decode(encoding)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _complain(kind: str, text: str) -> None:
    # The error must not hide behind another one that comes from printing it.
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is sys.stderr:
                _print(stream, f"alexnet-native: {kind}: {text}")
            else:
                _flush(stream)
        except (OSError, ValueError):
            pass


def _print(stream: Any, text: str) -> None:
    if stream is None or getattr(stream, "closed", False) is True:
        return
    try:
        stream.write(f"{printable(text, stream)}\n")
        _flush(stream)
    except OSError as problem:
        if problem.errno not in _GONE:
            raise


def _flush(stream: Any) -> None:
    call = getattr(stream, "flush", None)
    if call is not None:
        call()
