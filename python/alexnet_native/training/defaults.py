"""The settings that are not given: from the network's default configuration and the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.errors import ConfigError
from alexnet_native.models import NAMES, Description, describe

__all__ = ["DEMO", "FEW", "choose_network", "quick_start", "resolve"]

# With few images the paper's start (deviations of 0.01, biases of 1) does not leave the level of
# guessing in any time that one would wait for. Pixels near 1, He's weights and more updates an
# epoch let learning begin in the first hundred steps. All of it is printed at the start.
FEW: dict[str, Any] = {"init": "he", "scale": 1 / 64, "batch_size": 16}
FEW_IMAGES = 20_000  # below which the named networks with the paper's start take it

# The drawn pictures: far below chance in a few minutes on two cores.
DEMO: dict[str, Any] = {
    **FEW,
    "epochs": 3,
    "schedule": "step@2",
    "schedule_factor": 0.2,
    "color_std": 0.0,
    "log_every": 10,
    "keep": 1,
}

_PICTURE = 64  # pixels of the shorter side, from which on `alexnet` is the default network


def choose_network(given: Mapping[str, Any], data: Dataset) -> Description:
    """The network that the settings name, or the usual one for the data, cut to its pictures.

    Raises:
        ModelError: there is no such network.
        ConfigError: fewer classes are given than the data has.
    """
    height, width, channels = data.train.image_shape
    name = given.get("net") or ("alexnet" if min(height, width) >= _PICTURE else "cifar10-quick")
    classes = given.get("classes") or len(data.classes)
    if classes < len(data.classes):
        raise ConfigError(
            f"classes is {classes}, but {data.name} has {len(data.classes)}; leave it out, or give "
            "at least as many"
        )
    options = {"activation": given["activation"]} if given.get("activation") else {}
    description = describe(name, classes=classes, **options)
    _, *size = description.input_shape
    if size[0] > height or size[1] > width:
        size = [height, width]
    crop_height, crop_width = given.get("crop") or size
    if engine := given.get("engine"):
        description = description.with_engine(engine)
    return description.with_input((channels, crop_height, crop_width))


def quick_start(given: Mapping[str, Any], network: Description, data: Dataset) -> dict[str, Any]:
    """Settings for a quick start where the network's own would take too long.

    A network from a file starts as the file says.
    """
    named = given.get("net", network.name) in NAMES
    large = min(network.input_shape[1:]) >= _PICTURE
    scaled = network.default_config["scale"] != 1.0  # to inputs near 1, with weights that fit them
    if not named or not large or scaled or len(data.train) >= FEW_IMAGES:
        return {}
    return DEMO if data.name == "demo" else FEW


def resolve(
    given: Mapping[str, Any],
    network: Description,
    data: Dataset,
    start: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """All settings: the given ones, then `start`, then the network's default configuration.

    Raises:
        ConfigError: a given setting is unknown or out of range.
    """
    _, height, width = network.input_shape
    found = {
        "net": network.name,
        "classes": network.classes,
        "crop": (height, width),
        "data": data.name,
    }
    values = {**network.default_config, **(start or {}), **found, **given}
    unknown = [name for name in values if name not in SETTINGS]
    if unknown:
        raise ConfigError(f"there is no setting {unknown[0]}; there are {', '.join(SETTINGS)}")
    return TrainConfig(**values)
