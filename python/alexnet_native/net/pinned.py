"""NumPy arrays in pinned (page-locked) host memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_native import _core

__all__ = ["pinned_empty", "pinned_like"]


def pinned_empty(
    shape: int | Sequence[int], dtype: DTypeLike = np.float32, *, device: str
) -> NDArray[Any]:
    """Returns an uninitialized array in pinned memory, like `numpy.empty`.

    A batch in such an array, or in a contiguous part of one, is uploaded without a copy on the
    host. Allocating pinned memory is slow, so reuse the arrays. After ``Net.train_step`` with
    ``wait=False`` do not write to them before the result has been read: the device may still be
    reading them.

    The memory is pinned for all GPUs, and is freed when no array uses it. If the system cannot pin
    more memory, pageable memory is allocated instead, which is copied on upload, and a message is
    printed to stderr.

    Args:
        shape, dtype: shape and type of the array.
        device: the device that reads the array ("cuda:0", or one of ``net.devices``). For a CPU the
            memory is pageable and aligned to 64 bytes.

    Raises:
        ValueError: a size is negative, or the dtype is not numeric.
        UnavailableError: the device does not exist on this machine.
        DeviceError: the host is out of memory.
    """
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise ValueError(f"an array of {kind} cannot be in pinned memory: use a numeric dtype")
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape must not be negative, got {sizes}")
    memory = _core.host_memory(math.prod(map(int, sizes)) * kind.itemsize, device)
    return memory.view(kind).reshape(sizes)


def pinned_like(array: NDArray[Any], devices: Sequence[str]) -> NDArray[Any]:
    """Returns a copy in pinned memory of the first GPU in `devices`, or `array` without a GPU."""
    gpu = next((name for name in devices if name.startswith("cuda")), None)
    if gpu is None:
        return array
    copy = pinned_empty(array.shape, array.dtype, device=gpu)
    copy[...] = array
    return copy
