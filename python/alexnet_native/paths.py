"""Paths that the user gives."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["expand"]


def expand(path: str | os.PathLike[str]) -> Path:
    """Replaces ``~`` and ``~user`` at the beginning; unknown users are left as they are.

    The shell replaces them in ``--out ~/runs/a`` but not in ``--out=~/runs/a``.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path.expanduser fails for unknown users)
