"""The settings of a training run: names, help texts, ranges, TOML."""

from __future__ import annotations

from alexnet_native.config.setting import Setting
from alexnet_native.config.toml import parse_assignment, parse_value
from alexnet_native.config.train_config import SETTINGS, TrainConfig

__all__ = ["SETTINGS", "Setting", "TrainConfig", "parse_assignment", "parse_value"]
