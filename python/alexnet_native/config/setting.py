"""A setting: its help text, the values it accepts, and how it is parsed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from alexnet_native.errors import ConfigError

__all__ = ["Setting", "check", "default_text", "from_utf8", "parse", "setting", "to_utf8"]

_ADDRESS = "file:"


@dataclass(frozen=True)
class Setting:
    """Everything about a setting except its name and its default.

    `kind` is one of text, integer, number, flag, names (a tuple of strings) and size (height,
    width).
    """

    section: str
    help: str
    kind: str = "text"
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str | int, ...] = ()
    optional: bool = False  # None is allowed; it is not written to TOML
    on_resume: bool = False  # may be changed when a training run is resumed
    shown_default: str = ""  # for --help, where the default is not the field's: "from the network"


def setting(default: Any, section: str, help: str, kind: str = "text", **limits: Any) -> Any:
    """A dataclass field for a setting; see `Setting` for `limits`."""
    return field(default=default, metadata={"setting": Setting(section, help, kind, **limits)})


def check(name: str, setting: Setting, value: Any) -> None:
    """Raises ConfigError if the setting does not accept the value."""
    if value is None and setting.optional:
        return
    if not _fits(setting.kind, value):
        raise ConfigError(f"{name} is {value!r}; it must be {wanted(setting)}")
    if isinstance(value, str) and not _is_path_or_text(value):
        shown = value.encode("utf-8", "backslashreplace").decode()
        raise ConfigError(f"{name} is '{shown}', which is neither text nor a path")
    if setting.choices and value not in setting.choices:
        raise ConfigError(f"{name} is {value!r}; it must be {wanted(setting)}")
    if isinstance(value, int | float) and (
        (setting.minimum is not None and value < setting.minimum)
        or (setting.above is not None and value <= setting.above)
        or (setting.maximum is not None and value > setting.maximum)
        or not math.isfinite(value)
    ):
        raise ConfigError(f"{name} is {value}; it must be {wanted(setting)}")


def to_utf8(value: Any) -> Any:
    """Writes a path that is not valid UTF-8 as a file: address, since TOML is UTF-8.

    Example: ``/data/caf\\xe9`` in Latin-1 becomes ``file:/data/caf%E9``. Other values are
    returned as they are.
    """
    if isinstance(value, str) and not _is_utf8(path := value.encode("utf-8", "surrogateescape")):
        return _ADDRESS + quote(path)
    return value


def from_utf8(value: Any) -> Any:
    """Reads what `to_utf8` wrote. A path that is valid UTF-8 is never an address."""
    if isinstance(value, str) and value.startswith(_ADDRESS):
        path = unquote_to_bytes(value.removeprefix(_ADDRESS))
        return value if _is_utf8(path) else path.decode("utf-8", "surrogateescape")
    return value


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_path_or_text(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _fits(kind: str, value: Any) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, int | float)
    if kind == "names":
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if kind == "size":
        return (
            isinstance(value, tuple)
            and len(value) == 2
            and all(isinstance(item, int) and item > 0 for item in value)
        )
    return isinstance(value, str)


def wanted(setting: Setting) -> str:
    """The accepted values, for error messages."""
    if setting.choices:
        return " or ".join(map(str, setting.choices))
    words = {
        "integer": "an integer",
        "number": "a number",
        "flag": "true or false",
        "names": "a list of names",
        "size": "two integers above 0, height and width",
        "text": "a string",
    }[setting.kind]
    if setting.minimum is not None:
        words += f" of at least {setting.minimum}"
    if setting.above is not None:
        words += f" above {setting.above}"
    if setting.maximum is not None:
        words += f" and at most {setting.maximum}"
    return words


def default_text(setting: Setting, value: Any) -> str:
    """The default as help texts state it; `value` is the default of the field."""
    if setting.shown_default:
        return setting.shown_default
    if value is None:
        return "none"
    if setting.kind == "flag":
        return "yes" if value else "no"
    if setting.kind == "names":
        return ",".join(value) or "none"
    if setting.kind == "size":
        return "x".join(map(str, value))
    return str(value)


def parse(name: str, setting: Setting, text: str) -> Any:
    """Parses the value of a setting.

    Raises:
        ConfigError: the setting does not accept the text.
    """
    try:
        if setting.kind == "flag":
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if setting.kind == "integer":
            return int(text)
        if setting.kind == "number":
            return float(text)
        if setting.kind == "names":
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if setting.kind == "size":
            sides = [int(side) for side in text.split("x")]
            return (sides[0], sides[-1]) if len(sides) <= 2 else tuple(sides)
    except (KeyError, ValueError):
        raise ConfigError(f"{name} is {text!r}; it must be {wanted(setting)}") from None
    return text
