"""The ten shapes of the demo images, as functions of the plane.

Each function takes coordinates in which the shape has a radius of about 1, with y pointing down. It
returns the signed distance to the edge (negative inside; exact near the edge, for smooth edges),
and the mixture of the two colors: 0 = first, 1 = second. Pixels are computed only with operations
that IEEE 754 rounds exactly, so that every machine draws the same images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHAPES", "Chance", "Plane", "triangle", "unit"]

Plane = NDArray[np.floating[Any]]  # float32
Chance = Callable[[float, float], float]  # a random number between two bounds
Shape = Callable[[Plane, Plane, Chance], tuple[Plane, Plane]]


def unit(turns: float) -> tuple[float, float]:
    """Cosine and sine, rounded so that they do not depend on the last bit of the C library."""
    angle = 2.0 * math.pi * turns
    return round(math.cos(angle) * 2**20) / 2**20, round(math.sin(angle) * 2**20) / 2**20


def triangle(x: Plane, y: Plane) -> Plane:
    """Distance to an equilateral triangle; not one of the ten classes."""
    return np.maximum(y, 0.8660254 * np.abs(x) - 0.5 * y) - 0.5


def _ball(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    cosine, sine = unit(chance(0.5, 1.0))  # light from above
    radius = 0.9
    depth = np.sqrt(np.maximum(radius**2 - x * x - y * y, 0.0))
    light = (0.55 / radius) * (cosine * x + sine * y) + (0.75 / radius) * depth
    return _length(x, y) - radius, 1.0 - _clip(light, 1.0)


def _checkerboard(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    cells = chance(1.9, 3.2)
    return _board(x, y, chance), _sharp(_wave(cells * x) * _wave(cells * y))


def _crescent(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    shift = chance(0.34, 0.55)
    inner = _length(x - shift, y) - chance(0.66, 0.78)
    return np.maximum(_length(x, y) - 0.95, -inner), _shade(y)


def _cross(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    half = chance(0.2, 0.34)
    x, y = np.abs(x), np.abs(y)
    long, short = np.maximum(x, y), np.minimum(x, y)
    return np.maximum(long - 0.95, short - half), _shade(long)


def _flower(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    petals, out = int(chance(5.0, 7.99)), chance(0.56, 0.62)
    size = 0.98 - out if petals < 7 else 0.9 - out
    distance = _length(x, y) - 0.45
    for petal in range(petals):
        cosine, sine = unit(petal / petals)
        distance = np.minimum(distance, _length(x - out * cosine, y - out * sine) - size)
    return distance, _inside(_length(x, y) - chance(0.24, 0.34))


def _heart(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    # Two discs; below each disc, the wedge between the axis and the tangent from the tip.
    side, top, radius, tip = 0.43, -0.28, chance(0.46, 0.5), 0.92
    x = np.abs(x)
    reach = math.hypot(side, tip - top)
    along = math.sqrt(reach * reach - radius * radius)
    # Unit vector from the point of tangency to the tip, and the outward normal of the tangent.
    to_x = -(side * along + (tip - top) * radius) / reach**2
    to_y = ((tip - top) * along - side * radius) / reach**2
    outside = to_y * x - to_x * (y - tip)
    wedge = np.maximum(outside, -(to_x * (x - side) + to_y * (y - top)))
    wedge = np.maximum(wedge, top - y)
    return np.minimum(_length(x - side, y - top) - radius, wedge), _shade(y)


def _ring(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    half = chance(0.12, 0.24)
    return np.abs(_length(x, y) - (0.95 - half)) - half, _shade(y)


def _spiral(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    radius, pitch = _length(x, y), chance(0.36, 0.48)
    arm = radius / pitch - _turns(x, y)
    nearest = np.abs(arm - np.floor(arm) - 0.5) * pitch
    return np.maximum(nearest - chance(0.26, 0.32) * pitch, radius - 0.98), _shade(radius - 0.5)


def _star(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    # Fold the plane into a tenth of it: tip at angle 0 from the top, notch at 36 degrees.
    inner = chance(0.4, 0.52)
    x, y = np.abs(x), -y
    for turns in (0.2, 0.1):
        cosine, sine = unit(turns)
        beyond = 2.0 * np.maximum(cosine * x - sine * y, 0.0)
        x, y = np.abs(x - cosine * beyond), y + sine * beyond
    cosine, sine = unit(0.1)
    edge_x, edge_y = inner * sine, inner * cosine - 1.0
    length = math.hypot(edge_x, edge_y)
    return (edge_x * (y - 1.0) - edge_y * x) / length, _shade(y - 0.5)


def _stripes(x: Plane, y: Plane, chance: Chance) -> tuple[Plane, Plane]:
    return _board(x, y, chance), _sharp(_wave(chance(1.6, 3.2) * x))


def _board(x: Plane, y: Plane, chance: Chance) -> Plane:
    half, corner = chance(0.68, 0.8), chance(0.02, 0.4)
    x, y = np.abs(x) - (half - corner), np.abs(y) - (half - corner)
    inside = np.minimum(np.maximum(x, y), 0.0)
    return _length(np.maximum(x, 0.0), np.maximum(y, 0.0)) + inside - corner


def _length(x: Plane, y: Plane) -> Plane:
    length: Plane = np.sqrt(x * x + y * y)
    return length


def _wave(x: Plane) -> Plane:
    """A triangle wave from -1 to 1 with period 1."""
    wave: Plane = 4.0 * np.abs(x - np.floor(x) - 0.5) - 1.0
    return wave


def _sharp(x: Plane) -> Plane:
    return _clip(0.5 + 8.0 * x, 1.0)


def _inside(distance: Plane) -> Plane:
    return _clip(0.5 - 40.0 * distance, 1.0)


def _shade(height: Plane) -> Plane:
    return _clip(0.25 + 0.25 * height, 0.5)


def _clip(x: Plane, high: float) -> Plane:
    return np.minimum(np.maximum(x, 0.0), high)


def _turns(x: Plane, y: Plane) -> Plane:
    """Angle / (2 pi) in [-0.5, 0.5], with an error of at most 1e-4."""
    ax, ay = np.abs(x), np.abs(y)
    t = np.minimum(ax, ay) / np.maximum(np.maximum(ax, ay), 1e-6)
    square = t * t
    turn = t * (0.159029 - square * (0.051103 - square * (0.023223 - square * 0.006149)))
    turn = np.where(ay > ax, 0.25 - turn, turn)
    turn = np.where(x < 0, 0.5 - turn, turn)
    return np.where(y < 0, -turn, turn)


SHAPES: dict[str, Shape] = {
    "ball": _ball,
    "checkerboard": _checkerboard,
    "crescent": _crescent,
    "cross": _cross,
    "flower": _flower,
    "heart": _heart,
    "ring": _ring,
    "spiral": _spiral,
    "star": _star,
    "stripes": _stripes,
}
