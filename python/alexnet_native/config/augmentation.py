"""The random changes of training images: section 4.1 of the paper, and the 2012 source."""

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
    """The random changes applied to training images.

    Attributes:
        crop: height and width of the crop, at most those of the images.
        random_crop: whether crops are at random positions; if False, at the centre.
        mirror: whether to mirror left and right with probability 1/2.
        offsets: range of crop offsets. For crops of 224 from 256, "inclusive" is 0 to 32 (the 2012
            source) and "exclusive" is 0 to 31 (the paper counts 32 * 32 * 2 crops).
        draw_group: number of consecutive images that share crop position and mirroring (2012
            source: 32). Color noise is always drawn for each image.
        mean: what is subtracted: the part of the mean image under the crop, mirrored with it
            ("matched"), the central part of the mean image for every crop, never mirrored
            ("centre", the 2012 source), or nothing ("none"). If the crop is the whole image,
            "centre" has the effect of "matched".
        scale: factor of the finished training image.
        color_divisor: divisor of training images with color noise, so that training and test
            images have the same scale (2012 source: 1.1).
        color_std: standard deviation of the factor alpha of each principal component, drawn each
            time an image is used. The paper has 0.1; 0 switches color noise off. Images with one
            channel have one component, and the noise changes the brightness.
        color_axes: alpha multiplies the standard deviation of the component ("sqrt", the 2012
            source) or its eigenvalue ("eigenvalue", the paper's formula). For pixels of 0 to 255
            the noise of the latter would have a standard deviation of about 1500 grey levels.
        color_off: number of epochs after which color noise is switched off; None: never. The 2012
            source trained the last third without it.

    Raises:
        ConfigError: a value is out of range.
    """

    crop: tuple[int, int] = setting(
        (224, 224), "data", "height and width of the network's input, e.g. 224 or 224x200", "size",
        shown_default="from the network",
    )  # fmt: skip
    random_crop: bool = setting(
        True, "data", "crop training images at random positions, instead of at the centre", "flag",
        shown_default="from the network",
    )  # fmt: skip
    mirror: bool = setting(
        True, "data", "mirror training images with probability 1/2", "flag",
        shown_default="from the network",
    )  # fmt: skip
    offsets: Offsets = setting(
        "exclusive", "data",
        "range of crop offsets, for crops of 224 from 256: exclusive = 0..31 (paper), inclusive = "
        "0..32 (2012 source)",
        choices=("exclusive", "inclusive"), shown_default="from the network",
    )  # fmt: skip
    draw_group: int = setting(
        1, "data",
        "number of consecutive images that share crop position and mirroring (2012 source: 32)",
        "integer", minimum=1,
    )  # fmt: skip
    mean: MeanMode = setting(
        "matched", "data",
        "mean image to subtract: matched = the part under the crop, centre = its central part for "
        "every crop (2012 source), none",
        choices=("matched", "centre", "none"), shown_default="from the network",
    )  # fmt: skip
    scale: float = setting(
        1.0, "data", "factor that pixels (0..255) are multiplied by after the mean is subtracted",
        "number", above=0, shown_default="from the network; 1/64 with few images",
    )  # fmt: skip
    color_divisor: float = setting(
        1.0, "data", "divisor of training images with color noise (2012 source: 1.1)", "number",
        above=0, shown_default="from the network",
    )  # fmt: skip
    color_std: float = setting(
        0.1, "data", "standard deviation of the color noise's coefficients; 0 = no color noise",
        "number", minimum=0, shown_default="from the network",
    )  # fmt: skip
    color_axes: ColorAxes = setting(
        "sqrt", "data",
        "length of the color noise's axes: sqrt = square root of the eigenvalue (2012 source), "
        "eigenvalue (paper)",
        choices=("sqrt", "eigenvalue"), shown_default="from the network",
    )  # fmt: skip
    color_off: int | None = setting(
        None, "data", "number of epochs after which color noise is switched off", "integer",
        minimum=0, optional=True, on_resume=True, shown_default="never",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for field in fields(self):
            check(field.name, field.metadata["setting"], getattr(self, field.name))
