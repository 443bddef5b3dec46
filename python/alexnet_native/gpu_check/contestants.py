"""The two sides of a comparison in "speed": our training step and a PyTorch variant of it.

Both read the same values from host memory in every step; `feed` states from which kind of memory.
"""

from __future__ import annotations

import copy
import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.models import describe
from alexnet_native.net import BaseNet
from alexnet_native.reports.bench import RepeatedStep

__all__ = ["PEERS", "Contestant", "RandomBatch", "is_compiled", "ours", "release_memory", "torchs"]

PEERS = {  # name: (channels last, compiled)
    "eager": (False, False),
    "channels_last": (True, False),
    "compile": (False, True),
    "compile channels_last": (True, True),
}
_LR, _MOMENTUM, _DECAY = 1e-4, 0.9, 5e-4


def is_compiled(peer: str) -> bool:
    return PEERS[peer][1]


@dataclass(frozen=True)
class Contestant:
    """One side of a comparison.

    Attributes:
        step: runs or enqueues a step.
        finish: waits for all enqueued steps.
        feed: the host memory from which each step reads its images: "pinned" or "in place".
    """

    step: Callable[[], object]
    finish: Callable[[], object]
    feed: str

    def seconds(self, steps: int) -> float:
        """The mean time of a step over several steps."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        self.finish()
        return (time.perf_counter() - start) / steps


class RandomBatch:
    """Random images and labels for one network, drawn once and used by all contestants.

    PyTorch's images may be slightly larger than ours (see `torch_net.build`); both are views of the
    beginning of one array.
    """

    def __init__(self, net: str, images: int, *, for_torch: bool) -> None:
        description = describe(net)
        shapes = [description.input_shape]
        if for_torch:
            with suppress(ValueError):  # a layer that PyTorch lacks; `torchs` reports it
                shapes.append(_module(net)[1])
        rng = np.random.default_rng(1)
        self._count = images
        self._values = rng.standard_normal(images * max(map(prod, shapes)), dtype=np.float32)
        self.labels = rng.integers(0, description.classes, images, dtype=np.int32)

    def images(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """(images, *shape), contiguous."""
        return self._values[: self._count * prod(shape)].reshape(self._count, *shape)


def ours(net: BaseNet, batch: RandomBatch) -> Contestant:
    """Our training step."""
    for name in net.native.param_names():
        net.native.set_update(name, _LR, _MOMENTUM, _DECAY)
    steps = RepeatedStep(net, batch.images(net.input_shape), batch.labels)
    return Contestant(steps.step, steps.finish, "pinned" if net.native.overlaps else "in place")


@cache
def _module(net: str) -> tuple[Any, tuple[int, int, int]]:
    """The PyTorch network with the initial weights of all its variants, and its input shape."""
    from alexnet_native.interop.torch_net import build

    return build(describe(net))


def torchs(peer: str, net: str, precision: str, batch: RandomBatch, device: str) -> Contestant:
    """A PyTorch variant, one of `PEERS`."""
    from alexnet_native.interop.torch_net import Step, forget_compiled, torch_device

    module, shape = _module(net)
    channels_last, compiled = PEERS[peer]
    if compiled:
        forget_compiled()
    place = torch_device(device)
    words: dict[str, Any] = {"channels_last": channels_last, "compiled": compiled}
    step = Step(
        copy.deepcopy(module), batch.images(shape), batch.labels, lr=_LR, momentum=_MOMENTUM,
        decay=_DECAY, device=place, precision=precision, **words,
    )  # fmt: skip
    return Contestant(step, step.finish, "in place" if place == "cpu" else "pinned")


def release_memory() -> None:
    """Frees the memory that PyTorch has cached, since the core has its own allocator."""
    gc.collect()
    if "torch" in sys.modules:
        from alexnet_native.interop.torch_net import release_memory

        release_memory()
