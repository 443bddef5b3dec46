"""The loader of a training: augmentation from the settings, position from the state."""

from __future__ import annotations

from typing import Any

from alexnet_native.config import TrainConfig
from alexnet_native.data import Source
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import Position, TrainLoader
from alexnet_native.data.statistics import Statistics
from alexnet_native.training.state import RunState

__all__ = ["make_loader"]


def make_loader(
    source: Source, statistics: Statistics, config: TrainConfig, state: RunState
) -> TrainLoader:
    """Starts the loader at the place where the training stands.

    Raises:
        DataError: a setting does not fit the images.
    """
    words: dict[str, Any] = {
        name: getattr(config, name)
        for name in (
            "crop",
            "mirror",
            "random_crop",
            "colour_std",
            "colour_axes",
            "colour_divisor",
            "colour_off",
            "mean",
            "scale",
            "offsets",
        )
    }
    over = state.offset >= len(source)
    return TrainLoader(
        source,
        batch_size=config.batch_size,
        augmentation=Augmentation(**words),
        statistics=statistics,
        seed=config.seed,
        position=Position(state.epoch + 1, 0) if over else Position(state.epoch, state.offset),
    )
