"""Errors as one sentence."""

from __future__ import annotations

import errno

from alexnet_native.errors import UserError

__all__ = ["failures", "sentence"]

_ADVICE = {
    errno.ENOSPC: "make room on that disk",
    errno.EDQUOT: "make room within the quota",
    errno.EACCES: "check its permissions, or name another place",
    errno.EROFS: "that place cannot be written; name another",
    errno.EFBIG: "the file would be larger than this process or disk allows",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "check the path",
}


def failures() -> tuple[type[BaseException], ...]:
    """What a user can act on: everything else is a mistake in the program, with a traceback.

    Shapes and descriptions that the core refuses arrive as ValueError.
    """
    try:
        from alexnet_native._core import AlexnetError
    except ImportError:  # no native core: that is the failure to tell
        return (UserError, OSError, ValueError, MemoryError, ImportError)
    return (UserError, AlexnetError, OSError, ValueError, MemoryError)


def sentence(error: BaseException) -> str:
    """The message of a failure, in one line."""
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        advice = _ADVICE.get(error.errno or 0, "")
        text = f"{place}{error.strerror}" + (f"; {advice}" if advice else "")
    elif isinstance(error, MemoryError):
        text = f"there is not enough memory ({error}); take a smaller batch or --accumulate 2"
    elif isinstance(error, ImportError):
        text = f"the native core cannot be loaded ({error}); install the package again"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
