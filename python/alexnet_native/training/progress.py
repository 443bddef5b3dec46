"""Progress output: a bar on a terminal, lines of text elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Protocol, TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from alexnet_native import log
from alexnet_native.data.meter import Meter
from alexnet_native.net.metrics import Sums

__all__ = ["Bar", "Lines", "Loading", "Metrics", "Reporter", "Silent", "reporter"]

_SECONDS_BETWEEN_LINES = 10.0


@dataclass(frozen=True)
class Loading:
    """Statistics of the loader; the entry "loader" in metrics.jsonl.

    Attributes:
        images_per_second: speed of the loader while it had a free buffer.
        ring: fraction of the buffers that were ready when a batch was requested, 0 to 1.
        waited: seconds that the trainer waited for batches.
        bottleneck: "loader" if the trainer waited longer for the loader, otherwise "device".
    """

    images_per_second: float
    ring: float
    waited: float
    bottleneck: str

    @classmethod
    def of(cls, meter: Meter) -> Loading:
        return cls(
            images_per_second=round(meter.images_per_second, 1),
            ring=round(meter.fullness, 3),
            waited=round(meter.consumer_waited, 4),
            bottleneck=meter.bottleneck,
        )


@dataclass(frozen=True)
class Metrics:
    """A line of metrics.jsonl.

    Attributes:
        split: "train": means over the training steps since the previous line; "val": means over the
            validation split.
        epoch: from 1.
        step: number of updates.
        loss: nats per image.
        top1_error, top5_error: fractions, 0 to 1.
        images_per_second: speed of training or validation.
        loader: statistics of the loader for these steps; None for "val".
    """

    split: str
    epoch: int
    step: int
    loss: float
    top1_error: float
    top5_error: float
    images_per_second: float
    loader: Loading | None = None

    @classmethod
    def of(
        cls,
        sums: Sums,
        split: str,
        epoch: int,
        step: int,
        images_per_second: float = 0.0,
        loader: Loading | None = None,
    ) -> Metrics:
        return cls(
            split=split,
            epoch=epoch,
            step=step,
            loss=sums.mean_loss,
            top1_error=sums.top1_error,
            top5_error=sums.top5_error,
            images_per_second=round(images_per_second, 2),
            loader=loader,
        )

    def record(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class Reporter(Protocol):
    """Receives the progress of a run. A context manager that is active during the run."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def step(self, now: Metrics, last_step: int) -> None:
        """Called after each step.

        Args:
            now: means over the current log interval up to this step.
            last_step: number of the last step of the run.
        """

    def line(self, text: str) -> None:
        """Prints a line."""

    def warning(self, text: str) -> None:
        """Prints a warning."""


class Silent:
    """Prints warnings only."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def step(self, now: Metrics, last_step: int) -> None:
        pass

    def line(self, text: str) -> None:
        pass

    def warning(self, text: str) -> None:
        log.warning(text)


class Lines(Silent):
    """Prints a line every ten seconds, for pipes and files."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._first_step = 0
        self._last = 0.0

    def step(self, now: Metrics, last_step: int) -> None:
        clock = time.monotonic()
        if self._started is None:
            self._started = self._last = clock
            self._first_step = now.step
            return
        if clock - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = clock
        left = (clock - self._started) / (now.step - self._first_step) * (last_step - now.step)
        self.line(f"step {now.step} of {last_step}: {_numbers(now)}, {_duration(left)} left")

    def line(self, text: str) -> None:
        log.line(text)


class Bar(Silent):
    """Shows a progress bar with images/s, loss, error and remaining time."""

    def __init__(self) -> None:
        self._screen = sys.stdout  # while the bar is shown, sys.stdout is a stream of rich
        file = cast(TextIO, log.Encodable(self._screen))
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def step(self, now: Metrics, last_step: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", total=last_step, numbers="")
        self._progress.update(
            self._task,
            completed=now.step,
            description=f"epoch {now.epoch}, step {now.step}",
            numbers=_numbers(now),
        )

    def line(self, text: str) -> None:
        self._console.print(log.printable(text, self._screen), markup=False)

    def warning(self, text: str) -> None:
        self._progress.stop()  # otherwise the bar would overwrite the warning on stderr
        log.warning(text)
        self._progress.start()


def reporter() -> Reporter:
    """Returns a `Bar` if standard output is a terminal that can show it, otherwise `Lines`."""
    return Bar() if log.is_terminal(sys.stdout) else Lines()


def _numbers(now: Metrics) -> str:
    return (
        f"loss {now.loss:.3f}, error {100 * now.top1_error:.1f} %, "
        f"{now.images_per_second:.0f} images/s{_bottleneck(now)}"
    )


def _bottleneck(now: Metrics) -> str:
    """Returns the bottleneck, loader or device, as text."""
    if now.loader is None:
        return ""
    if now.loader.bottleneck == "device":
        return " (limit: device)"
    return f" (limit: loader, ring {now.loader.ring:.0%} full, waited {now.loader.waited:.1f} s)"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
