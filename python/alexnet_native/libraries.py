"""Where NVIDIA's wheels have put their libraries: the core asks when the system finds none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["library_folders"]


def library_folders() -> list[str]:
    """The folders ``nvidia/*/lib`` of this Python's packages, in the order of its search path."""
    spec = find_spec("nvidia")
    places = spec.submodule_search_locations if spec else None
    return [str(lib) for place in places or () for lib in sorted(Path(place).glob("*/lib"))]
