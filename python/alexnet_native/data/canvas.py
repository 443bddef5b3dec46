"""A canvas for the demo images, painted from back to front. Every machine computes equal pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alexnet_native.data.shapes import Plane, unit

__all__ = ["SIZE", "Canvas", "Color", "Patch"]

SIZE = 256  # pixels; images are square
_SHADOW = 14.0  # width of the soft shadow around each shape, pixels

Color = tuple[float, float, float]  # red, green, blue, 0 to 255


class Patch:
    """Part of an image with local coordinates: rotated, with `radius` pixels as the unit.

    Args:
        centre: x and y in pixels.
        radius: in pixels.
        turns: clockwise rotation; 1 is a full turn.
        reach: extent of the patch from the centre along x and y, in radii.
    """

    def __init__(
        self,
        centre: tuple[float, float],
        radius: float,
        turns: float,
        reach: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        cosine, sine = unit(turns)
        self.radius = radius
        half = (
            radius * (abs(cosine) * reach[0] + abs(sine) * reach[1]) + _SHADOW,
            radius * (abs(sine) * reach[0] + abs(cosine) * reach[1]) + _SHADOW,
        )
        spans = []
        for at, extent in zip(centre, half, strict=True):
            first, last = max(0, int(at - extent)), min(SIZE, int(at + extent) + 2)
            spans.append((first, max(first, last)))
        (left, right), (top, bottom) = spans
        self.where = np.s_[:, top:bottom, left:right]
        across = (np.arange(left, right, dtype=np.float32) + (0.5 - centre[0])) / radius
        down = (np.arange(top, bottom, dtype=np.float32) + (0.5 - centre[1])) / radius
        self.x: Plane = cosine * across[np.newaxis] + sine * down[:, np.newaxis]
        self.y: Plane = cosine * down[:, np.newaxis] - sine * across[np.newaxis]


class Canvas:
    """An image, initially a smooth mixture of two colors.

    Args:
        clouds: the share of the second color, (n + 1, n + 1) values from 0 to 1 on a grid over the
            image, interpolated; n divides SIZE.
    """

    def __init__(self, first: Color, second: Color, clouds: Plane) -> None:
        mixture = _enlarge(_enlarge(clouds).T).T
        self._pixels = np.empty((3, SIZE, SIZE), np.float32)
        for plane, a, b in zip(self._pixels, first, second, strict=True):
            np.multiply(mixture, b - a, out=plane)
            plane += a

    def paint(
        self,
        patch: Patch,
        distance: Plane,
        first: Color,
        second: Color,
        mix: Plane | float = 0.0,
        *,
        shadow: float = 0.35,
    ) -> None:
        """Paints the points with a negative `distance` (in radii of the patch); smooths edges."""
        pixels = self._pixels[patch.where]
        distance = distance * patch.radius
        cover = np.clip(0.5 - distance, 0.0, 1.0)
        dark = np.clip(1.0 - distance / _SHADOW, 0.0, 1.0)
        pixels *= 1.0 - shadow * dark * dark
        for plane, a, b in zip(pixels, first, second, strict=True):
            plane += cover * (a + (b - a) * mix - plane)

    def finish(self, noise: NDArray[np.uint8], grain: float, exposure: float) -> NDArray[np.uint8]:
        """Adds film grain and returns the image, uint8 (SIZE, SIZE, 3).

        Args:
            noise: SIZE * SIZE random bytes.
            grain: the noise ranges from -grain to grain, in grey levels.
            exposure: factor of the image, applied before the noise.
        """
        grains = noise.reshape(SIZE, SIZE).astype(np.float32)
        grains -= 127.5
        grains *= grain / 127.5
        grains += 0.5  # the conversion to integers truncates
        out = np.empty((SIZE, SIZE, 3), np.uint8)
        for channel, plane in enumerate(self._pixels):
            plane *= exposure
            plane += grains
            out[:, :, channel] = np.clip(plane, 0.0, 255.0, out=plane)
        return out


def _enlarge(values: Plane) -> Plane:
    """Interpolates smoothly between the rows: (n + 1, m) to (SIZE, m)."""
    cells = len(values) - 1
    t = (np.arange(SIZE // cells, dtype=np.float32) + 0.5) / (SIZE // cells)
    t = (t * t * (3.0 - 2.0 * t))[np.newaxis, :, np.newaxis]
    rows = values[:-1, np.newaxis] * (1.0 - t) + values[1:, np.newaxis] * t
    return rows.reshape(SIZE, -1)
