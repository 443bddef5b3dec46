"""What tests of the check of a GPU share: settings on the first device, an end to a command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alexnet_native.gpu_check import running
from alexnet_native.gpu_check.rows import Settings
from placements import FIRST

NET = "cifar10-quick"


def settings(**changes: Any) -> Settings:
    words: dict[str, Any] = {
        "devices": (FIRST,), "nets": (NET,), "batches": (2,), "precisions": ("fp32",),
        "peers": (), "seconds": 60.0, "source": None,
    }  # fmt: skip
    return Settings(**{**words, **changes})


def end_after(monkeypatch: pytest.MonkeyPatch, count: int) -> float:
    """Ends the next command after so many rows, as if its time were over then.

    Returns the limit to give: it has passed when the rows are there, however slow the machine is.
    """
    real = running._until

    def until_there(lines: Any, end: float) -> Iterator[str]:
        monkeypatch.setattr(running, "_until", real)
        left = count
        while left:
            line = lines.get()
            left -= running.told(line) is not None
            yield line

    monkeypatch.setattr(running, "_until", until_there)
    return 0.01
