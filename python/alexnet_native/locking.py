"""Locks that keep two processes from writing to one folder."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from alexnet_native import log

__all__ = ["FolderLock", "lock_file"]

# Lustre without -o flock, some NFS, FUSE and SMB mounts: there are no locks.
_NO_LOCKS = {
    errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM,
    errno.EBADF,
}  # fmt: skip
_FILE = ".lock"


def lock_file(descriptor: int) -> bool:
    """Locks an open file until it is closed; returns False if its file system has no locks.

    Raises:
        BlockingIOError: another process has locked the file.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True


@dataclass
class _Held:
    descriptor: int
    users: int = 0


_held: dict[tuple[int, int, int], _Held] = {}  # by process, device and inode
_guard = threading.Lock()


class FolderLock:
    """Keeps other processes out of a folder until `release`, or until the object is deleted.

    Within one process several objects may lock the same folder. On a file system without locks a
    warning is printed, and nothing is locked.

    Raises:
        BlockingIOError: another process has locked the folder.
        OSError: the folder cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        # The folder itself is locked, so that no lock file is left in it.
        descriptor = os.open(folder, os.O_RDONLY)
        about = os.fstat(descriptor)
        key = (os.getpid(), about.st_dev, about.st_ino)
        with _guard:
            if key in _held:
                os.close(descriptor)
            else:
                try:
                    _held[key] = _Held(_locked(folder, descriptor))
                except BaseException:
                    os.close(descriptor)
                    raise
            _held[key].users += 1
        self._finalizer = weakref.finalize(self, _release, key)

    def release(self) -> None:
        """Releases the lock. Further calls have no effect."""
        self._finalizer()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _locked(folder: Path, descriptor: int) -> int:
    """Locks the folder, or a file in it if folders cannot be locked (NFS).

    Returns:
        The open file to close later.
    """
    if lock_file(descriptor):
        return descriptor
    file = -1
    with suppress(OSError):
        file = os.open(folder / _FILE, os.O_RDWR | os.O_CREAT, 0o666)
    if file >= 0:
        try:
            locked = lock_file(file)
        except BaseException:
            os.close(file)
            raise
        if locked:
            os.close(descriptor)
            return file
        os.close(file)
        (folder / _FILE).unlink(missing_ok=True)
    log.warning(
        f"{folder} is on a file system without locks; make sure that no other process writes to it"
    )
    return descriptor


def _release(key: tuple[int, int, int]) -> None:
    if key[0] != os.getpid():  # the lock belongs to the process that forked this one
        return
    with _guard:
        held = _held[key]
        held.users -= 1
        if held.users == 0:
            del _held[key]
            with suppress(OSError):  # forked processes have copies of the descriptor
                fcntl.flock(held.descriptor, fcntl.LOCK_UN)
            os.close(held.descriptor)
