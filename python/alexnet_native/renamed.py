"""Old names of settings, which files, checkpoints and command lines of earlier versions use."""

from __future__ import annotations

from alexnet_native import log

__all__ = ["OLD_NAMES", "current_name"]

OLD_NAMES = {
    "colour_axes": "color_axes",
    "colour_divisor": "color_divisor",
    "colour_off": "color_off",
    "colour_std": "color_std",
}

_noted: set[str] = set()


def current_name(name: str, source: str) -> str:
    """The present name of a setting; an old one is noted once per process.

    Args:
        name: the setting, without its section.
        source: where the name was read, for the note.
    """
    current = OLD_NAMES.get(name, name)
    if current != name and name not in _noted:
        _noted.add(name)
        log.warning(
            f"{source}: the setting {name} is now called {current}; the old name still works"
        )
    return current
