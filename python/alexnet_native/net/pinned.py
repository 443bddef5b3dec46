"""Arrays in host memory that a GPU copies from without a detour."""

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
    """An array like `numpy.empty`'s, in memory that uploads to `device` read where it lies.

    A batch in such arrays, or in contiguous parts of them, is not copied on the host: use them
    again and again, as pinning memory takes long. A step that is not waited for
    (``Net.train_step`` with ``wait=False``) reads them while it runs: do not write to them before
    its result has been read.

    The memory is that of all GPUs, and stays as long as an array lies in it, also without any Net.
    Where the machine can pin no more, it is ordinary memory, which is copied, and one line on
    stderr says so.

    Args:
        shape, dtype: of the array; it holds whatever was there before.
        device: that will work on it ("cuda:0", or one of ``net.devices``). Of a CPU: ordinary
            memory, aligned to 64 bytes.

    Raises:
        ValueError: the shape or the dtype is none of an array of numbers.
        UnavailableError: there is no such device here.
        DeviceError: the host has no memory left.
    """
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise ValueError(f"an array of {kind} cannot lie in pinned memory: use a numeric dtype")
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape must not be negative, got {sizes}")
    memory = _core.host_memory(math.prod(map(int, sizes)) * kind.itemsize, device)
    return memory.view(kind).reshape(sizes)


def pinned_like(array: NDArray[Any], devices: Sequence[str]) -> NDArray[Any]:
    """A copy that the first GPU of `devices` reaches; the array itself where there is none."""
    gpu = next((name for name in devices if name.startswith("cuda")), None)
    if gpu is None:
        return array
    copy = pinned_empty(array.shape, array.dtype, device=gpu)
    copy[...] = array
    return copy
