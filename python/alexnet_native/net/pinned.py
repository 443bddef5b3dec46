"""NumPy arrays in pinned (page-locked) host memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from alexnet_native import _core
from alexnet_native.errors import ConfigError
from alexnet_native.net.arguments import integer

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
        ConfigError: a size is negative, or the dtype is not numeric.
        UnavailableError: the device does not exist on this machine.
        DeviceError: the host is out of memory.
    """
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise ConfigError(f"dtype is {dtype!r}; it must be a numeric dtype of NumPy") from error
    if kind.hasobject:
        raise ConfigError(f"an array of {kind} cannot be in pinned memory: use a numeric dtype")
    given = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if any(isinstance(size, int | np.integer) and size < 0 for size in given):
        raise ConfigError(f"a shape must not be negative, got {given}")
    sizes = tuple(integer("a size of the shape", size, 0, 2**63 - 1) for size in given)
    if not isinstance(device, str):
        raise ConfigError(f"device is {device!r}; it must be the name of one, such as 'cuda:0'")
    size = integer("the size in bytes", math.prod(sizes) * kind.itemsize, 0, 2**63 - 1)
    try:
        memory = _core.host_memory(size, device)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return memory.view(kind).reshape(sizes)


def pinned_like(array: NDArray[Any], devices: Sequence[str]) -> NDArray[Any]:
    """Returns a copy in pinned memory of the first GPU in `devices`, or `array` without a GPU."""
    gpu = next((name for name in devices if name.startswith("cuda")), None)
    if gpu is None:
        return array
    copy = pinned_empty(array.shape, array.dtype, device=gpu)
    copy[...] = array
    return copy
