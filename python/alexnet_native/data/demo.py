"""The built-in data set: ten classes of synthetic images, drawn at first use.

An image is a function of (seed, split, index). Only the shape depends on the class: position, size,
rotation, colors, background, other objects, light and noise have the same distribution for all ten
classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alexnet_native._core import available_threads
from alexnet_native.data.canvas import SIZE, Canvas, Color, Patch
from alexnet_native.data.draws import Draws
from alexnet_native.data.shapes import SHAPES, Plane, triangle
from alexnet_native.data.source import CACHE_BYTES, Dataset, LazySource
from alexnet_native.errors import DataError

__all__ = ["demo", "draw_picture"]

_CLASSES = tuple(SHAPES)
_NUMBERS = 512  # random numbers reserved for the scene; the noise uses those after them


def demo(
    train: int = 1600,
    val: int = 400,
    *,
    seed: int = 0,
    threads: int = 0,
    cache_bytes: int = CACHE_BYTES,
) -> Dataset:
    """The demo data: uint8 (N, 256, 256, 3); image i has class i % 10.

    Args:
        train: number of training images.
        val: number of validation images; 0 for none.
        seed: seed of the images; independent of the seed of a training run.
        threads: number of drawing threads; 0 = the processors that this process may use.
        cache_bytes: see :class:`LazySource`; 2,000 images need 393 MB.

    Raises:
        DataError: the number of training images is not positive.
    """
    if train < 1 or val < 0:
        raise DataError(f"demo cannot have {train} training and {val} validation images")

    def source(split: str, count: int) -> LazySource:
        draws = Draws(seed, f"demo/{split}")
        labels = (np.arange(count) % len(_CLASSES)).astype(np.int32)
        return LazySource(
            labels,
            (SIZE, SIZE, 3),
            lambda index: draw_picture(_CLASSES[labels[index]], draws, index),
            lambda index: f"demo, {split} picture {index}",
            threads=threads or available_threads(),
            cache_bytes=cache_bytes,
        )

    return Dataset("demo", _CLASSES, source("train", train), source("val", val) if val else None)


def draw_picture(name: str, draws: Draws, index: int) -> NDArray[np.uint8]:
    """Draws image `index` with the shape `name`: uint8 (256, 256, 3)."""
    chance = _Chance(draws.bits(index, 0, _NUMBERS))
    ground, ground2, body, body2 = _palette(chance)
    cells = int(2 ** chance.integer(1, 3))
    canvas = Canvas(ground, ground2, chance.grid(cells + 1))
    for _ in range(chance.integer(2, 6)):
        _scatter(canvas, chance, behind=True)
    radius = chance(60.0, 100.0)
    centre = (SIZE / 2 + chance(-30.0, 30.0), SIZE / 2 + chance(-30.0, 30.0))
    # Up to 40 degrees to either side, so that no shape is upside down.
    patch = Patch(centre, radius, chance(-0.11, 0.11), (1.05, 1.05))
    distance, mix = SHAPES[name](patch.x, patch.y, chance)
    canvas.paint(patch, distance, body, body2, mix)
    for _ in range(chance.integer(0, 2)):
        _scatter(canvas, chance, behind=False)
    noise = draws.bits(index, _NUMBERS, SIZE * SIZE // 4).astype("<u4").view(np.uint8)
    return canvas.finish(noise, chance(3.0, 20.0), chance(0.8, 1.1))


class _Chance:
    """A sequence of random numbers."""

    def __init__(self, bits: NDArray[np.uint32]) -> None:
        self._uniform: Plane = (bits >> np.uint32(8)).astype(np.float32) / np.float32(2**24)
        self._next = 0

    def __call__(self, low: float, high: float) -> float:
        self._next += 1
        return low + (high - low) * float(self._uniform[self._next - 1])

    def integer(self, low: int, high: int) -> int:
        """A random integer from low to high, inclusive."""
        return min(int(self(low, high + 1)), high)

    def grid(self, side: int) -> Plane:
        self._next += side * side
        return self._uniform[self._next - side * side : self._next].reshape(side, side)

    def color(self, darkest: float, lightest: float) -> Color:
        """A random hue and saturation; the bounds apply to the largest of the three channels."""
        hue, vivid, value = self(0.0, 6.0), self(0.1, 0.7), self(darkest, lightest)
        low, high = value * (1.0 - vivid), value
        fade = low + (high - low) * (1.0 - abs(hue % 2.0 - 1.0))
        around = [
            (high, fade, low),
            (fade, high, low),
            (low, high, fade),
            (low, fade, high),
            (fade, low, high),
            (high, low, fade),
        ]
        return around[min(int(hue), 5)]


def _palette(chance: _Chance) -> tuple[Color, Color, Color, Color]:
    """Two background colors; a light and a darker color of the shape that contrast with them."""
    ground, ground2 = chance.color(20.0, 120.0), chance.color(60.0, 140.0)
    body = _standing_out([chance.color(190.0, 255.0) for _ in range(3)], [ground, ground2])
    body2 = _standing_out([chance.color(60.0, 160.0) for _ in range(4)], [ground, ground2, body])
    return ground, ground2, body, body2


def _scatter(canvas: Canvas, chance: _Chance, *, behind: bool) -> None:
    """Draws a stick or a triangle; those in front of the shape are thin, so it stays visible."""
    color = chance.color(60.0, 170.0)
    centre = (chance(0.0, SIZE), chance(0.0, SIZE))
    if behind and chance(0.0, 1.0) < 0.5:
        patch = Patch(centre, chance(10.0, 34.0), chance(0.0, 1.0))
        canvas.paint(patch, triangle(patch.x, patch.y), color, color)
        return
    width = chance(3.0, 10.0)
    long = chance(3.0, 12.0)
    patch = Patch(centre, width, chance(0.0, 1.0), (long, 1.0))
    beyond = np.maximum(np.abs(patch.x) - (long - 1.0), 0.0)
    distance = np.sqrt(beyond * beyond + patch.y * patch.y) - 1.0
    canvas.paint(patch, distance, color, color)


def _standing_out(colors: list[Color], others: list[Color]) -> Color:
    """The color with the largest distance to the nearest of the others."""

    def distance(a: Color, b: Color) -> float:
        return sum((p - q) * (p - q) for p, q in zip(a, b, strict=True))

    return max(colors, key=lambda color: min(distance(color, other) for other in others))
