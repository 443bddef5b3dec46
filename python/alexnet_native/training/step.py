"""The steps of a training; where the devices gain by it, their results come one step late."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from alexnet_native.data.batches import Batch, RawImages
from alexnet_native.net import Net
from alexnet_native.net.scores import Sums

__all__ = ["Done", "Steps", "forward_backward"]


@dataclass(frozen=True)
class Done:
    """A step whose result is there."""

    step: int  # updates done with it
    sums: Sums
    updated: bool  # whether its update was made, whatever the loss


class Steps:
    """Runs the steps of a network.

    On GPUs the result of a step is read while the next one runs, so that the host never waits for
    a step that it has just begun. `finish` gives the last ones. Steps on images that the device
    augments, and those that are profiled, are waited for.

    Args:
        net: trained in place; its step selects the dropout masks.
        parts: that a batch is computed in, to save memory; the result is that of the whole.
    """

    def __init__(self, net: Net, parts: int) -> None:
        self._net, self._parts = net, parts
        self._late = net.native.overlaps and parts == 1
        self._dtype = np.float64 if net.precision == "fp64" else np.float32
        self._waiting: deque[int] = deque()
        while net.native.waiting_steps:  # of a training that ended in an error
            net.native.next_result()

    def run(self, batch: Batch) -> list[Done]:
        """One step. Returns those that are done: this one, or on GPUs the one before it.

        A step whose loss is not finite changes no weight where its result is there at once.
        """
        net = self._net
        if self._late and not isinstance(batch.images, RawImages):
            images = batch.images.astype(self._dtype, copy=False)
            net.native.enqueue_step(images, batch.labels, step=net.step)
            net.step += 1
            self._waiting.append(net.step)
            late = 0 if net.native.is_profiled else 1
            return [self._next() for _ in range(len(self._waiting) - late)]
        sums = forward_backward(net, batch, self._parts)
        if finite := math.isfinite(sums.loss):
            net.native.update()
        net.step += 1
        return [Done(net.step, sums, updated=finite)]

    def finish(self) -> list[Done]:
        """The steps that are not done yet, done."""
        return [self._next() for _ in range(len(self._waiting))]

    def _next(self) -> Done:
        sums = Sums()
        sums.add(self._net.native.next_result())
        return Done(self._waiting.popleft(), sums, updated=True)


def forward_backward(net: Net, batch: Batch, parts: int) -> Sums:
    """Gradients of the mean loss of a batch, added to those that the network has.

    Args:
        net: its step selects the dropout masks.
        batch: of float32 images, or of records that the device augments.
        parts: that the batch is computed in, to save memory; the result is that of the whole.
    """
    sums = Sums()
    total = len(batch.labels)
    size = math.ceil(total / parts)
    for first in range(0, total, size):
        last = first + size
        labels = batch.labels[first:last]
        if isinstance(batch.images, RawImages):
            part = batch.images.part(first, last)
            sums.add(net.native.forward_backward_raw(part, labels, net.step, first, total))
        else:
            dtype = np.float64 if net.precision == "fp64" else np.float32
            images = batch.images[first:last].astype(dtype, copy=False)
            sums.add(
                net.native.forward_backward(
                    images, labels, step=net.step, first_image=first, total=total
                )
            )
    return sums
