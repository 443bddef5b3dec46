"""Old names of settings, used by files, checkpoints and command lines of earlier versions."""

from __future__ import annotations

from alexnet_native import log

__all__ = ["OLD_NAMES", "current_name"]

OLD_NAMES = {
    "colour_axes": "color_axes",
    "colour_divisor": "color_divisor",
    "colour_off": "color_off",
    "colour_std": "color_std",
}

_warned: set[str] = set()


def current_name(name: str, source: str) -> str:
    """Returns the current name of a setting; warns about an old name once per process.

    Args:
        name: name of the setting, without its section.
        source: where the name was read, for the warning.
    """
    current = OLD_NAMES.get(name, name)
    if current != name and name not in _warned:
        _warned.add(name)
        log.warning(
            f"{source}: the setting {name} is now called {current}; the old name still works"
        )
    return current
