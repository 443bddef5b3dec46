"""What the parts of the check are given, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

__all__ = ["Part", "Row", "Settings", "row"]


class Row(TypedDict):
    """One line of the report. `ok` is None where there is nothing to hold: a speed, a reason."""

    what: str
    ok: bool | None
    figure: str
    numbers: dict[str, float]


def row(what: str, ok: bool | None, figure: str, **numbers: float) -> Row:
    return Row(what=what, ok=ok, figure=figure, numbers=numbers)


@dataclass(frozen=True)
class Settings:
    """One set for all parts; each takes what it needs.

    Attributes:
        devices: under check; `speed` and `layers` take the first.
        nets, batches, precisions, peers: of `speed`; the others take `nets`.
        seconds: of this part, after which it is ended. `speed` leaves out what will not fit.
        source: the folder of the repository, for its tests; None: there is none here.
    """

    devices: tuple[str, ...]
    nets: tuple[str, ...]
    batches: tuple[int, ...]
    precisions: tuple[str, ...]
    peers: tuple[str, ...]
    seconds: float
    source: Path | None

    @property
    def device(self) -> str:
        return self.devices[0]


Part = Callable[[Settings], Iterator[Row]]
