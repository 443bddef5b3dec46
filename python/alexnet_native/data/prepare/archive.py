"""An archive as a source of inputs: its members, and the members of archives inside it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from alexnet_native.data.prepare.inputs import Finding, left_out
from alexnet_native.data.prepare.tar_index import Member, TarProblem, members
from alexnet_native.errors import DataError

__all__ = ["Archive"]

_PACKED = {b"\x1f\x8b": "gzip -d", b"BZ": "bzip2 -d", b"\xfd7": "xz -d", b"(\xb5": "zstd -d"}


class Archive:
    """A .tar file that is open for reading.

    Raises:
        DataError: the file cannot be read, or is compressed. The members of a compressed archive
            cannot be read in any order.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            self._descriptor = os.open(file, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
        tool = _PACKED.get(self.read(0, 2))
        if tool:
            self.close()
            raise DataError(f"{file} is compressed; unpack it with: {tool} {file}")

    def members(self, split: str, findings: list[Finding]) -> Iterator[Member]:
        """Yields the files in the archive; names include the names of nested archives.

        Links, other special members, truncated members and damaged headers are added to `findings`.
        """
        size = os.fstat(self._descriptor).st_size
        yield from self._below(split, "", 0, size, findings)

    def read(self, offset: int, size: int) -> bytes:
        """`size` bytes at `offset`."""
        return os.pread(self._descriptor, size, offset)

    def close(self) -> None:
        os.close(self._descriptor)

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _below(
        self, split: str, prefix: str, start: int, end: int, findings: list[Finding]
    ) -> Iterator[Member]:
        try:
            for member in members(self._descriptor, start, end):
                name = prefix + member.name
                if member.kind:
                    findings.append(left_out(split, name, "no file", f"it is a {member.kind}"))
                elif member.name.endswith(".tar"):
                    inner_end = min(end, member.offset + member.size)
                    yield from self._below(split, f"{name}/", member.offset, inner_end, findings)
                elif member.offset + member.size > end:
                    findings.append(left_out(split, name, "cut off", "its archive ends inside it"))
                else:
                    yield Member(name, member.offset, member.size)
        except TarProblem as problem:
            name = prefix.rstrip("/") or self.file.name
            findings.append(left_out(split, name, "damaged archive", str(problem)))
