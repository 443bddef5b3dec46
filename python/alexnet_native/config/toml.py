"""Settings as text: TOML with a section for each group, and NAME=VALUE."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from typing import Any

from alexnet_native.config.setting import check, parse
from alexnet_native.config.train_config import SETTINGS
from alexnet_native.errors import ConfigError
from alexnet_native.renamed import current_name
from alexnet_native.toml_value import in_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "full_name", "parse_assignment", "parse_value", "read_toml", "settings_of", "write_settings",
]  # fmt: skip


def read_toml(text: str, source: str) -> dict[str, Any]:
    """Parses TOML. Raises ConfigError if the text is not valid."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from error


def settings_of(sections: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The settings in a TOML document, by name.

    Args:
        sections: the document.
        source: the name of the document, for error messages.

    Raises:
        ConfigError: a section or key is unknown, or a value is not accepted.
    """
    values: dict[str, Any] = {}
    for section, entries in sections.items():
        if not isinstance(entries, dict):
            raise ConfigError(
                f"{source}: {section} is not in a section; the sections are {_sections()}"
            )
        for key, value in entries.items():
            name = _name(f"{section}.{key}", source)
            values[name] = tuple(value) if isinstance(value, list) else value
            check(name, SETTINGS[name], values[name])
    return values


def write_settings(values: Mapping[str, Any]) -> str:
    """TOML that `settings_of` reads; settings that are None are omitted."""
    sections: dict[str, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            line = f"{name} = {in_toml(value)}\n"
            sections.setdefault(SETTINGS[name].section, []).append(line)
    return "\n".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items())


def full_name(name: str) -> str:
    """``lr`` -> ``training.lr``."""
    return f"{SETTINGS[name].section}.{name}"


def _sections() -> str:
    return ", ".join(dict.fromkeys(setting.section for setting in SETTINGS.values()))


def _name(key: str, source: str) -> str:
    """``training.lr`` or ``lr`` -> ``lr``."""
    section, _, name = key.rpartition(".")
    name = current_name(name, source)
    if name in SETTINGS and section in ("", SETTINGS[name].section):
        return name
    known = {short: full_name(short) for short in SETTINGS}
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {known[near[0]]}? The" if near else "the"
    raise ConfigError(
        f"{source}: there is no setting {key}; {hint} settings are {', '.join(known.values())}"
    )


def parse_value(name: str, text: str) -> Any:
    """Parses the value of the setting `name`; lists may also be written in TOML syntax.

    Raises:
        ConfigError: the setting does not accept the text.
    """
    if SETTINGS[name].kind in ("names", "size") and text.startswith("["):
        value = tuple(read_toml(f"x = {text}", f"{name} {text}")["x"])
        check(name, SETTINGS[name], value)
        return value
    return parse(name, SETTINGS[name], text)


def parse_assignment(text: str) -> tuple[str, Any]:
    """``training.lr=0.1`` or ``lr=0.1`` -> ("lr", 0.1).

    Raises:
        ConfigError: the text has another form, or the setting does not exist.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected name=value")
    name = _name(key.strip(), "--set")
    return name, parse_value(name, value.strip())
