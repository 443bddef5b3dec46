"""Where a training stands, apart from the network: a checkpoint's ``progress``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from alexnet_native.net.scores import Sums

__all__ = ["RunState"]


@dataclass
class RunState:
    """The position in the data, what was measured since, and the length of the logs."""

    epoch: int = 0  # finished
    offset: int = 0  # images of the running epoch that were used
    interval: Sums = field(default_factory=Sums)  # since the last line of metrics.jsonl
    so_far: Sums = field(default_factory=Sums)  # in this epoch
    best_error: float | None = None  # lowest validation error at the end of an epoch
    schedule: dict[str, Any] = field(default_factory=dict)
    metrics_lines: int = 0
    parameters_lines: int = 0
    train_images: int = 0  # of the data set, to recognise it
    first_step: int = 0  # updates that the network had before this training

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunState:
        """Raises TypeError or KeyError on anything but what `to_json` gave."""
        parts = {name: Sums(**values[name]) for name in ("interval", "so_far")}
        return cls(**{**values, **parts})
