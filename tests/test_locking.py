"""Locks of folders: between processes, within one process, after fork, and without locks."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native.locking import FolderLock

TAKE = """
import sys
from pathlib import Path
from alexnet_native.locking import FolderLock
try:
    FolderLock(Path(sys.argv[1]))
except BlockingIOError:
    sys.exit(3)
"""


def free_for_others(folder: Path) -> bool:
    """Tries to lock the folder in another process."""
    words = [sys.executable, "-c", TAKE, str(folder)]
    code = subprocess.run(words, env=tiny.environment(), check=False, timeout=60).returncode
    assert code in (0, 3)
    return code == 0


def test_another_process_is_kept_out_until_the_last_lock_is_released(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    assert not free_for_others(tmp_path)
    first.release()
    first.release()
    assert not free_for_others(tmp_path)
    del second
    assert free_for_others(tmp_path)
    with FolderLock(tmp_path):
        assert not free_for_others(tmp_path)
    assert free_for_others(tmp_path)
    assert not [*tmp_path.iterdir()]


FORK = """
import os, sys
from pathlib import Path
from alexnet_native.locking import FolderLock
lock = FolderLock(Path(sys.argv[1]))
if os.fork() == 0:
    lock.release()
    try:
        FolderLock(Path(sys.argv[1]))
    except BlockingIOError:
        os._exit(3)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
if os.fork() == 0:
    os.execv(sys.executable, [sys.executable, "-c", sys.argv[2], sys.argv[1]])
assert os.waitstatus_to_exitcode(os.wait()[1]) == 3
"""


def test_a_forked_process_neither_releases_nor_shares_the_lock(tmp_path: Path) -> None:
    done = tiny.run_code(FORK, tmp_path, TAKE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_a_warning_is_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def refuse(*words: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with FolderLock(tmp_path):
        assert f"{tmp_path} is on a file system without locks" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_where_folders_cannot_be_locked_a_file_in_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int, real: Any = fcntl.flock) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")  # as NFS does
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with (
        FolderLock(tmp_path),
        (tmp_path / ".lock").open("r+b") as file,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (tmp_path / ".lock").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
