"""From settings to a training that is ready to run, new or resumed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset, open_data
from alexnet_native.data.augment import check_crop
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.models import Description
from alexnet_native.net import Net
from alexnet_native.recipes import Followed, Recipe, follow
from alexnet_native.training import checkpoint
from alexnet_native.training.announce import announcement
from alexnet_native.training.defaults import choose_network, quick_start, resolve
from alexnet_native.training.initial import with_he_weights
from alexnet_native.training.progress import Reporter
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.state import RunState
from alexnet_native.training.trainer import Trainer
from alexnet_native.training.warm_start import take_weights

__all__ = ["Run", "begin", "prepare", "resume"]


@dataclass(frozen=True)
class Run:
    """A training that is ready to run."""

    net: Net
    config: TrainConfig
    data: Dataset
    trainer: Trainer
    folder: RunFolder | None


def prepare(
    given: Mapping[str, Any],
    *,
    recipe: Recipe | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    show: Reporter | None = None,
) -> Run:
    """Opens the data, builds the network, and only then creates the run's folder.

    Args:
        given: settings, by the names of `TrainConfig`; the others have defaults.
        recipe: its settings come after the given ones, and before the network's and the data's.
        out: the folder; None: ``runs/<net>-<data>-<time>``.
        overwrite: a run in that folder may be replaced.
        show: None shows warnings only.

    Raises:
        UserError: a setting, the data or the network cannot be used; nothing was written.
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
    followed = follow(recipe, network.name) if recipe else None
    folder = RunFolder(out or _default_folder(config, recipe), config.keep)
    if not overwrite:
        folder.require_free()
    net = Net(
        with_he_weights(network) if config.init == "he" else network,
        devices=config.devices,
        seed=config.seed,
        precision=config.precision,
        threads=config.threads,
    )
    run = begin(net, data, config, folder, overwrite, show, followed)
    if few:
        _show(show, _of_few_images(few, recipe, network))
    return run


def begin(
    net: Net,
    data: Dataset,
    config: TrainConfig,
    folder: RunFolder | None,
    overwrite: bool,
    show: Reporter | None,
    followed: Followed | None = None,
) -> Run:
    """Reads the data, so that damage is found now; the run's folder is created last."""
    check_crop(config.crop, data.train.image_shape)
    _show(show, f"reading {data.name} and measuring its mean image")
    data.load()
    measured = statistics(data.train)
    net.class_names = _class_names(config, data)
    mean: Any = config.mean
    net.preprocess = Preprocess(measured, config.crop, mean, config.scale)
    if config.init_from:
        _show(show, *take_weights(net, checkpoint.load(config.init_from)))
    trainer = Trainer(net, data, measured, config, folder=folder, reporter=show, followed=followed)
    if folder:
        folder.start(*_texts(net, config, followed), overwrite=overwrite)
    _show(show, *announcement(net, data, config, followed))
    return Run(net, config, data, trainer, folder)


def resume(
    path: str | Path,
    given: Mapping[str, Any],
    *,
    data: Dataset | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    show: Reporter | None = None,
) -> Run:
    """Continues the training that wrote a checkpoint, bit by bit where nothing is changed.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
        given: settings to change from here on; only those that `Setting.on_resume` allows.
        data: the data set, where its settings cannot name it (arrays).
        out: another folder for the rest; None goes on in the run's own.

    Raises:
        UserError: the checkpoint, a setting or the data cannot be used; nothing was changed.
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
    if len(data.train) != state.train_images or _class_names(config, data) != saved.class_names:
        raise ConfigError(
            f"{config.data} is not the data that {saved.path} was trained on: it has "
            f"{len(data.train)} training images of {len(data.classes)} classes, then there were "
            f"{state.train_images} of {len(saved.class_names or ())}; name the same with --data"
        )
    _show(show, f"reading {data.name}")
    data.load()
    net = Net(
        saved.description,
        devices=config.devices,
        seed=saved.seed,
        precision=saved.precision,
        threads=config.threads,
    )
    checkpoint.restore(net, saved)
    assert saved.preprocess is not None  # every training has one
    own = RunFolder.holding(saved.path)
    place = out or own
    if place is None:
        raise ConfigError(f"{saved.path} lies in no run folder; name one for the rest with --out")
    folder = RunFolder(place, config.keep)
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
    if own and place.resolve() == own.resolve():
        folder.go_on(*texts, state=state, checkpoint=saved.path, step=saved.step)
    else:
        state.metrics_lines = state.parameters_lines = 0
        folder.start(*texts, overwrite=overwrite)
    _show(show, *announcement(net, data, config, saved.followed), f"resumed at step {saved.step}")
    return Run(net, config, data, trainer, folder)


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


def _show(show: Reporter | None, *lines: str) -> None:
    if show:
        for line in lines:
            show.line(line)


def _lasting(spec: str) -> str:
    """A name of the data that is understood from any working folder."""
    path = Path(spec).expanduser()
    return str(path.absolute()) if path.exists() else spec


def _class_names(config: TrainConfig, data: Dataset) -> tuple[str, ...]:
    spare = range(len(data.classes), config.classes)
    return (*data.classes, *(f"class {index}" for index in spare))


def _texts(net: Net, config: TrainConfig, followed: Followed | None) -> tuple[str, str, str]:
    """What a run folder says of its run: config.toml, net.toml, recipe.toml."""
    recipe = followed.to_toml(config) if followed else ""
    return config.to_toml(), net.description.to_toml(), recipe


def _of_few_images(few: Mapping[str, Any], recipe: Recipe | None, network: Description) -> str:
    if recipe:
        words = " ".join(
            f"--{name.replace('_', '-')} {few[name]:g}" for name in ("scale", "batch_size")
        )
        return (
            f"few images: the recipe stays as it is; a network begins to learn sooner with "
            f"--init {few['init']} {words}"
        )
    return (
        f"few images: {', '.join(few)} are not the network's own, but chosen for a quick start; "
        f"its own start: --init own --scale 1 --batch-size {network.hints.batch_size}"
    )


def _default_folder(config: TrainConfig, recipe: Recipe | None) -> Path:
    data = "-".join(Path(config.data).name.split(":")) or "data"
    first = Path(recipe.name if recipe else config.net).stem
    return Path("runs") / f"{first}-{data}-{time.strftime('%Y%m%d-%H%M%S')}"
