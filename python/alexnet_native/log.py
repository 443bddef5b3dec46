"""What the program says: results on standard output, warnings and errors on standard error."""

from __future__ import annotations

import sys

__all__ = ["error", "line", "warning"]


def line(text: str = "") -> None:
    """One line of output, visible at once also in a pipe; what cannot be written is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warning(text: str) -> None:
    _complain("warning", text)


def error(text: str) -> None:
    _complain("error", text)


def _complain(kind: str, text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"alexnet-native: {kind}: {text}\n")
    sys.stderr.flush()
