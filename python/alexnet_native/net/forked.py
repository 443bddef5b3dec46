"""Networks in a child process that was forked (os.fork, multiprocessing's "fork", daemons).

A fork copies the memory but none of the threads that compute, so a network made before it would
wait for ever in the child, also when it is deleted. In the child its native network is therefore
replaced by one that raises an error for any use, and the copied one is never deleted.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any, NoReturn, Protocol, cast

from alexnet_native import _core

__all__ = ["watch"]


class Owner(Protocol):
    """What uses a native network."""

    native: _core.Network

    def replace_native(self, native: _core.Network) -> None:
        """Uses another native network, with new locks: a thread that held one is not here."""


class _Inherited:
    """Stands in the child for a native network of the parent."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):  # inspection by Python, e.g. by copy or pickle
            raise AttributeError(name)
        raise _core.UnavailableError(
            "this network was made before its process was forked, and its threads are not in the "
            "child: make or load a network in the child, or use multiprocessing's start method "
            '"spawn"'
        )


_alive: weakref.WeakSet[Any] = weakref.WeakSet()


def watch(owner: Owner) -> None:
    """Replaces the native network of `owner` in every child that is forked from now on."""
    _alive.add(owner)


def _in_child() -> None:
    for owner in list(_alive):
        # One more reference, which nobody gives back, so that it is not deleted even at exit.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner.native))
        owner.replace_native(cast(_core.Network, _Inherited()))
    _alive.clear()


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_in_child)
