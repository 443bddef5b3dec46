"""One step's gradients, computed in as many parts as the settings say."""

from __future__ import annotations

import math

import numpy as np

from alexnet_native.data.loader import Batch
from alexnet_native.net import Net
from alexnet_native.net.scores import Sums

__all__ = ["forward_backward"]


def forward_backward(net: Net, batch: Batch, parts: int) -> Sums:
    """Gradients of the mean loss of a batch, added to those that the network has.

    Args:
        net: its step selects the dropout masks.
        batch: of float32 images.
        parts: that the batch is computed in, to save memory; the result is that of the whole.
    """
    sums = Sums()
    dtype = np.float64 if net.precision == "fp64" else np.float32
    total = len(batch.labels)
    size = math.ceil(total / parts)
    for first in range(0, total, size):
        sums.add(
            net.native.forward_backward(
                batch.images[first : first + size].astype(dtype, copy=False),
                batch.labels[first : first + size],
                step=net.step,
                first_image=first,
                total=total,
            )
        )
    return sums
