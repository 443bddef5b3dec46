"""Ctrl-C and SIGTERM ask a training to stop after the step; a second Ctrl-C stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["StopRequest", "stop_request"]


class StopRequest:
    """Says whether the training shall stop."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_request(announce: Callable[[str], None]) -> Iterator[StopRequest]:
    """Within the block, the first SIGINT or SIGTERM only sets ``requested``.

    In a thread other than the main one no signal can be caught: the block then runs without.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.requested:
            raise KeyboardInterrupt
        request.requested = True
        announce(
            f"{signal.Signals(number).name}: stopping after this step, then saving; "
            "once more stops at once"
        )

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
