"""The files that are appended to while a split is prepared: shards, labels, checksums, names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import replacing
from alexnet_native.data.prepare.convert import ConvertedRecords
from alexnet_native.data.prepare.state import SplitState
from alexnet_native.data.shards.columns import column, shard_file, write_arrays
from alexnet_native.data.shards.index import WORK, Shard, Split
from alexnet_native.data.shards.record_names import lines
from alexnet_native.errors import DataError

__all__ = ["Growing", "SplitOutput", "describe_split", "write_columns"]

_PIECE = 1 << 24  # number of bytes read at a time


class Growing:
    """A file to append to; it is first truncated to a known length.

    Raises:
        DataError: the file is shorter than this length.
    """

    def __init__(self, path: Path, length: int) -> None:
        path.touch()
        found = path.stat().st_size
        if found < length:
            raise DataError(
                f"{path} has {found} bytes instead of {length}; delete the folder {path.parent} "
                "and prepare it again"
            )
        self._file: BinaryIO = path.open("r+b")
        self._file.truncate(length)
        self._file.seek(length)

    def write(self, data: bytes | NDArray[np.generic]) -> None:
        with self._named():
            self._file.write(data if isinstance(data, bytes) else data.data)

    def sync(self) -> None:
        with self._named():
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with suppress(OSError):  # data after the last sync is written again on continuation
            self._file.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Adds the file name to an OSError."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._file.name) from error


class SplitOutput:
    """Appends records to a split and updates its `state`.

    Args:
        folder: the folder of the data set.
        split: train, val or test.
        shape: shape of a record.
        per_shard: number of records of a full shard.
        state: progress of the split; updated by each call.
    """

    def __init__(
        self,
        folder: Path,
        split: str,
        shape: tuple[int, int, int],
        per_shard: int,
        state: SplitState,
    ) -> None:
        self.state = state
        self.folder, self._split, self._per_shard = folder, split, per_shard
        self._record_bytes = int(np.prod(shape))
        work = folder / WORK
        self._labels = Growing(work / f"{split}.labels", 4 * state.records)
        self._checksums = Growing(work / f"{split}.crc32", 4 * state.records)
        self._names = Growing(work / f"{split}.names", state.name_bytes)
        del state.sha256[state.records // per_shard :]  # of an incomplete last shard
        self._shard: Growing | None = None
        self._digest = hashlib.sha256()
        if state.records % per_shard:
            self._reopen_shard()

    def append(self, records: ConvertedRecords) -> None:
        """Appends the records. Raises OSError if the disk is full."""
        self._labels.write(records.labels)
        self._checksums.write(records.checksums)
        names = lines(records.names)
        self._names.write(names)
        done = 0
        while done < len(records.pixels):
            if self._shard is None:
                path = self.folder / shard_file(self._split, len(self.state.sha256))
                self._shard, self._digest = Growing(path, 0), hashlib.sha256()
            room = self._per_shard - self.state.records % self._per_shard
            some = records.pixels[done : done + room]
            self._shard.write(some)
            self._digest.update(some.data)
            done += len(some)
            self.state.records += len(some)
            if self.state.records % self._per_shard == 0:
                self._end_shard()
        self.state.name_bytes += len(names)
        self.state.inputs = records.last

    def sync(self) -> None:
        """Flushes all files to the disk."""
        for file in (self._labels, self._checksums, self._names, self._shard):
            if file is not None:
                file.sync()

    def close(self, *, complete: bool) -> None:
        """Closes the files; if `complete`, finishes the last shard."""
        if complete:
            self.sync()
            if self._shard is not None:
                self._end_shard()
        for file in (self._labels, self._checksums, self._names, self._shard):
            if file is not None:
                file.close()

    def _end_shard(self) -> None:
        assert self._shard is not None
        self._shard.sync()
        self._shard.close()
        self._shard = None
        self.state.sha256.append(self._digest.hexdigest())

    def _reopen_shard(self) -> None:
        path = self.folder / shard_file(self._split, self.state.records // self._per_shard)
        length = self.state.records % self._per_shard * self._record_bytes
        self._shard = Growing(path, length)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                self._digest.update(piece)


def write_columns(folder: Path, split: str) -> None:
    """Writes the final labels, checksums and names of a complete split."""
    work = folder / WORK
    write_arrays(folder / column(split, "labels"), np.fromfile(work / f"{split}.labels", np.int32))
    write_arrays(folder / column(split, "crc32"), np.fromfile(work / f"{split}.crc32", np.uint32))
    with replacing(folder / column(split, "names")) as file:
        file.write((work / f"{split}.names").read_bytes())


def describe_split(split: str, per_shard: int, state: SplitState) -> Split:
    """The index entry of a complete split."""
    counts = [min(per_shard, state.records - first) for first in range(0, state.records, per_shard)]
    shards = tuple(
        Shard(shard_file(split, number), count, digest)
        for number, (count, digest) in enumerate(zip(counts, state.sha256, strict=True))
    )
    return Split(state.records, per_shard, shards)
