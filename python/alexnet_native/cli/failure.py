"""The error messages of the command line."""

from __future__ import annotations

import errno

from alexnet_native.errors import UserError, core_help

__all__ = ["failures", "sentence"]

_ADVICE = {
    errno.ENOSPC: "free space on the disk",
    errno.EDQUOT: "free space within the quota",
    errno.EACCES: "check its permissions, or use another path",
    errno.EROFS: "use a path on a writable file system",
    errno.EFBIG: "the file would exceed the size limit of the process or the file system",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "check the path",
}


def failures() -> tuple[type[BaseException], ...]:
    """The exceptions that are reported as a message; all others are bugs and show a traceback.

    The core raises ValueError for invalid shapes and network descriptions.
    """
    try:
        from alexnet_native._core import AlexnetError
    except ImportError:  # the native core is missing; the ImportError is what is reported
        return (UserError, OSError, ValueError, MemoryError, ImportError)
    return (UserError, AlexnetError, OSError, ValueError, MemoryError)


def sentence(error: BaseException) -> str:
    """The error message, on one line."""
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        advice = _ADVICE.get(error.errno or 0, "")
        text = f"{place}{error.strerror}" + (f"; {advice}" if advice else "")
    elif isinstance(error, MemoryError):
        text = f"there is not enough memory ({error}); use a smaller batch or --accumulate 2"
    elif isinstance(error, ImportError):
        text = core_help(error)
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
