"""How training images are varied: section 4.1 of the paper, and what the 2012 source did."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from alexnet_native.config.setting import check, setting

__all__ = ["Augmentation", "ColorAxes", "MeanMode", "Offsets"]

ColorAxes = Literal["sqrt", "eigenvalue"]
MeanMode = Literal["matched", "centre", "none"]
Offsets = Literal["inclusive", "exclusive"]


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied. Raises ConfigError where a value is out of range.

    Attributes:
        crop: height and width of the window, at most those of the images.
        random_crop: False always takes the central window.
        mirror: mirror left and right with probability 1/2.
        offsets: windows of 224 in 256 start at 0 to 32 ("inclusive", the 2012 source) or 0 to 31
            ("exclusive", the paper's count of 32 * 32 * 2).
        draw_group: consecutive images of the epoch's order that share one window and one mirroring
            (2012 source: 32). Color noise is always drawn for each image.
        mean: subtract the part of the mean image under the window, mirrored with it ("matched"),
            its central part whatever the window and never mirrored ("centre", the 2012 source),
            or nothing ("none"). Windows of the whole image are always "matched".
        scale: multiplies the finished training image.
        color_divisor: divides training images that got color noise, and no others, so that
            training and test images keep one scale (2012 source: 1.1).
        color_std: standard deviation of the factor alpha of each principal component, one draw
            for each use of an image; 0.1 in the paper, 0 switches color noise off. With one
            channel there is one component, and the noise is a change of brightness.
        color_axes: alpha times the component's standard deviation ("sqrt", what the 2012 source
            ran) or times its eigenvalue ("eigenvalue", the paper's formula). On pixels of 0 to
            255 the latter has a deviation of some 1500 grey levels, so "sqrt" is the default.
        color_off: number of finished epochs after which there is no color noise; None: never. The
            2012 source trained its last third without.
    """

    crop: tuple[int, int] = setting(
        (224, 224), "data", "the part of a picture that the net sees, as 224 or 224x200", "size"
    )
    random_crop: bool = setting(True, "data", "training crops at random places", "flag")
    mirror: bool = setting(True, "data", "training pictures mirrored at random", "flag")
    offsets: Offsets = setting(
        "exclusive",
        "data",
        "crop offsets below the margin as the paper counts, or up to it as its source drew",
        choices=("exclusive", "inclusive"),
    )
    draw_group: int = setting(
        1, "data",
        "pictures in a row that share one crop place and one mirroring (2012 source: 32)", "whole",
        minimum=1,
    )  # fmt: skip
    mean: MeanMode = setting(
        "matched",
        "data",
        "mean image subtracted at the crop's place, at the centre, or not at all",
        choices=("matched", "centre", "none"),
    )
    scale: float = setting(1.0, "data", "factor of the pixels (0..255)", "number", above=0)
    color_divisor: float = setting(
        1.0, "data", "training pixels with color noise are divided by it (2012 source: 1.1)",
        "number", above=0,
    )  # fmt: skip
    color_std: float = setting(
        0.1, "data", "deviation of the color noise's coefficients; 0: none", "number", minimum=0
    )
    color_axes: ColorAxes = setting(
        "sqrt",
        "data",
        "length of the color axes: the root of the eigenvalue (2012 source) or itself",
        choices=("sqrt", "eigenvalue"),
    )
    color_off: int | None = setting(
        None, "data", "epochs done from which there is no color noise; left out: never", "whole",
        minimum=0, optional=True, on_resume=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        for field in fields(self):
            check(field.name, field.metadata["setting"], getattr(self, field.name))
