"""Atomic writes and pointers on file systems that lack links or cannot flush folders."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from alexnet_native.atomic import point_to, pointed_to, write_text


@pytest.fixture(params=[errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: Any, **more: Any) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(Path, "symlink_to", refuse)


def test_a_pointer_is_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_text("a")
    point_to(tmp_path / "latest", "a.safetensors")
    assert (tmp_path / "latest").is_symlink()
    assert pointed_to(tmp_path / "latest") == tmp_path / "a.safetensors"


@pytest.mark.usefixtures("no_links")
def test_without_symbolic_links_a_pointer_is_a_text_file(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        point_to(tmp_path / "latest", name)
        assert (tmp_path / "latest").read_text() == name
        assert pointed_to(tmp_path / "latest") == tmp_path / name
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"x" * 300, b"../a.safetensors", b"a.safetensors\nb", b"notes"]
)
def test_other_files_are_no_pointers(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "latest").write_bytes(content)
    assert pointed_to(tmp_path / "latest") is None
    assert pointed_to(tmp_path / "missing") is None
    assert pointed_to(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")
    assert pointed_to(tmp_path / "pipe") is None


def _refuse_folders(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fsync(descriptor: int, real: Any = os.fsync) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF])
def test_a_folder_that_cannot_be_flushed_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _refuse_folders(monkeypatch, number)
    write_text(tmp_path / "f", "text")
    point_to(tmp_path / "latest", "f")
    assert (tmp_path / "latest").read_text() == "text"


def test_a_failing_disk_under_a_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_folders(monkeypatch, errno.EIO)
    with pytest.raises(OSError, match="error") as caught:
        write_text(tmp_path / "f", "text")
    assert caught.value.errno == errno.EIO
