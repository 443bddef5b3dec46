"""Where numbers stopped being finite, so that a diverged training can be explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.errors import DivergedError

__all__ = ["diverged", "drop_gradients", "first_nonfinite"]


def first_nonfinite(native: _core.Network, batch: NDArray[np.floating[Any]] | None) -> str | None:
    """The first layer whose parameters, or outputs for `batch` in test mode, are not all finite.

    Returns:
        Its name, "data" when the images themselves are not finite, or None.
    """
    if batch is not None and not np.isfinite(batch).all():
        return "data"
    for layer in native.layer_names():
        names = [*native.param_names(), *native.state_names()]
        own = [name for name in names if name.rpartition(".")[0] == layer]
        if any(not np.isfinite(native.get(name)).all() for name in own):
            return layer
        if batch is not None and not np.isfinite(native.features(batch, layer)).all():
            return layer
    return None


def drop_gradients(native: _core.Network) -> None:
    """Forgets the gradients, and changes of state, that were added up since the last update."""
    for name in native.param_names():
        native.set(name, "gradient", np.zeros_like(native.get(name, "gradient")))
    native.forget_state_changes()


def diverged(
    native: _core.Network, batch: NDArray[np.floating[Any]], *, loss: float, step: int, lr: float
) -> DivergedError:
    """Says what happened, after dropping the gradients."""
    drop_gradients(native)
    culprit = first_nonfinite(native, batch)
    where = f": {culprit} is the first layer to overflow" if culprit else ""
    return DivergedError(
        f"the loss is {loss} at step {step}{where}; take a learning rate below {lr:g} or check the "
        "scale of the images"
    )
