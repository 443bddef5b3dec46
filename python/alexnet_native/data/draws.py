"""Random draws as functions of (seed, site, step, element), from the native Philox4x32-10.

A site names one use ("data/crop"); for the loader the step is the epoch and the element counts
along the epoch's images. So a draw does not depend on how work is cut into batches or threads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import philox_bits, site_of

__all__ = ["Draws"]


class Draws:
    """The draws of one site.

    Args:
        seed: 0 to 2**64 - 1.
    """

    def __init__(self, seed: int, site: str) -> None:
        self._seed, self._site = seed, site_of(site)

    def bits(self, step: int, first: int, count: int) -> NDArray[np.uint32]:
        """32 random bits for each of the elements first to first + count - 1."""
        return philox_bits(self._seed, self._site, step, first, count)

    def below(self, limits: Sequence[int], step: int, first: int, count: int) -> NDArray[np.int32]:
        """Integers (count, len(limits)) for the items first to first + count - 1.

        Column i holds 0 to limits[i] - 1, each equally likely to within limits[i] / 2**32.
        """
        width = len(limits)
        bits = self.bits(step, width * first, width * count).reshape(count, width)
        scaled = bits.astype(np.uint64) * np.array(limits, np.uint64)
        below: NDArray[np.int32] = (scaled >> np.uint64(32)).astype(np.int32)
        return below

    def normals(self, step: int, first: int, count: int) -> NDArray[np.float64]:
        """Standard normal draws (Box and Muller 1958), equal to those of cpp/core/philox.h.

        Elements 2i and 2i + 1 come from one pair of uniforms.
        """
        start = first // 2 * 2
        pairs = (first + count - start + 1) // 2
        uniform = (self.bits(step, start, 2 * pairs).astype(np.float64) + 0.5) / 2.0**32
        radius = np.sqrt(-2.0 * np.log(uniform[0::2]))
        angle = 2.0 * np.pi * uniform[1::2]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
        return both[first - start : first - start + count]

    def permutation(self, step: int, count: int) -> NDArray[np.int64]:
        """A permutation of 0 to count - 1: the order of 64-bit keys, ties by index."""
        halves = self.bits(step, 0, 2 * count).astype(np.uint64)
        keys = halves[0::2] << np.uint64(32) | halves[1::2]
        return np.argsort(keys, kind="stable").astype(np.int64, copy=False)
