"""Default settings of a run, which depend on the network and the data."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.errors import ConfigError
from alexnet_native.models import NAMES, Description, describe

__all__ = ["DEMO", "FEW", "choose_network", "quick_start", "resolve"]

# With few images and the paper's initial weights (standard deviation 0.01, biases of 1) the error
# stays at chance level for very long. With pixels scaled to values near 1, He's initial weights and
# smaller batches, it falls in the first hundred steps. These settings are printed in the banner.
FEW: dict[str, Any] = {"init": "he", "scale": 1 / 64, "batch_size": 16}
FEW_IMAGES = 20_000  # with fewer images, named networks with the paper's initial weights use FEW

# Settings for the demo images: an error far below chance in a few minutes on two cores.
DEMO: dict[str, Any] = {
    **FEW,
    "epochs": 3,
    "schedule": "step@2",
    "schedule_factor": 0.2,
    "color_std": 0.0,
    "log_every": 10,
    "keep": 1,
}

_LARGE = 64  # pixels of the shorter side; from this size on `alexnet` is the default network


def choose_network(given: Mapping[str, Any], data: Dataset) -> Description:
    """Returns the network in the settings, or the default for the data.

    Its input has the size `crop`, if given. Otherwise, an input larger than the images is reduced
    to their size.

    Raises:
        ModelError: there is no such network.
        ConfigError: `classes` is less than the number of classes in the data.
    """
    height, width, channels = data.train.image_shape
    name = given.get("net") or ("alexnet" if min(height, width) >= _LARGE else "cifar10-quick")
    classes = given.get("classes") or len(data.classes)
    if classes < len(data.classes):
        raise ConfigError(
            f"classes is {classes}, but {data.name} has {len(data.classes)} classes; omit the "
            f"setting or give at least {len(data.classes)}"
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
    """Returns settings for a quick start on few images, or {} if the network does not need them.

    They apply to named networks only: a network from a file is trained as the file says.
    """
    named = given.get("net", network.name) in NAMES
    large = min(network.input_shape[1:]) >= _LARGE
    scaled = network.default_config["scale"] != 1.0  # its weights already fit inputs near 1
    if not named or not large or scaled or len(data.train) >= FEW_IMAGES:
        return {}
    return DEMO if data.name == "demo" else FEW


def resolve(
    given: Mapping[str, Any],
    network: Description,
    data: Dataset,
    start: Mapping[str, Any] | None = None,
) -> TrainConfig:
    """Returns all settings: from `given`, then `start`, then the network's default configuration.

    Raises:
        ConfigError: a setting is unknown or out of range.
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
        near = difflib.get_close_matches(unknown[0], SETTINGS, n=1)
        known = f"did you mean {near[0]}?" if near else f"the settings are {', '.join(SETTINGS)}"
        raise ConfigError(f"there is no setting {unknown[0]}; {known}")
    return TrainConfig(**values)
