"""Converts all inputs with several workers; one thread writes the files, in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.prepare.convert import ConvertedRecords, convert
from alexnet_native.data.prepare.inputs import Listing
from alexnet_native.data.prepare.output import Growing, SplitOutput
from alexnet_native.data.prepare.report import ROWS, rows
from alexnet_native.data.prepare.state import State
from alexnet_native.data.shards.index import WORK

__all__ = ["SECONDS_BETWEEN_STATES", "Progress", "convert_all"]

Progress = Callable[[str, int, int], None]

_CHUNK_BYTES = 6 * 1024**2  # size of the records that a worker makes at a time
_MOST_INPUTS = 256
_AHEAD = 2  # number of chunks in progress per worker
SECONDS_BETWEEN_STATES = 10.0  # the most work lost if the process is killed


def convert_all(
    listing: Listing,
    folder: Path,
    per_shard: int,
    state: State,
    workers: int,
    progress: Progress | None,
) -> None:
    """Converts the inputs that are not done according to `state`, and saves the state.

    Raises:
        OSError: the disk is full, or the source cannot be read.
    """
    shape = state.moments.sums.shape
    report = Growing(folder / WORK / ROWS, state.report_bytes)
    try:
        for split in listing.splits:
            output = SplitOutput(folder, split, shape, per_shard, state.splits[split])
            complete = False
            try:
                _convert_split(listing, split, output, report, state, workers, progress)
                complete = True
            finally:
                output.close(complete=complete)
            _save(report, state, folder)
    finally:
        report.close()


def _convert_split(
    listing: Listing,
    split: str,
    output: SplitOutput,
    report: Growing,
    state: State,
    workers: int,
    progress: Progress | None,
) -> None:
    total, saved = len(listing.splits[split]), time.monotonic()
    if progress is not None:
        progress(split, output.state.inputs, total)
    shape = state.moments.sums.shape
    for records in _chunks(listing, split, output.state.inputs, shape, workers):
        output.append(records)
        text = rows(records.findings)
        report.write(text)
        state.report_bytes += len(text)
        if records.moments is not None:
            state.moments.merge(records.moments)
        if progress is not None:
            progress(split, output.state.inputs, total)
        if time.monotonic() - saved > SECONDS_BETWEEN_STATES:
            output.sync()
            _save(report, state, output.folder)
            saved = time.monotonic()


def _save(report: Growing, state: State, folder: Path) -> None:
    report.sync()
    state.save(folder / WORK)


def _chunks(
    listing: Listing, split: str, done: int, shape: tuple[int, int, int], workers: int
) -> Iterator[ConvertedRecords]:
    """The records of a split in order, made by `workers` threads; each is valid until the next."""
    total = len(listing.splits[split])
    step = max(1, min(_MOST_INPUTS, _CHUNK_BYTES // int(np.prod(shape))))
    pending: deque[Future[ConvertedRecords]] = deque()
    rooms: list[NDArray[np.uint8]] = []
    with ThreadPoolExecutor(workers, "alexnet-prepare") as pool:
        try:
            for first in range(done, total, step):
                room = rooms.pop() if rooms else np.empty((step, *shape), np.uint8)
                last = min(first + step, total)
                pending.append(
                    pool.submit(convert, listing, split, first, last, room, split == "train")
                )
                if len(pending) >= _AHEAD * workers:
                    yield from _next(pending, rooms)
            while pending:
                yield from _next(pending, rooms)
        finally:
            pool.shutdown(cancel_futures=True)


def _next(
    pending: deque[Future[ConvertedRecords]], rooms: list[NDArray[np.uint8]]
) -> Iterator[ConvertedRecords]:
    records = pending.popleft().result()
    yield records
    room = records.pixels.base
    if isinstance(room, np.ndarray):
        rooms.append(room)
