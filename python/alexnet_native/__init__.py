"""The AlexNet of 2012: a C++ core with a thin Python layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexnet_native._core import __version__
    from alexnet_native.api import Net
    from alexnet_native.net import pinned_empty

__all__ = ["Net", "__version__", "pinned_empty"]


def __getattr__(name: str) -> Any:
    """Imports the native core on first use, so that help texts and settings work without it."""
    if name in __all__:
        try:
            from alexnet_native import _core
        except ImportError as error:
            from alexnet_native.errors import core_help

            raise ImportError(core_help(error)) from error
    if name == "Net":
        from alexnet_native.api import Net

        return Net
    if name == "pinned_empty":
        from alexnet_native.net import pinned_empty

        return pinned_empty
    if name == "__version__":
        return _core.__version__
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
