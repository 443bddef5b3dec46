"""Training images: random crop, mirror image, mean subtraction and color noise.

Section 4.1 of the paper, and what the 2012 source did where the two differ. The native core draws
the numbers and makes the pixels; this file says what they mean.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alexnet_native import _core
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DataError

__all__ = ["Augmentation", "Augmenter", "ColorAxes", "MeanMode", "Offsets"]

ColorAxes = Literal["sqrt", "eigenvalue"]
MeanMode = Literal["matched", "centre", "none"]
Offsets = Literal["inclusive", "exclusive"]


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied.

    Attributes:
        crop: height and width of the window, at most those of the images.
        mirror: mirror left and right with probability 1/2.
        random_crop: False always takes the central window.
        color_std: standard deviation of the factor alpha of each principal component, one draw
            per image use; 0.1 in the paper, 0 switches color noise off. With one channel there
            is one component, and the noise is a change of brightness.
        color_axes: alpha times the component's standard deviation ("sqrt", what the 2012 source
            ran) or times its eigenvalue ("eigenvalue", the paper's formula). On pixels of 0 to
            255 the latter has a deviation of some 1500 grey levels, so "sqrt" is the default.
        mean: subtract the part of the mean image under the window, mirrored with it ("matched"),
            its central part whatever the window and never mirrored ("centre", the 2012 source),
            or nothing ("none"). Windows of the whole image are always "matched".
        color_divisor: divides training images that got color noise, and no others, so that
            training and test images keep one scale (2012 source: 1.1).
        color_off: finished epochs from which there is no color noise; None: never. The 2012
            source trained its last third without.
        scale: multiplies the finished training image.
        offsets: windows of 224 in 256 start at 0 to 32 ("inclusive", the 2012 source) or 0 to 31
            ("exclusive", the paper's count of 32 * 32 * 2).
        draw_group: images in a row, of the epoch's order, that share one window and one mirroring
            (2012 source: 32). Color noise is always drawn for each image.
    """

    crop: tuple[int, int]
    mirror: bool = True
    random_crop: bool = True
    color_std: float = 0.1
    color_axes: ColorAxes = "sqrt"
    mean: MeanMode = "matched"
    scale: float = 1.0
    offsets: Offsets = "exclusive"
    color_divisor: float = 1.0
    color_off: int | None = None
    draw_group: int = 1


class Augmenter:
    """What the native loader needs for an augmentation of images of one shape: mean and draws.

    Every draw is a function of (seed, epoch, position of the image in the epoch).

    Args:
        image_shape: height, width, channels of the uint8 images.
        statistics: of the training images; None where neither mean nor color noise is asked for.

    Raises:
        DataError: the window does not fit, a word is unknown, statistics are missing or of images
            of another shape.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        image_shape: tuple[int, int, int],
        statistics: Statistics | None,
        *,
        seed: int,
    ) -> None:
        a = augmentation
        _check_words(a)
        check_crop(a.crop, image_shape)
        if statistics is None and (a.mean != "none" or a.color_std != 0):
            raise DataError("mean subtraction and color noise need the statistics of the images")
        if statistics is not None and statistics.image_shape != image_shape:
            raise DataError(
                f"the statistics are of images of {_size(statistics.image_shape)}, the images are "
                f"{_size(image_shape)}; compute the statistics of this data set"
            )
        self.mean = None if statistics is None else mean_for(statistics, a.crop, a.mean)
        self.draws = _core.ImageDraws(
            seed=seed,
            channels=image_shape[2],
            mirror=a.mirror,
            group=a.draw_group,
            axes=None if a.color_std == 0 or statistics is None else color_axes(statistics, a),
            color_epochs=sys.maxsize if a.color_off is None else a.color_off,
            scale=a.scale,
            color_scale=a.scale / a.color_divisor,
            **_windows(a, image_shape),
        )

    def draw(
        self, count: int, *, epoch: int, first: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float32] | None]:
        """Window offsets (n, 2) as y, x; mirror flags (n,); color shifts (n, C) or None."""
        return self.draws.draw(epoch=epoch, first=first, count=count)


def _windows(a: Augmentation, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, int]]:
    """The window's size, how many places it is drawn from, and the first of them."""
    spare = [image_shape[axis] - a.crop[axis] for axis in (0, 1)]
    if not a.random_crop:
        return {"crop": a.crop, "places": (1, 1), "first": (spare[0] // 2, spare[1] // 2)}
    extra = 1 if a.offsets == "inclusive" else 0
    places = (max(spare[0] + extra, 1), max(spare[1] + extra, 1))
    return {"crop": a.crop, "places": places, "first": (0, 0)}


def color_axes(statistics: Statistics, augmentation: Augmentation) -> NDArray[np.float64]:
    """(C, C): row i is what a standard normal draw for component i is multiplied with."""
    std = statistics.pca_std.astype(np.float64)
    length = std if augmentation.color_axes == "sqrt" else std**2
    return augmentation.color_std * length[:, np.newaxis] * statistics.pca_vectors


def mean_for(
    statistics: Statistics, crop: tuple[int, int], mode: MeanMode
) -> NDArray[np.float32] | None:
    """The mean as the native core takes it: (C, H, W) matched, (C, h, w) for all windows."""
    if mode == "none":
        return None
    if mode == "matched":
        return statistics.mean
    height, width, _ = statistics.image_shape
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    return np.ascontiguousarray(statistics.mean[:, top : top + crop[0], left : left + crop[1]])


def check_crop(crop: tuple[int, int], image_shape: tuple[int, int, int]) -> None:
    """Raises DataError if a window of `crop` does not fit into the images."""
    height, width, _ = image_shape
    if not (0 < crop[0] <= height and 0 < crop[1] <= width):
        raise DataError(
            f"the network takes {crop[0]} x {crop[1]} pixels, the images have {height} x {width}; "
            "use larger images or a network for this size"
        )


def _check_words(a: Augmentation) -> None:
    for field, value, known in (
        ("color_axes", a.color_axes, ("sqrt", "eigenvalue")),
        ("mean", a.mean, ("matched", "centre", "none")),
        ("offsets", a.offsets, ("inclusive", "exclusive")),
    ):
        if value not in known:
            raise DataError(f'{field} is "{value}"; it can be {" or ".join(known)}.')
    if not (np.isfinite(a.color_std) and a.color_std >= 0):
        raise DataError(f"color_std is {a.color_std}; it must be 0 or more")
    if a.draw_group < 1:
        raise DataError(f"draw_group is {a.draw_group}; it must be 1 or more")


def _size(shape: tuple[int, int, int]) -> str:
    return " x ".join(str(n) for n in shape)
