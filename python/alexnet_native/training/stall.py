"""Notices a network that does not learn: its loss stays at ln(classes), that of a blind guess."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["StallWatch"]

_WINDOW = 50  # losses that are averaged
_MARGIN = 0.01  # of ln(classes)


class StallWatch:
    """Gives one warning when the mean loss around step `after` is still that of guessing."""

    def __init__(self, classes: int, after: int) -> None:
        self._guess = math.log(classes)
        self._after = after
        self._losses: deque[float] = deque(maxlen=min(_WINDOW, max(after, 1)))

    def observe(self, step: int, loss: float) -> str | None:
        """Takes the mean loss of a step; returns the warning when it is time for one."""
        if self._after == 0 or step > self._after or self._guess == 0.0:
            return None
        self._losses.append(loss)
        mean = sum(self._losses) / len(self._losses)
        if step < self._after or mean < (1 - _MARGIN) * self._guess:
            return None
        return (
            f"after {step} steps the loss is {mean:.3f}, still that of guessing (ln of the number "
            f"of classes is {self._guess:.3f}); likely causes: labels that do not belong to the "
            "pictures, a learning rate that is too low or too high (try --lr 10 times smaller and "
            "larger), initial weights too small for the depth (alexnet-2012 starts conv3 to conv5 "
            "at 0.03 instead of 0.01), or pixels scaled to 0..1 where the network expects 0..255"
        )
