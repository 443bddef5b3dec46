"""What a training is about to do, in at most ten lines; all of its settings only on request."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.net import Net
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.plan import TrainingPlan
from alexnet_native.training.rate_words import learning_rate
from alexnet_native.training.warm_start import Taken

__all__ = ["announcement", "every_setting"]

WIDTH = 100
_MIB = 2**20


def announcement(
    net: Net,
    data: Dataset,
    config: TrainConfig,
    followed: FollowedRecipe | None = None,
    *,
    taken: Taken | None = None,
    note: str = "",
    out: Path | str | None = None,
    resumed: bool = False,
) -> Iterator[str]:
    """The lines that are shown before the first step, at most nine: one more says what is read.

    Args:
        taken: what the network took from another checkpoint.
        note: what was chosen for few images, or "".
        out: the run's folder, or what is said in its place; None: not mentioned.
        resumed: the network is that of a checkpoint of this training.
    """
    if taken:
        yield taken.in_a_line()
    yield _network(net, config)
    yield _devices(net, config)
    yield _data(data)
    yield f"images: {_images(data, config)}"
    yield f"training: {_length(net, data, config, resumed)}"
    yield f"learning rate: {learning_rate(config, validated=data.val is not None, width=WIDTH)}"
    if followed:
        yield _recipe(followed, config)
    # The advice on initial weights does not fit a training that takes them from a checkpoint.
    if note and not (taken and followed):
        yield note
    if out is not None:
        yield f"output: {out}" + (" (all settings: config.toml)" if isinstance(out, Path) else "")


def every_setting(
    config: TrainConfig, followed: FollowedRecipe | None = None, taken: Taken | None = None
) -> Iterator[str]:
    """A line for each section of the settings, then all of what is shortened above."""
    sections: dict[str, list[str]] = {}
    for name, value in config.values().items():
        if value is not None:
            sections.setdefault(SETTINGS[name].section, []).append(f"{name}={_short(value)}")
    for section, settings in sections.items():
        yield f"{section}: {' '.join(settings)}"
    if followed:
        yield from followed.lines(config)
    if taken:
        yield from taken.lines


def _network(net: Net, config: TrainConfig) -> str:
    parameters = net.native.plan(1, False)["parameters"]
    text = (
        f"network: {net.description.name}, {_times(*net.input_shape)} to {net.classes} classes, "
        f"{parameters:,} parameters"
    )
    if net.precision != "fp32":
        text += f", {net.precision}"
    return text + (", He initial weights" if config.init == "he" else "")


def _devices(net: Net, config: TrainConfig) -> str:
    """ "devices: cpu:0 and cpu:1, one tower each, 1,234 MiB needed in total"."""
    plan = net.native.plan(
        -(-config.batch_size // config.accumulate), accumulates=config.accumulate > 1
    )
    memory = sum(
        row["parameter_bytes"] + row["activation_bytes"] + row["reduction_bytes"]
        for row in plan["memory"]
    )
    size = f"{memory / _MIB:,.0f} MiB"
    if len(net.devices) == 1:
        return f"device: {net.devices[0]}, {size} needed"
    towers = len(net.devices) // net.replicas
    roles = {
        (False, True): "one tower each",
        (True, False): f"{net.replicas} replicas",
        (True, True): f"{net.replicas} replicas of {towers} towers",
    }
    role = roles[net.replicas > 1, towers > 1]
    return f"devices: {_and(net.devices)}, {role}, {size} needed in total"


def _data(data: Dataset) -> str:
    height, width, _ = data.train.image_shape
    validation = f"{len(data.val):,}" if data.val is not None else "no"
    return (
        f"data: {Path(data.name).name}, {_count(len(data.classes), 'class', 'classes')}, "
        f"{len(data.train):,} training and {validation} validation images of "
        f"{_times(height, width)}"
    )


def _images(data: Dataset, config: TrainConfig) -> str:
    """Crop and augmentation."""
    crop = _times(*config.crop)
    varied = []
    if config.crop == data.train.image_shape[:2]:
        varied.append("whole images")
    elif config.random_crop:
        varied.append(f"random {crop} crops")
    else:
        varied.append(f"central {crop} crops")
    if config.mirror:
        varied.append("half mirrored")
    if config.draw_group > 1 and (config.mirror or varied[0].startswith("random")):
        varied[-1] += f" (in groups of {config.draw_group})"
    if config.color_std and config.color_off != 0:
        until = "" if config.color_off is None else f" for {_epochs(config.color_off)}"
        varied.append(f"PCA color noise {config.color_std:g}{until}")
    if len(varied) == 1 and not varied[0].startswith("random"):
        varied.append("no augmentation")
    if config.mean == "none":
        varied.append("no mean subtracted")
    if config.scale != 1:
        varied.append(f"pixels {_factor(config.scale)}")
    if config.augment == "device":
        varied.append("computed on the device")
    return ", ".join(varied)


def _length(net: Net, data: Dataset, config: TrainConfig, resumed: bool) -> str:
    plan = TrainingPlan(net, data, config)
    every = plan.epoch_steps * config.epochs
    images = min(config.batch_size, len(data.train))
    steps = f"{_count(plan.all_steps, 'step')} of {_count(images, 'image')}"
    if plan.all_steps < every:
        text = f"{steps} ({plan.all_steps / plan.epoch_steps:.3g} of {_epochs(config.epochs)})"
    else:
        text = f"{_epochs(config.epochs)}, {steps}"
    if config.accumulate > 1:
        text += f", computed in {config.accumulate} parts"
        if net.native.state_names():
            text += " with batch statistics of their own"
    return text + (f"; resumed at step {net.step:,}" if resumed else "")


def _recipe(followed: FollowedRecipe, config: TrainConfig) -> str:
    """The recipe and its deviations: whole if there is room, else as many of their names as fit."""
    found = followed.deviations(config)
    recipe = Path(followed.recipe.name).name
    if not found:
        return f"recipe: {recipe}, no deviations"
    count = _count(len(found), "deviation")
    head = f"recipe: {recipe}, with {count}: "
    names = [deviation.name.rpartition(".")[2] for deviation in found]
    whole = head + "; ".join(
        f"{name} {_short(deviation.value)} instead of {_short(deviation.wanted)}"
        for name, deviation in zip(names, found, strict=True)
    )
    if len(whole) <= WIDTH:
        return whole
    for kept in range(len(names), 0, -1):
        rest = len(names) - kept
        text = (
            head + ", ".join(names[:kept]) + (f" and {rest} more (see --verbose)" if rest else "")
        )
        if len(text) <= WIDTH:
            break
    return text


def _factor(scale: float) -> str:
    """ "divided by 64", or "multiplied by 0.3"."""
    divisor = 1 / scale
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=1e-6):
        return f"divided by {round(divisor)}"
    return f"multiplied by {scale:g}"


def _epochs(count: int) -> str:
    return _count(count, "epoch")


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _times(*sides: int) -> str:
    return "x".join(map(str, sides))


def _and(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _short(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
