"""A preparation from its plan to the finished data set."""

from __future__ import annotations

import errno
import fcntl
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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

__all__ = ["Preparation", "Summary", "finished"]

_LOCK = "lock"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SPARE_BYTES = 64 * 1024**2  # for what is small: statistics, report, index


@dataclass(frozen=True)
class Summary:
    """What a preparation gave.

    Attributes:
        index: of the set.
        findings: how many inputs were "converted" or "left out", by outcome and kind.
    """

    index: Index
    findings: Counter[tuple[str, str]]


def finished(request: Request) -> Summary | None:
    """The set that is asked for, if it is there already; None if it is not.

    Raises:
        DataError: the folder holds another set, or something else; the source is in the way.
    """
    folder = request.folder
    source, target = request.source.resolve(), folder.resolve()
    if target == source or source in target.parents:
        raise DataError(f"{folder} lies in {request.source}; name a folder outside of it")
    if request.size < 0 or request.shard_bytes < 1:
        raise DataError("sizes of records and shards must be 1 or more")
    if (folder / INDEX).is_file():
        index = read_index(folder)
        check_finished(request, index)
        shutil.rmtree(folder / WORK, ignore_errors=True)  # killed between the index and the end
        return Summary(index, count_report(folder))
    if folder.exists() and not (folder / WORK).is_dir():
        if not folder.is_dir():
            raise DataError(f"{folder} is a file; name a folder")
        if any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; name a folder that is new or empty")
    return None


class Preparation:
    """A preparation of `request`, planned: the source is listed, nothing is written yet.

    Raises:
        DataError: the source cannot be used, or the folder holds the beginning of another set.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.listing: Listing = list_source(request.source)
        self.size = request.size or self.listing.size
        self.bytes_needed, self.bytes_free = self._space()

    def check_space(self) -> None:
        """Raises DataError if the disk has too little room."""
        if self.bytes_needed > self.bytes_free:
            raise DataError(
                f"{self.request.folder} needs {_gigabytes(self.bytes_needed)} more, its disk has "
                f"{_gigabytes(self.bytes_free)} free; make room, or take a smaller --size"
            )

    def run(self, workers: int, progress: Progress | None = None) -> Summary:
        """Prepares what is missing; may be killed at any time and run again.

        Args:
            workers: threads that decode; they change nothing in the result.
            progress: called with split, inputs done and inputs in all.

        Raises:
            DataError: the disk is full, no training input can be used, or the folder is in use.
            OSError: the source cannot be read.
        """
        try:
            return self._run(workers, progress)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise DataError(
                f"{error.filename or self.request.folder} cannot be written ({error.strerror}); "
                "make room and run the same again, it goes on where it stopped"
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
                    f"none of the {len(listing.splits['train'])} training inputs of "
                    f"{self.request.source} is a sound picture; {folder / 'report.csv'} says why"
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
        """Bytes still to be written, and bytes free where they go."""
        folder = self.request.folder
        there = folder.resolve()
        while not there.exists():
            there = there.parent
        written = sum(f.stat().st_size for f in folder.glob("*.bin")) if folder.is_dir() else 0
        per_record = 3 * self.size**2 + 3 * 8  # pixels; label and checksum, twice for a while
        names = sum(
            2 * (len(name) + 2) for inputs in self.listing.splits.values() for name in inputs.names
        )
        records = sum(map(len, self.listing.splits.values()))
        needed = records * per_record + names + _SPARE_BYTES + 6 * 8 * 3 * self.size**2
        return max(0, needed - written), shutil.disk_usage(there).free


def write_statistics(folder: Path, moments: Moments) -> None:
    """Writes the mean image, the covariance of the channels and its components."""
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
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"another alexnet-native prepare is at work on {folder}") from None
        yield


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
