"""The progress of `prepare`: a bar on a terminal, lines in pipes and files, or nothing."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from typing import TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from alexnet_native import log

__all__ = ["NoProgress", "progress"]

_SECONDS_BETWEEN_LINES = 10.0


class NoProgress(AbstractContextManager["NoProgress"]):
    """Shows nothing. Base class of the others."""

    def __exit__(self, *exception: object) -> None:
        pass

    def update(self, split: str, done: int, total: int) -> None:
        """Called at the start of a split and after each chunk.

        Args:
            split: train, val or test.
            done: number of inputs processed so far, including earlier runs.
            total: number of inputs in the split.
        """


class _Speed:
    """Images per second and remaining seconds, measured from the first call for a split."""

    def __init__(self) -> None:
        self._split = ""

    def update(self, split: str, done: int, total: int) -> tuple[float, float]:
        now = time.monotonic()
        if split != self._split:
            self._split, self._start, self._first = split, now, done
        speed = (done - self._first) / max(now - self._start, 1e-9)
        return speed, (total - done) / speed if speed > 0 else 0.0


class _Lines(NoProgress):
    """Prints a line every ten seconds, for pipes and files."""

    def __init__(self) -> None:
        self._speed = _Speed()
        self._last = time.monotonic()

    def update(self, split: str, done: int, total: int) -> None:
        speed, left = self._speed.update(split, done, total)
        if time.monotonic() - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = time.monotonic()
        minutes, seconds = divmod(round(left), 60)
        log.line(
            f"{split}: {done:,} of {total:,} inputs, {speed:.0f}/s, "
            f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"
        )


class _Bar(NoProgress):
    """Shows a progress bar on a terminal."""

    def __init__(self) -> None:
        self._speed = _Speed()
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}, {task.fields[speed]:.0f}/s"),
            TimeRemainingColumn(),
            console=Console(file=cast(TextIO, log.Encodable(sys.stdout)), highlight=False),
        )

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def update(self, split: str, done: int, total: int) -> None:
        speed, _ = self._speed.update(split, done, total)
        if split not in self._tasks:
            self._tasks[split] = self._progress.add_task(split, total=total, speed=0.0)
        self._progress.update(self._tasks[split], completed=done, speed=speed)


def progress(*, silent: bool) -> NoProgress:
    """Chooses the display for standard output."""
    return NoProgress() if silent else _Bar() if log.is_terminal(sys.stdout) else _Lines()
