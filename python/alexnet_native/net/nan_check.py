"""Finds the first layer with NaN or infinite values, for the error message of a diverged run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.errors import DivergedError
from alexnet_native.net.params import zero_gradients

__all__ = ["diverged", "first_nonfinite"]


def first_nonfinite(native: _core.Network, batch: NDArray[np.floating[Any]] | None) -> str | None:
    """Returns the first layer with parameters or outputs that are not finite.

    Args:
        batch: images for which the outputs are computed, in inference mode; None checks the
            parameters only.

    Returns:
        The layer's name, "data" if the images are not finite, or None.
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
    """Returns the error for a step whose loss is not finite, and sets the gradients to zero.

    Args:
        batch: the images of the step; None if they are no longer available.
        step: number of updates, including the one of this step.
        lr: the learning rate of the step.
        updated: whether the update has been applied.
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
