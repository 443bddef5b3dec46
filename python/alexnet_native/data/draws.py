"""Random draws as functions of (seed, site, step, element), from the native Philox4x32-10.

A site is the name of one use ("demo/train"). The sites of the loader are in cpp/data/draws.h.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import philox_bits, site_of

__all__ = ["Draws"]


class Draws:
    """The draws of one site.

    Args:
        seed: 0 to 2**64 - 1.
        site: name of the use.
    """

    def __init__(self, seed: int, site: str) -> None:
        self._seed, self._site = seed, site_of(site)

    def bits(self, step: int, first: int, count: int) -> NDArray[np.uint32]:
        """32 random bits for each of the elements first to first + count - 1."""
        return philox_bits(self._seed, self._site, step, first, count)
