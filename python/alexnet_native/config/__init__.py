"""The settings of a training run: names, help texts, ranges, TOML."""

from __future__ import annotations

from alexnet_native.config.setting import Setting
from alexnet_native.config.train_config import (
    SETTINGS,
    TrainConfig,
    parse_assignment,
    parse_value,
)

__all__ = ["SETTINGS", "Setting", "TrainConfig", "parse_assignment", "parse_value"]
