"""Where numbers stopped being finite, so that a diverged training can be explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core

__all__ = ["drop_gradients", "first_nonfinite"]


def first_nonfinite(native: _core.Network, batch: NDArray[np.floating[Any]] | None) -> str | None:
    """The first layer whose parameters, or outputs for `batch` in test mode, are not all finite.

    Returns:
        Its name, "data" when the images themselves are not finite, or None.
    """
    if batch is not None and not np.isfinite(batch).all():
        return "data"
    for layer in native.layer_names():
        own = [name for name in native.param_names() if name.rpartition(".")[0] == layer]
        if any(not np.isfinite(native.get(name)).all() for name in own):
            return layer
        if batch is not None and not np.isfinite(native.features(batch, layer)).all():
            return layer
    return None


def drop_gradients(native: _core.Network) -> None:
    """Forgets the gradients that were added up since the last update."""
    for name in native.param_names():
        zeros = np.zeros_like(native.get(name, "gradient"))
        native.set(name, "gradient", zeros)
