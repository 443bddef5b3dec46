"""Loss and errors of a network over a whole split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alexnet_native.data import Source
from alexnet_native.net import Net
from alexnet_native.net.scores import Sums

__all__ = ["evaluate"]

_IMAGES = 128  # at a time


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
    for first in range(0, len(source), _IMAGES):
        if stop():
            return None
        indices = np.arange(first, min(first + _IMAGES, len(source)), dtype=np.int64)
        sums.add(net.measure(source.gather(indices), source.labels[indices], views=views))
    return sums
