"""Atomic file writes: write a temporary file, fsync, rename, fsync the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["point_to", "remove_partial", "replacing", "write_text"]

_PARTIAL = ".partial"


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
    """Makes `link` a symbolic link to `target` in the same folder, atomically."""
    partial = link.with_name(f".{link.name}{_PARTIAL}")
    _remove(partial)
    partial.symlink_to(target)
    partial.replace(link)
    _sync_folder(link.parent)


def remove_partial(folder: Path) -> None:
    """Deletes the temporary files of killed processes in `folder`."""
    for partial in folder.glob(f".*{_PARTIAL}"):
        _remove(partial)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
