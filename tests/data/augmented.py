"""Augments given images in one call, for comparison with the loader's batches and the formula."""

from __future__ import annotations

import numpy as np
from alexnet_native import _core
from alexnet_native.data.augment import Augmentation, Augmenter
from numpy.typing import NDArray


def augmented(
    images: NDArray[np.uint8],
    augmenter: Augmenter,
    a: Augmentation,
    epoch: int,
    first: int,
    threads: int = 1,
) -> NDArray[np.float32]:
    """(n, H, W, C), at positions `first` onwards of the epoch, to (n, C, h, w)."""
    offsets, mirror, color = augmenter.draw(len(images), epoch=epoch, first=first)
    out = np.empty((len(images), images.shape[3], *a.crop), np.float32)
    scale = a.scale if color is None else a.scale / a.color_divisor
    _core.augment(images, out, offsets, mirror, augmenter.mean, color, scale, threads)
    return out
