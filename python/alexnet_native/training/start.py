"""From settings to a training that is ready to run, new or resumed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import ConfigError
from alexnet_native.net import Net
from alexnet_native.recipes import FollowedRecipe, Recipe
from alexnet_native.training import checkpoint
from alexnet_native.training.announce import announcement, every_setting
from alexnet_native.training.progress import Reporter
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.setup import Setup, reopen, set_up
from alexnet_native.training.trainer import Trainer
from alexnet_native.training.warm_start import take_weights

__all__ = ["Run", "begin", "place_of", "prepare", "resume"]


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
    verbose: bool = False,
) -> Run:
    """Opens the data, builds the network, and only then creates the run's folder.

    Args:
        given: settings, by the names of `TrainConfig`; the others have defaults.
        recipe: its settings come after the given ones, and before the network's and the data's.
        out: the folder; None: ``runs/<net>-<data>-<time>``.
        overwrite: a run in that folder may be replaced.
        show: None shows warnings only.
        verbose: every setting is shown at the start.

    Raises:
        UserError: a setting, the data or the network cannot be used; nothing was written.
    """
    setup = set_up(given, recipe)
    folder = RunFolder(place_of(out, setup), setup.config.keep)
    if not overwrite:
        folder.require_free()
    return begin(setup, folder, overwrite, show, verbose)


def begin(
    setup: Setup,
    folder: RunFolder | None,
    overwrite: bool,
    show: Reporter | None,
    verbose: bool = False,
) -> Run:
    """Reads the data, so that damage is found now; the run's folder is created last."""
    net, data, config, followed = setup.net, setup.data, setup.config, setup.followed
    _show(show, f"reading {data.name} and measuring its mean image")
    data.load()
    measured = statistics(data.train)
    mean: Any = config.mean
    net.preprocess = Preprocess(measured, config.crop, mean, config.scale)
    taken = take_weights(net, checkpoint.load(config.init_from)) if config.init_from else None
    trainer = Trainer(net, data, measured, config, folder=folder, reporter=show, followed=followed)
    if folder:
        folder.start(*_texts(net, config, followed), overwrite=overwrite)
    place = folder.path if folder else None
    lines = announcement(net, data, config, followed, taken=taken, note=setup.note, out=place)
    _show(show, *lines)
    if verbose:
        _show(show, *every_setting(config, followed, taken))
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
    """Continues the training that wrote a checkpoint, bit by bit where nothing is changed.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
        given: settings to change from here on; only those that `Setting.on_resume` allows.
        data: the data set, where its settings cannot name it (arrays).
        out: another folder for the rest; None continues in the run's own.
        verbose: every setting is shown at the start.

    Raises:
        UserError: the checkpoint, a setting or the data cannot be used; nothing was changed.
    """
    found = reopen(path, given, data)
    setup, saved, state = found.setup, found.saved, found.state
    net, config, data = setup.net, setup.config, setup.data
    _show(show, f"reading {data.name}")
    data.load()
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
    _show(show, *announcement(net, data, config, saved.followed, out=place, resumed=True))
    if verbose:
        _show(show, *every_setting(config, saved.followed))
    return Run(net, config, data, trainer, folder)


def _show(show: Reporter | None, *lines: str) -> None:
    if show:
        for line in lines:
            show.line(line)


def _texts(net: Net, config: TrainConfig, followed: FollowedRecipe | None) -> tuple[str, str, str]:
    """What a run folder says of its run: config.toml, net.toml, recipe.toml."""
    recipe = followed.to_toml(config) if followed else ""
    return config.to_toml(), net.description.to_toml(), recipe


def place_of(out: Path | None, setup: Setup) -> Path:
    """The run's folder: as given, or ``runs/<recipe or net>-<data>-<time>``."""
    config, followed = setup.config, setup.followed
    data = "-".join(Path(config.data).name.split(":")) or "data"
    first = Path(followed.recipe.name if followed else config.net).stem
    return out or Path("runs") / f"{first}-{data}-{time.strftime('%Y%m%d-%H%M%S')}"
