"""Formats a value as TOML, with tomli-w if it is installed; the result is the same without it."""

from __future__ import annotations

from typing import Any

try:
    import tomli_w
except ImportError:  # _scalar is sufficient for our values
    tomli_w = None  # type: ignore[assignment]

__all__ = ["in_toml"]

_ESCAPES = {chr(code): f"\\u{code:04x}" for code in (*range(32), 127) if chr(code) != "\t"} | {
    "\b": "\\b", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_SAFE = str.maketrans(_ESCAPES)


def in_toml(value: Any) -> str:
    """Formats a string, a boolean, a number, or a list or tuple of these, on one line.

    Raises:
        TypeError: the value has another type.
    """
    if isinstance(value, list | tuple):  # tomli-w would use several lines
        return f"[{', '.join(map(in_toml, value))}]"
    if tomli_w is None:
        return _scalar(value)
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{value.translate(_SAFE)}"'
    raise TypeError(f"Object of type '{type(value).__qualname__}' is not TOML serializable")
