"""Atomic file writes: write a temporary file, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["point_to", "pointed_to", "remove_partial", "replacing", "write_text"]

_PARTIAL = ".partial"
_LONGEST_NAME = 255  # bytes

# SMB and some FUSE mounts cannot flush folders; a folder without read permission cannot be opened.
_CANNOT_SYNC = {
    errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES,
    errno.EPERM, errno.EISDIR,
}  # fmt: skip


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yields a temporary file that replaces `path` if the block ends without an exception.

    On an exception the temporary file is deleted and the file at `path` is unchanged.

    Raises:
        OSError: the file cannot be written; the file name of the exception is `path`.
    """
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        _remove(partial)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        _remove(partial)
        raise


def write_text(path: Path, text: str) -> None:
    """Writes text as UTF-8, atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def point_to(link: Path, target: str) -> None:
    """Makes `link` a symbolic link to `target` in the same folder, atomically.

    On a file system without symbolic links (exFAT, SMB, Google Drive) it becomes a text file that
    contains `target`. `pointed_to` reads both.
    """
    partial = link.with_name(f".{link.name}{_PARTIAL}")
    _remove(partial)
    try:
        partial.symlink_to(target)
    except OSError:
        write_text(link, target)
        return
    partial.replace(link)
    _sync_folder(link.parent)


def pointed_to(link: Path) -> Path | None:
    """Returns the path that `point_to` made `link` point to; None if `link` is something else."""
    if link.is_symlink():
        return link.parent / link.readlink()
    if not link.is_file():  # to open a named pipe could wait for ever
        return None
    try:
        with link.open("rb") as file:
            name = file.read(_LONGEST_NAME + 2).decode().strip()
    except (OSError, ValueError):
        return None
    plain = name.endswith(".safetensors") and name.isprintable() and "/" not in name
    return link.parent / name if plain and len(name.encode()) <= _LONGEST_NAME else None


def remove_partial(folder: Path) -> None:
    """Deletes the temporary files of killed processes in `folder`."""
    for partial in folder.glob(f".*{_PARTIAL}"):
        _remove(partial)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
