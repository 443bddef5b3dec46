"""The steps of a training; where the devices gain by it, their results come one step late."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


@dataclass
class _Begun:
    """A step of which not all results are read."""

    step: int
    parts: int  # that are to come
    sums: Sums = field(default_factory=Sums)


class Steps:
    """Runs the steps of a network.

    On GPUs the result of a step, or of a part of one, is read while the next one runs, so that the
    host never waits for what it has just begun. `finish` gives the last ones. Steps that are
    profiled are waited for.

    Args:
        net: trained in place; its step selects the dropout masks.
        parts: that a batch is computed in, to save memory; the result is that of the whole.
    """

    def __init__(self, net: Net, parts: int) -> None:
        self._net, self._parts = net, parts
        self._late = net.native.overlaps
        self._begun: deque[_Begun] = deque()
        while net.native.waiting_steps:  # of a training that ended in an error
            net.native.next_result()

    def run(self, batch: Batch) -> list[Done]:
        """One step. Returns those that are done: this one, or on GPUs the one before it.

        A step whose loss is not finite changes no weight where its result is there at once.
        """
        net = self._net
        if self._late:
            return self._enqueue(batch)
        sums = self._wait_for(batch)
        net.step += 1
        return [Done(net.step, sums, updated=math.isfinite(sums.loss))]

    def _wait_for(self, batch: Batch) -> Sums:
        net = self._net
        if self._parts > 1:
            sums = forward_backward(net, batch, self._parts)
            if math.isfinite(sums.loss):
                net.native.update()
            return sums
        sums = Sums()
        [whole] = _parts(net, batch, 1)
        if isinstance(whole.images, dict):
            sums.add(net.native.train_step_raw(whole.images, whole.labels, net.step))
        else:
            sums.add(net.native.train_step(whole.images, whole.labels, step=net.step))
        return sums

    def finish(self) -> list[Done]:
        """The steps that are not done yet, done."""
        return self._read(0)

    def _enqueue(self, batch: Batch) -> list[Done]:
        net = self._net
        native, late = net.native, 0 if net.native.is_profiled else 1
        parts = list(_parts(net, batch, self._parts))
        self._begun.append(_Begun(net.step + 1, len(parts)))
        done: list[Done] = []
        for part in parts:
            if isinstance(part.images, dict):
                native.enqueue_step_raw(part.images, part.labels, net.step, part.first, part.total)
            else:
                native.enqueue_step(
                    part.images,
                    part.labels,
                    step=net.step,
                    first_image=part.first,
                    total=part.total,
                )
            done += self._read(late)
        net.step += 1
        return done

    def _read(self, late: int) -> list[Done]:
        """Reads results until so many wait. Returns the steps that are done by them."""
        done: list[Done] = []
        while self._net.native.waiting_steps > late:
            begun = self._begun[0]
            begun.sums.add(self._net.native.next_result())
            begun.parts -= 1
            if begun.parts == 0:
                self._begun.popleft()
                done.append(Done(begun.step, begun.sums, updated=True))
        return done


@dataclass(frozen=True)
class _Part:
    """Of a batch, as the native network takes it."""

    images: NDArray[np.floating[Any]] | dict[str, Any]  # or records that the device augments
    labels: NDArray[np.int32]
    first: int  # its first image in the batch
    total: int  # images of the batch


def _parts(net: Net, batch: Batch, parts: int) -> Iterator[_Part]:
    dtype = np.float64 if net.precision == "fp64" else np.float32
    total = len(batch.labels)
    size = math.ceil(total / parts)
    for first in range(0, total, size):
        last = first + size
        images = (
            batch.images.part(first, last)
            if isinstance(batch.images, RawImages)
            else batch.images[first:last].astype(dtype, copy=False)
        )
        yield _Part(images, batch.labels[first:last], first, total)


def forward_backward(net: Net, batch: Batch, parts: int) -> Sums:
    """Gradients of the mean loss of a batch, added to those that the network has.

    Args:
        net: its step selects the dropout masks.
        batch: of float32 images, or of records that the device augments.
        parts: that the batch is computed in, to save memory; the result is that of the whole.
    """
    sums = Sums()
    for part in _parts(net, batch, parts):
        if isinstance(part.images, dict):
            result = net.native.forward_backward_raw(
                part.images, part.labels, net.step, part.first, part.total
            )
        else:
            result = net.native.forward_backward(
                part.images,
                part.labels,
                step=net.step,
                first_image=part.first,
                total=part.total,
            )
        sums.add(result)
    return sums
