"""The library folders of NVIDIA's wheels, which the core searches after the system's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

__all__ = ["library_folders"]


def library_folders() -> list[str]:
    """The folders ``nvidia/*/lib`` of the installed packages, in the order of ``sys.path``."""
    spec = find_spec("nvidia")
    places = spec.submodule_search_locations if spec else None
    return [str(lib) for place in places or () for lib in sorted(Path(place).glob("*/lib"))]
