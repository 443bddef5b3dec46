"""The loader of a training: augmentation from the settings, position from the state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alexnet_native._core import available_threads
from alexnet_native.config import TrainConfig
from alexnet_native.data import Source
from alexnet_native.data.augment import Augmentation, mean_for
from alexnet_native.data.batches import Position
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.statistics import Statistics
from alexnet_native.net import Net
from alexnet_native.training.state import RunState

__all__ = ["make_loader"]


def make_loader(
    net: Net, source: Source, statistics: Statistics, config: TrainConfig, state: RunState
) -> TrainLoader:
    """Starts the loader at the place where the training stands.

    Where the device augments, the network is given the mean.

    Raises:
        DataError: a setting does not fit the images.
    """
    words: dict[str, Any] = {
        name: getattr(config, name)
        for name in (
            "crop",
            "mirror",
            "random_crop",
            "color_std",
            "color_axes",
            "color_divisor",
            "color_off",
            "mean",
            "scale",
            "offsets",
            "draw_group",
        )
    }
    if config.augment == "device":
        net.native.set_mean(mean_for(statistics, config.crop, words["mean"]))
    over = state.offset >= len(source)
    return TrainLoader(
        source,
        batch_size=config.batch_size,
        augmentation=Augmentation(**words),
        statistics=statistics,
        seed=config.seed,
        position=Position(state.epoch + 1, 0) if over else Position(state.epoch, state.offset),
        threads=config.loader_threads or _threads(config.devices),
        device=next((n for n in config.devices if n.startswith("cuda")), config.devices[0]),
        on_device=config.augment == "device",
    )


def _threads(devices: Sequence[str]) -> int:
    """A training on the CPU takes far longer than its loader, and needs the processors itself."""
    return 1 if any(name.startswith("cpu") for name in devices) else available_threads()
