"""Output of the program: results on standard output, warnings and errors on standard error."""

from __future__ import annotations

import sys

__all__ = ["error", "line", "warning"]


def line(text: str = "") -> None:
    """Prints a line and flushes it; characters that the encoding lacks are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warning(text: str) -> None:
    """Prints a warning on standard error."""
    _complain("warning", text)


def error(text: str) -> None:
    """Prints an error message on standard error."""
    _complain("error", text)


def _complain(kind: str, text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"alexnet-native: {kind}: {text}\n")
    sys.stderr.flush()
