"""Prepares a data set: checks, conversion, statistics and index."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alexnet_native import log
from alexnet_native.data.prepare.inputs import Listing
from alexnet_native.data.prepare.output import describe_split, write_columns
from alexnet_native.data.prepare.report import count_report, write_report
from alexnet_native.data.prepare.run import Progress, convert_all
from alexnet_native.data.prepare.settings import (
    Request,
    check_begun,
    check_finished,
    settings_of,
)
from alexnet_native.data.prepare.source import list_source
from alexnet_native.data.prepare.state import State
from alexnet_native.data.shards.columns import STATISTICS, write_arrays
from alexnet_native.data.shards.index import INDEX, WORK, Index, read_index
from alexnet_native.data.statistics import Moments, principal_components
from alexnet_native.errors import DataError
from alexnet_native.locking import lock_file

__all__ = ["Preparation", "Summary", "finished"]

_LOCK = "lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPARE_BYTES = 64 * 1024**2  # for the small files: statistics, report, index


@dataclass(frozen=True)
class Summary:
    """The result of a preparation.

    Attributes:
        index: of the data set.
        findings: number of inputs that were "converted" or "left out", by outcome and kind.
    """

    index: Index
    findings: Counter[tuple[str, str]]


def finished(request: Request) -> Summary | None:
    """The requested data set, if it is already complete; None otherwise.

    Raises:
        DataError: the folder contains another data set or other files, or is inside the source.
    """
    folder = request.folder
    source, target = request.source.resolve(), folder.resolve()
    if target == source or source in target.parents:
        raise DataError(f"{folder} is inside {request.source}; use a folder outside it")
    if request.size < 0 or request.shard_bytes < 1:
        raise DataError("the sizes of records and shards must be 1 or more")
    if (folder / INDEX).is_file():
        index = read_index(folder)
        check_finished(request, index)
        shutil.rmtree(folder / WORK, ignore_errors=True)  # of a run killed after writing the index
        return Summary(index, count_report(folder))
    if folder.exists() and not (folder / WORK).is_dir():
        if not folder.is_dir():
            raise DataError(f"{folder} is a file; specify a folder")
        if any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; use a folder that is new or empty")
    return None


class Preparation:
    """A planned preparation: the source is listed, but nothing is written before `run`.

    Raises:
        DataError: the source cannot be used.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.listing: Listing = list_source(request.source)
        self.size = request.size or self.listing.size
        self.bytes_needed, self.bytes_free = self._space()

    def check_space(self) -> None:
        """Raises DataError if there is not enough disk space."""
        if self.bytes_needed > self.bytes_free:
            raise DataError(
                f"{self.request.folder} needs {_gigabytes(self.bytes_needed)} more, but its disk "
                f"has {_gigabytes(self.bytes_free)} free; free space, or use a smaller --size"
            )

    def run(self, workers: int, progress: Progress | None = None) -> Summary:
        """Prepares the data set, or continues an interrupted preparation.

        Args:
            workers: number of decoding threads; the result does not depend on it.
            progress: called with the split, the number of inputs done and their total number.

        Raises:
            DataError: the disk is full, no training input can be used, the folder is in use, or it
                contains the beginning of another data set.
            OSError: the source cannot be read.
        """
        try:
            return self._run(workers, progress)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise DataError(
                f"{error.filename or self.request.folder} cannot be written ({error.strerror}); "
                "free space and run the same command again to continue"
            ) from error

    def _run(self, workers: int, progress: Progress | None) -> Summary:
        folder, listing = self.request.folder, self.listing
        settings = settings_of(self.request, listing)
        per_shard = int(settings["records_per_shard"])
        (folder / WORK).mkdir(parents=True, exist_ok=True)
        with _lock(folder):
            check_begun(self.request, settings)
            state = State.load(folder / WORK, list(listing.splits), (self.size, self.size, 3))
            convert_all(listing, folder, per_shard, state, workers, progress)
            write_report(folder, listing.findings)
            if state.splits["train"].records == 0:
                raise DataError(
                    f"none of the {len(listing.splits['train'])} training inputs in "
                    f"{self.request.source} is a valid image; see {folder / 'report.csv'}"
                )
            splits = {name: s for name, s in state.splits.items() if s.records > 0}
            for split in splits:
                write_columns(folder, split)
            write_statistics(folder, state.moments)
            index = Index(
                name=self.request.name,
                size=self.size,
                channels=3,
                classes=listing.classes,
                splits={name: describe_split(name, per_shard, s) for name, s in splits.items()},
                settings=settings,
            )
            index.write(folder)
        shutil.rmtree(folder / WORK)
        return Summary(index, count_report(folder))

    def _space(self) -> tuple[int, int]:
        """The number of bytes still to be written, and the free space on the disk."""
        folder = self.request.folder
        there = folder.resolve()
        while not there.exists():
            there = there.parent
        written = sum(f.stat().st_size for f in folder.glob("*.bin")) if folder.is_dir() else 0
        per_record = 3 * self.size**2 + 3 * 8  # pixels; label and checksum, temporarily twice
        names = sum(
            2 * (len(name) + 2) for inputs in self.listing.splits.values() for name in inputs.names
        )
        records = sum(map(len, self.listing.splits.values()))
        needed = records * per_record + names + _SPARE_BYTES + 6 * 8 * 3 * self.size**2
        return max(0, needed - written), shutil.disk_usage(there).free


def write_statistics(folder: Path, moments: Moments) -> None:
    """Writes the mean image, the covariance of the channels and the principal components."""
    covariance = moments.covariance()
    eigenvalues, vectors = principal_components(covariance)
    write_arrays(
        folder / STATISTICS,
        mean=moments.mean(),
        covariance=covariance,
        eigenvalues=eigenvalues,
        eigenvectors=vectors,
    )


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / WORK / _LOCK).open("w") as file:
        try:
            locked = lock_file(file.fileno())
        except BlockingIOError:
            raise DataError(f"another alexnet-native prepare is writing to {folder}") from None
        if not locked:
            log.warning(
                f"{folder} is on a file system without locks; make sure that no other process "
                "writes to it"
            )
        yield


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
