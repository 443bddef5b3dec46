"""The default settings of a network, as its authors trained it; a run's settings override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alexnet_native.config import TrainConfig
from alexnet_native.errors import ConfigError, ModelError
from alexnet_native.renamed import current_name

__all__ = ["default_config", "read_table", "to_table"]

# The other settings follow from the description: the crop is the height and width of the input,
# dropout is a layer, and layers have multipliers of the learning rate (``weight_lr``, ``bias_lr``)
# and their own decay.
_NAMES = (
    "lr", "batch_size", "momentum", "weight_decay", "epochs", "schedule", "random_crop", "mirror",
    "offsets", "mean", "scale", "color_std", "color_axes", "color_divisor",
)  # fmt: skip
_PAPER = TrainConfig(schedule="plateau")  # Krizhevsky et al. (2012), section 5


def default_config(**changes: Any) -> dict[str, Any]:
    """The settings that a network determines, by their names in ``TrainConfig``.

    Args:
        changes: the settings that differ from the paper's.

    Raises:
        ConfigError: a value is out of range.
        ModelError: a name is not a setting that a network determines.
    """
    for name in changes:
        if name not in _NAMES:
            raise ModelError(f"{name!r} is not a setting; the settings are {', '.join(_NAMES)}")
    config = TrainConfig(**{"schedule": _PAPER.schedule, **changes})
    return {name: getattr(config, name) for name in _NAMES}


def to_table(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from the paper's, for a TOML table."""
    return {name: value for name, value in values.items() if value != getattr(_PAPER, name)}


def read_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the default settings from the table [training] of a network's TOML file.

    Raises:
        ModelError: a setting is unknown, or a value has the wrong type or is out of range.
    """
    try:
        return default_config(
            **{current_name(name, "[training]"): value for name, value in table.items()}
        )
    except (ConfigError, ModelError) as error:
        raise ModelError(f"[training]: {error}") from error
