"""A setting: what it means, what it may be, how it is read from text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from alexnet_native.errors import ConfigError

__all__ = ["Setting", "check", "parse", "setting"]


@dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its name and default."""

    section: str
    help: str
    kind: str = "text"  # text, whole, number, flag, names (tuple of texts), size (height, width)
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str | int, ...] = ()
    optional: bool = False  # None is allowed: left out of the TOML
    on_resume: bool = False  # may be changed when a training is resumed


def setting(default: Any, section: str, help: str, kind: str = "text", **limits: Any) -> Any:
    """A field of a dataclass of settings; `limits`: see `Setting`."""
    return field(default=default, metadata={"setting": Setting(section, help, kind, **limits)})


def check(name: str, setting: Setting, value: Any) -> None:
    """Refuses a value that the setting cannot have."""
    if value is None and setting.optional:
        return
    if not _fits(setting.kind, value):
        raise ConfigError(f"{name} is {value!r}; it must be {wanted(setting)}")
    if setting.choices and value not in setting.choices:
        raise ConfigError(f"{name} is {value!r}; it must be {wanted(setting)}")
    if isinstance(value, int | float) and (
        (setting.minimum is not None and value < setting.minimum)
        or (setting.above is not None and value <= setting.above)
        or (setting.maximum is not None and value > setting.maximum)
        or not math.isfinite(value)
    ):
        raise ConfigError(f"{name} is {value}; it must be {wanted(setting)}")


def _fits(kind: str, value: Any) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "whole":
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
    if setting.choices:
        return " or ".join(map(str, setting.choices))
    words = {
        "whole": "a whole number",
        "number": "a number",
        "flag": "true or false",
        "names": "a list of names",
        "size": "two whole numbers above 0, height and width",
        "text": "a text",
    }[setting.kind]
    if setting.minimum is not None:
        words += f" of at least {setting.minimum}"
    if setting.above is not None:
        words += f" above {setting.above}"
    if setting.maximum is not None:
        words += f" and at most {setting.maximum}"
    return words


def parse(name: str, setting: Setting, text: str) -> Any:
    """The value of a setting, from text.

    Raises:
        ConfigError: the text is no such value.
    """
    try:
        if setting.kind == "flag":
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if setting.kind == "whole":
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
