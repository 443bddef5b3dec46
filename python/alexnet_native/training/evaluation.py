"""Loss and errors of a network over a whole split."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data import Source
from alexnet_native.net import Net
from alexnet_native.net.scores import Sums, score
from alexnet_native.reports.per_class import PerClass

__all__ = ["Examination", "evaluate", "examine", "said_now_and_then"]

_IMAGES = 128  # at a time
_SECONDS_BETWEEN_LINES = 30.0


def evaluate(
    net: Net,
    source: Source,
    *,
    views: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Sums | None:
    """Sums of loss and credits over all images of a split, in its order.

    Args:
        net: with preprocessing for uint8 images.
        views: 1, the centre crop, or 10, the average of the probabilities of the corner and centre
            crops and their mirror images (paper, section 4.1).
        stop: asked before each part; True gives up.

    Returns:
        The sums, or None after `stop`.
    """
    sums = Sums()
    for images, labels in _parts(source):
        if stop():
            return None
        sums.add(net.measure(images, labels, views=views))
    return sums


@dataclass
class Examination:
    """All that is measured of a network on one split.

    Attributes:
        views: 1 or 10.
        sums: by number of views; with ten views, those of one too.
        per_class: of the average over the views, if it was asked for.
        probabilities: float32 (N, classes), averaged over the views, if they were asked for.
    """

    views: int
    sums: dict[int, Sums]
    per_class: PerClass | None = None
    probabilities: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def total(self) -> Sums:
        """Of the average over the views."""
        return self.sums[self.views]


def examine(
    net: Net,
    source: Source,
    *,
    views: int = 1,
    per_class: PerClass | None = None,
    keep: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[int], None] = lambda done: None,
) -> Examination | None:
    """Goes once over a split.

    Args:
        views: 10 measures the centre view too.
        per_class: takes the probabilities.
        keep: keeps the probabilities.
        stop: as in `evaluate`.
        tell: is called with the number of images done.

    Returns:
        None after `stop`.
    """
    sums = {count: Sums() for count in sorted({1, views})}
    kept = []
    for images, labels in _parts(source):
        if stop():
            return None
        sums[1].add(net.measure(images, labels))
        if views != 1 or per_class or keep:
            probabilities = net.predict(images, views=views)
            if views != 1:
                sums[views].add(score(probabilities, labels))
            if per_class:
                per_class.add(probabilities, labels)
            if keep:
                kept.append(probabilities.astype(np.float32, copy=False))
        tell(sums[1].images)
    return Examination(views, sums, per_class, np.concatenate(kept) if keep else None)


def said_now_and_then(say: Callable[[str], None], images: int) -> Callable[[int], None]:
    """A `tell` for `examine` that says a line twice a minute."""
    last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"evaluated {done:,} of {images:,} images")

    return tell


def _parts(source: Source) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    for first in range(0, len(source), _IMAGES):
        indices = np.arange(first, min(first + _IMAGES, len(source)), dtype=np.int64)
        yield source.gather(indices), source.labels[indices]
