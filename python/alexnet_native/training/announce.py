"""What a training is about to do, in a few lines: network, memory, data, every setting."""

from __future__ import annotations

from collections.abc import Iterator

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.net import Net
from alexnet_native.net.places import places
from alexnet_native.recipes import Followed

__all__ = ["announcement"]

_MIB = 2**20


def announcement(
    net: Net, data: Dataset, config: TrainConfig, followed: Followed | None = None
) -> Iterator[str]:
    """The lines that are shown before the first step."""
    plan = net.native.plan(
        -(-config.batch_size // config.accumulate), accumulates=config.accumulate > 1
    )
    memory = sum(
        row["parameter_bytes"] + row["activation_bytes"] + row["reduction_bytes"]
        for row in plan["memory"]
    )
    size = "x".join(map(str, net.input_shape))
    yield (
        f"network: {net.description.name}, {size} to {net.classes} classes, "
        f"{plan['parameters']:,} parameters, on {places(net.devices, net.replicas)}, "
        f"{memory / _MIB:,.0f} MiB"
    )
    height, width, channels = data.train.image_shape
    validation = f"{len(data.val):,}" if data.val is not None else "no"
    yield (
        f"images: {len(data.train):,} for training, {validation} for validation, "
        f"{channels}x{height}x{width}"
    )
    sections: dict[str, list[str]] = {}
    for name, value in config.values().items():
        if value is not None:
            sections.setdefault(SETTINGS[name].section, []).append(f"{name}={_short(value)}")
    for section, settings in sections.items():
        yield f"{section}: {' '.join(settings)}"
    if config.schedule == "plateau" and data.val is None:
        yield "without validation images, the rate falls by the training error"
    if followed:
        yield from followed.lines(config)


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
