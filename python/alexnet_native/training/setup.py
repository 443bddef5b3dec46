"""What a training works with: data, network and settings that fit together, new or of a checkpoint.

Nothing is written here, and no picture is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset, open_data
from alexnet_native.data.augment import check_crop
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.models.hints import Hints
from alexnet_native.net import Net
from alexnet_native.recipes import FollowedRecipe, Recipe, follow
from alexnet_native.training import checkpoint
from alexnet_native.training.checkpoint import Checkpoint
from alexnet_native.training.defaults import choose_network, quick_start, resolve
from alexnet_native.training.initial import with_he_weights
from alexnet_native.training.rates import Rates
from alexnet_native.training.schedule import make_schedule
from alexnet_native.training.state import RunState

__all__ = ["Resumed", "Setup", "class_names", "reopen", "set_up"]


@dataclass(frozen=True)
class Setup:
    """Parts of a training that fit together.

    Attributes:
        note: what was chosen for few images, or "".
    """

    net: Net
    data: Dataset
    config: TrainConfig
    followed: FollowedRecipe | None
    note: str = ""


@dataclass(frozen=True)
class Resumed:
    """A training as a checkpoint left it."""

    setup: Setup
    saved: Checkpoint
    state: RunState


def set_up(given: Mapping[str, Any], recipe: Recipe | None = None) -> Setup:
    """Opens the data, chooses and builds the network, and resolves all settings.

    Args:
        given: settings, by the names of `TrainConfig`; the others have defaults.
        recipe: its settings come after the given ones, and before the network's and the data's.

    Raises:
        UserError: a setting, the data or the network cannot be used.
    """
    given = {**(recipe.values if recipe else {}), **given}
    spec = str(given.get("data", "demo"))
    data = open_data(spec)
    network = choose_network(given, data)
    names = {"net": given.get("net", network.name), "data": _lasting(spec)}
    few = quick_start(given, network, data)
    start = {} if recipe else few
    if given.get("init_from"):
        first = checkpoint.load(given["init_from"])
        names["init_from"] = str(first.path.absolute())
        scale = {"scale": first.preprocess.scale} if first.preprocess else {}
        start = {name: value for name, value in {**start, **scale}.items() if name != "init"}
    config = resolve({**given, **names}, network, data, start)
    check_crop(config.crop, data.train.image_shape)
    net = Net(
        with_he_weights(network) if config.init == "he" else network,
        devices=config.devices,
        seed=config.seed,
        precision=config.precision,
        threads=config.threads,
        replicas=config.replicas,
        communicator=config.communicator,
    )
    net.class_names = class_names(config, data)
    _check_rates(net, config)
    note = _of_few_images(few, start, given, network.hints) if few else ""
    return Setup(net, data, config, follow(recipe, network.name) if recipe else None, note)


def reopen(path: str | Path, given: Mapping[str, Any], data: Dataset | None = None) -> Resumed:
    """The training that wrote a checkpoint, with its network as it was.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
        given: settings to change from here on; only those that `Setting.on_resume` allows.
        data: the data set, where its settings cannot name it (arrays).

    Raises:
        UserError: the checkpoint, a setting or the data cannot be used.
    """
    saved = checkpoint.load(path)
    if not saved.config:
        raise CheckpointError(
            f"{saved.path} holds a network but no training to resume; it was saved from Python"
        )
    before = TrainConfig.from_toml(saved.config, str(saved.path))
    if "data" in given:
        given = {**given, "data": _lasting(str(given["data"]))}
    config = _changed(before, given)
    state = RunState.from_json(saved.progress)
    data = open_data(config.data if data is None else data)
    if len(data.train) != state.train_images or class_names(config, data) != saved.class_names:
        raise ConfigError(
            f"{config.data} is not the data that {saved.path} was trained on: it has "
            f"{len(data.train)} training images of {len(data.classes)} classes, then there were "
            f"{state.train_images} of {len(saved.class_names or ())}; name the same with --data"
        )
    net = Net(
        saved.description,
        devices=config.devices,
        seed=saved.seed,
        precision=saved.precision,
        threads=config.threads,
        replicas=config.replicas,
        communicator=config.communicator,
    )
    checkpoint.restore(net, saved)
    _check_rates(net, config)
    return Resumed(Setup(net, data, config, saved.followed), saved, state)


def _check_rates(net: Net, config: TrainConfig) -> None:
    """Raises ConfigError for a schedule, a rate or a frozen layer that does not exist."""
    make_schedule(config)
    Rates(net, config)


def _changed(before: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    values = before.values()
    for name, value in given.items():
        if name not in SETTINGS:
            raise ConfigError(f"there is no setting {name}")
        if value != values[name] and not SETTINGS[name].on_resume:
            free = ", ".join(known for known, setting in SETTINGS.items() if setting.on_resume)
            raise ConfigError(
                f"{name} was {values[name]} when this training began and cannot become {value} on "
                f"resuming; what may change: {free}"
            )
        values[name] = value
    return TrainConfig(**values)


def _lasting(spec: str) -> str:
    """A name of the data that is understood from any working folder."""
    path = Path(spec).expanduser()
    return str(path.absolute()) if path.exists() else spec


def class_names(config: TrainConfig, data: Dataset) -> tuple[str, ...]:
    spare = range(len(data.classes), config.classes)
    return (*data.classes, *(f"class {index}" for index in spare))


def _of_few_images(
    few: Mapping[str, Any], start: Mapping[str, Any], given: Mapping[str, Any], own: Hints
) -> str:
    """What was chosen for few images and how to undo it, or how to choose it; "": nothing."""
    names = [name for name in ("init", "scale", "batch_size") if name not in given]
    if not start:  # a recipe stays as it is
        if given.get("init") == "he":
            return ""
        return (
            "few images: the recipe is kept; for a quicker start: --init he "
            f"--scale {few['scale']:g} --batch-size {few['batch_size']}"
        )
    undo = {"init": "own", "scale": "1", "batch_size": str(own.batch_size)}
    options = [f"--{name.replace('_', '-')} {undo[name]}" for name in names if name in start]
    if not options:
        return ""
    return f"few images: quick start; for the network's own start: {' '.join(options)}"
