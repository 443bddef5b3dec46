"""Builds a run from settings: a new one, a resumed one, or one for an existing network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_native import checkpoint, log
from alexnet_native.checkpoint import Checkpoint
from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset, open_data
from alexnet_native.data.augment import check_crop
from alexnet_native.data.classes import classes_without_images, same_classes
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.net import BaseNet
from alexnet_native.net.kaiming import with_kaiming_weights
from alexnet_native.paths import expand
from alexnet_native.recipes import FollowedRecipe, Recipe, follow
from alexnet_native.training.banner import banner, every_setting
from alexnet_native.training.defaults import choose_network, quick_start, resolve
from alexnet_native.training.progress import Reporter, Silent, reporter
from alexnet_native.training.run_folder import RunFolder, RunState, lock
from alexnet_native.training.schedule import ParameterGroups, make_schedule
from alexnet_native.training.trainer import Outcome, Run, Trainer

__all__ = [
    "Resumed",
    "Setup",
    "begin",
    "class_names",
    "fit",
    "prepare",
    "reopen",
    "resume",
    "run_path",
    "set_up",
]

_NET_SETTINGS = (  # fixed when a Net is created
    "net", "classes", "activation", "engine", "init", "precision", "devices", "crop", "data",
)  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """The network, data and settings of a run, checked against each other.

    Attributes:
        followed: the recipe of the run.
        note: about settings chosen for few images, or "".
    """

    net: BaseNet
    data: Dataset
    config: TrainConfig
    followed: FollowedRecipe | None
    note: str = ""


@dataclass(frozen=True)
class Resumed:
    """A run restored from a checkpoint."""

    setup: Setup
    saved: Checkpoint
    state: RunState


def set_up(given: Mapping[str, Any], recipe: Recipe | None = None) -> Setup:
    """Opens the data, chooses and builds the network, and resolves all settings.

    Args:
        given: settings, by the names of `TrainConfig`; the others have defaults.
        recipe: its settings are overridden by `given`, and override the defaults.

    Raises:
        UserError: a setting, the data or the network is invalid.
    """
    given = {**(recipe.values if recipe else {}), **given}
    spec = str(given.get("data", "demo"))
    data = open_data(spec)
    network = choose_network(given, data)
    names = {"net": given.get("net", network.name), "data": _absolute(spec)}
    few = quick_start(given, network, data)
    start = {} if recipe else few
    if given.get("init_from"):
        first = checkpoint.load(given["init_from"])
        names["init_from"] = str(first.path.absolute())
        scale = {"scale": first.preprocess.scale} if first.preprocess else {}
        start = {name: value for name, value in {**start, **scale}.items() if name != "init"}
    config = resolve({**given, **names}, network, data, start)
    check_crop(config.crop, data.train.image_shape)
    net = BaseNet(
        with_kaiming_weights(network) if config.init == "he" else network,
        devices=config.devices,
        seed=config.seed,
        precision=config.precision,
        threads=config.threads,
        replicas=config.replicas,
        communicator=config.communicator,
    )
    net.class_names = class_names(config, data)
    _check_rates(net, config)
    note = _few_images_note(few, start, given, network.default_config) if few else ""
    return Setup(net, data, config, follow(recipe, network.name) if recipe else None, note)


def reopen(path: str | Path, given: Mapping[str, Any], data: Dataset | None = None) -> Resumed:
    """Restores the run that wrote a checkpoint.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
        given: settings to change; only those with `Setting.on_resume`.
        data: the data set (default: the one in the settings of the run, which cannot name arrays).

    Raises:
        UserError: the checkpoint, a setting or the data is invalid.
    """
    saved = checkpoint.load(path)
    if not saved.config:
        raise CheckpointError(
            f"{saved.path} contains a network but no training run to resume: it was written by "
            "Net.save"
        )
    before = TrainConfig.from_toml(saved.config, str(saved.path))
    if "data" in given:
        given = {**given, "data": _absolute(str(given["data"]))}
    config = _changed(before, given)
    try:
        state = RunState.from_json(saved.progress)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {saved.path} is damaged: {error!r}") from error
    data = open_data(config.data if data is None else data)
    same = same_classes(class_names(config, data), saved.class_names)
    if len(data.train) != state.train_images or not same:
        raise ConfigError(
            f"{config.data} is not the data that {saved.path} was trained on: it has "
            f"{len(data.train)} training images in {len(data.classes)} classes, the original had "
            f"{state.train_images} in {len(saved.class_names or ())}; give the original with --data"
        )
    net = BaseNet(
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


def _check_rates(net: BaseNet, config: TrainConfig) -> None:
    """Raises ConfigError if the schedule or a layer in `rates` or `freeze` does not exist."""
    make_schedule(config)
    ParameterGroups(net, config)


def _changed(before: TrainConfig, given: Mapping[str, Any]) -> TrainConfig:
    values = before.values()
    for name, value in given.items():
        if name not in SETTINGS:
            raise ConfigError(f"there is no setting {name}")
        if value != values[name] and not SETTINGS[name].on_resume:
            free = ", ".join(other for other, setting in SETTINGS.items() if setting.on_resume)
            raise ConfigError(
                f"{name} was {values[name]} when this run began and cannot be changed to {value} "
                f"on resuming; settings that can be changed: {free}"
            )
        values[name] = value
    return TrainConfig(**values)


def _absolute(spec: str) -> str:
    """Returns the name of the data with an absolute path, valid in any working directory."""
    path = expand(spec)
    return str(path.absolute()) if path.exists() else spec


def class_names(config: TrainConfig, data: Dataset) -> tuple[str, ...]:
    spare = range(len(data.classes), config.classes)
    return (*data.classes, *(f"class {index}" for index in spare))


def _few_images_note(
    few: Mapping[str, Any],
    start: Mapping[str, Any],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
) -> str:
    """Returns a note about settings for few images: which options undo or select them; or ""."""
    names = [name for name in ("init", "scale", "batch_size") if name not in given]
    if not start:  # the settings of a recipe are not changed
        if given.get("init") == "he":
            return ""
        return (
            "few images: the recipe is kept; for a quicker start: --init he "
            f"--scale {few['scale']:g} --batch-size {few['batch_size']}"
        )
    undo = {"init": "own", "scale": "1", "batch_size": str(defaults["batch_size"])}
    options = [f"--{name.replace('_', '-')} {undo[name]}" for name in names if name in start]
    if not options:
        return ""
    return f"few images: quick start; for the network's own start: {' '.join(options)}"


def prepare(
    given: Mapping[str, Any],
    *,
    recipe: Recipe | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    show: Reporter | None = None,
    verbose: bool = False,
) -> Run:
    """Prepares a new run. The run folder is created last.

    Args:
        given: settings, by the names of `TrainConfig`; the others have defaults.
        recipe: its settings are overridden by `given`, and override the defaults.
        out: the run folder (default: ``runs/<recipe or net>-<data>-<time>``).
        overwrite: whether a run in that folder may be replaced.
        show: prints the progress (default: warnings only).
        verbose: whether all settings are printed.

    Raises:
        UserError: a setting, the data or the network is invalid; nothing was written.
    """
    setup = set_up(given, recipe)
    folder = RunFolder(run_path(out, setup), setup.config.keep, numbered=out is None)
    if not overwrite and out is not None:
        folder.require_free()
    return begin(setup, folder, overwrite, show, verbose)


def begin(
    setup: Setup,
    folder: RunFolder | None,
    overwrite: bool,
    show: Reporter | None,
    verbose: bool = False,
) -> Run:
    """Reads the data, creates the trainer, then the run folder, and prints the banner."""
    net, data, config, followed = setup.net, setup.data, setup.config, setup.followed
    _show(show, f"reading {data.name} and measuring its mean image")
    if missing := classes_without_images(data):
        log.warning(missing)
    data.load()
    measured = statistics(data.train)
    mean: Any = config.mean
    net.preprocess = Preprocess(measured, config.crop, mean, config.scale)
    pretrained = None
    if config.init_from:
        from alexnet_native.training.load_pretrained import load_pretrained

        pretrained = load_pretrained(net, checkpoint.load(config.init_from))
    trainer = Trainer(net, data, measured, config, folder=folder, reporter=show, followed=followed)
    if folder:
        folder.start(*_texts(net, config, followed), overwrite=overwrite)
    path = folder.path if folder else None
    lines = banner(net, data, config, followed, pretrained=pretrained, note=setup.note, out=path)
    _show(show, *lines)
    if verbose:
        _show(show, *every_setting(config, followed, pretrained))
    return Run(net, config, data, trainer, folder)


def resume(
    path: str | Path,
    given: Mapping[str, Any],
    *,
    data: Dataset | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    show: Reporter | None = None,
    verbose: bool = False,
) -> Run:
    """Resumes the run that wrote a checkpoint.

    If no setting is changed, the result equals that of an uninterrupted run to the bit.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
        given: settings to change; only those with `Setting.on_resume`.
        data: the data set (default: the one in the settings of the run, which cannot name arrays).
        out: the run folder for the remaining steps (default: the folder of the run).
        overwrite: whether a run in `out` may be replaced.
        show: prints the progress (default: warnings only).
        verbose: whether all settings are printed.

    Raises:
        UserError: the checkpoint, a setting or the data is invalid; nothing was changed.
    """
    target = out and expand(out)
    own = RunFolder.holding(checkpoint.find(path))
    within = own is not None and (target is None or target.resolve() == own.resolve())
    # Locked before the checkpoint is read, so that no other process can add a later one.
    with lock(own) if own and within else nullcontext():
        return _resume(path, given, data, target, overwrite, show, verbose)


def _resume(
    path: str | Path,
    given: Mapping[str, Any],
    data: Dataset | None,
    out: Path | None,
    overwrite: bool,
    show: Reporter | None,
    verbose: bool,
) -> Run:
    found = reopen(path, given, data)
    setup, saved, state = found.setup, found.saved, found.state
    net, config, data = setup.net, setup.config, setup.data
    _show(show, f"reading {data.name}")
    data.load()
    assert saved.preprocess is not None  # every run has one
    own = RunFolder.holding(saved.path)
    target = out or own
    if target is None:
        raise ConfigError(
            f"{saved.path} is not in a run folder; choose a folder for the resumed run with --out"
        )
    folder = RunFolder(target, config.keep)
    texts = _texts(net, config, saved.followed)
    trainer = Trainer(
        net,
        data,
        saved.preprocess.statistics,
        config,
        folder=folder,
        reporter=show,
        state=state,
        followed=saved.followed,
    )
    if own and target.resolve() == own.resolve():
        folder.continue_at(*texts, state=state, checkpoint=saved.path, step=saved.step)
    else:
        state.metrics_lines = state.parameters_lines = 0
        folder.start(*texts, overwrite=overwrite)
    _show(show, *banner(net, data, config, saved.followed, out=target, resumed=True))
    if verbose:
        _show(show, *every_setting(config, saved.followed))
    return Run(net, config, data, trainer, folder)


def _show(show: Reporter | None, *lines: str) -> None:
    if show:
        for line in lines:
            show.line(line)


def _texts(
    net: BaseNet, config: TrainConfig, followed: FollowedRecipe | None
) -> tuple[str, str, str]:
    """Returns the contents of config.toml, net.toml and recipe.toml in the run folder."""
    recipe = followed.to_toml(config) if followed else ""
    return config.to_toml(), net.description.to_toml(), recipe


def run_path(out: Path | None, setup: Setup) -> Path:
    """Returns the path of the run folder: `out` or ``runs/<recipe or net>-<data>-<time>``.

    `RunFolder.start` adds a number if another run was started in the same second.
    """
    config, followed = setup.config, setup.followed
    data = "-".join(Path(config.data).name.split(":")) or "data"
    first = Path(followed.recipe.name if followed else config.net).stem
    if out is not None:
        return expand(out)
    return Path("runs") / f"{first}-{data}-{time.strftime('%Y%m%d-%H%M%S')}"


def fit(net: BaseNet, data: Any, *, out: str | Path | None = None, **settings: Any) -> Outcome:
    """Trains an existing network; called by `Net.fit`.

    Args:
        net: trained in place, from its current weights. Its preprocessing and class names are set
            to those of the data.
        data: a name or path, a Dataset, or (images, labels[, val_images, val_labels]) with uint8
            images (N, H, W, C); see `open_data`.
        out: a folder for logs and checkpoints (default: nothing is written).
        settings: settings of `TrainConfig` except those of the network, such as ``epochs``, ``lr``
            and ``batch_size``. ``verbose=False`` prints warnings only; ``overwrite=True`` replaces
            an existing run in `out`.

    Raises:
        UserError: a setting or the data is invalid.
        DivergedError: the loss is not finite.
    """
    verbose, overwrite = settings.pop("verbose", True), settings.pop("overwrite", False)
    for name in _NET_SETTINGS:
        if name in settings:
            raise ConfigError(
                f"{name} cannot be changed for an existing network; pass it to Net instead of fit"
            )
    opened = open_data(data)
    if len(opened.classes) > net.classes:
        raise ConfigError(
            f"{opened.name} has {len(opened.classes)} classes, but the network has {net.classes}"
        )
    fixed = {"precision": net.precision, "devices": net.devices, "seed": net.seed}
    config = resolve({**fixed, **settings}, net.description, opened)
    folder = RunFolder(expand(out), config.keep) if out else None
    show = reporter() if verbose else Silent()
    check_crop(config.crop, opened.train.image_shape)
    net.class_names = class_names(config, opened)
    setup = Setup(net, opened, config, followed=None)
    return begin(setup, folder, overwrite, show).trainer.run()
