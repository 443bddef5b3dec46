"""What is measured, and its log: one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexnet_native.data.meter import Meter
from alexnet_native.errors import CheckpointError
from alexnet_native.net.scores import Sums

__all__ = ["JsonLines", "Loading", "Metrics"]


@dataclass(frozen=True)
class Loading:
    """How the loader kept up with the training; the entry "loader" of a line."""

    images_per_second: float  # while it had room: its own speed
    ring: float  # batches ready when one was asked for, of those that can be: 0 to 1
    waited: float  # seconds that the training waited for a batch
    bottleneck: str  # "loader" or "device": the one that the other waited for longer

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
    """A line of metrics.jsonl. Errors are fractions; `epoch` counts from 1, `step` updates done."""

    split: str  # "train": the steps since the line before, during training; "val": all of it
    epoch: int
    step: int
    loss: float  # nats for an image
    top1_error: float
    top5_error: float
    images_per_second: float
    loader: Loading | None = None  # of the same steps

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


class JsonLines:
    """A file of JSON objects, one a line, that a resumed training cuts back to its checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a line.

        Raises:
            OSError: with the file's name; no half line is left.
        """
        text = json.dumps(record) + "\n"
        before = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._path, before)
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def read(self) -> list[dict[str, Any]]:
        """All lines; none where the file does not exist."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def keep(self, lines: int) -> None:
        """Drops all lines after the first `lines`.

        Raises:
            CheckpointError: there are fewer.
        """
        text = self._path.read_bytes() if self._path.exists() else b""
        end = 0
        for _ in range(lines):
            end = text.find(b"\n", end) + 1
            if end == 0:
                raise CheckpointError(
                    f"{self._path} has fewer lines than its checkpoint says ({lines}); resume into "
                    "a new folder with --out"
                )
        if len(text) > end:
            os.truncate(self._path, end)
