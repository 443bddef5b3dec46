"""Where numbers stopped being finite, so that a diverged training can be explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.errors import DivergedError
from alexnet_native.net.params import zero_gradients

__all__ = ["diverged", "first_nonfinite"]


def first_nonfinite(native: _core.Network, batch: NDArray[np.floating[Any]] | None) -> str | None:
    """The first layer whose parameters, or outputs for `batch` in inference mode, are not finite.

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


def diverged(
    native: _core.Network,
    batch: NDArray[np.floating[Any]] | None,
    *,
    step: int,
    lr: float,
    updated: bool,
) -> DivergedError:
    """The error of a step whose loss is not finite; the accumulated gradients are set to zero.

    Args:
        batch: the images of the step, if they are at hand.
        step: number of updates, including that of the step.
        lr: the learning rate of the step.
        updated: the parameters have been updated in spite of it.
    """
    zero_gradients(native)
    if updated:
        where = "the update has already been applied, so the layer cannot be identified"
    else:
        where = f"the first layer to overflow is {first_nonfinite(native, batch) or 'the loss'}"
    return DivergedError(
        f"the loss is not finite at step {step}; {where}: lower the learning rate, now {lr:g} "
        "(--lr on the command line), or check the scale of the images"
    )
