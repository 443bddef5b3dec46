"""The run folder: settings, logs and checkpoints of a run, and its state.

The folder contains config.toml, net.toml, metrics.jsonl, parameters.jsonl and checkpoints/. If the
run follows a recipe, recipe.toml lists the deviations and the recipe. The final evaluation writes
evaluation.json.
"""

from __future__ import annotations

import filecmp
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_native import checkpoint
from alexnet_native.atomic import point_to, pointed_to, remove_partial, write_text
from alexnet_native.checkpoint import LATEST, load
from alexnet_native.config import TrainConfig
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.json_text import to_json
from alexnet_native.locking import FolderLock
from alexnet_native.net import BaseNet
from alexnet_native.net.metrics import Sums
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.progress import Metrics

__all__ = ["BEST", "JsonLines", "RunFolder", "RunLogger", "RunState", "lock"]


@dataclass
class RunState:
    """State of a run for its checkpoints: position in the data, sums, length of the logs.

    Attributes:
        epoch: number of finished epochs.
        offset: number of images used in the current epoch.
        interval: sums since the last "train" line of metrics.jsonl.
        so_far: sums of the current epoch.
        best_error: lowest error at the end of an epoch: validation error, or training error without
            validation images.
        schedule: state of the schedule.
        metrics_lines, parameters_lines: number of lines in metrics.jsonl and parameters.jsonl.
        train_images: number of training images, to detect different data on resuming.
        first_step: number of updates of the network before this run.
    """

    epoch: int = 0
    offset: int = 0
    interval: Sums = field(default_factory=Sums)
    so_far: Sums = field(default_factory=Sums)
    best_error: float | None = None
    schedule: dict[str, Any] = field(default_factory=dict)
    metrics_lines: int = 0
    parameters_lines: int = 0
    train_images: int = 0
    first_step: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunState:
        """Restores the state from `to_json`.

        Raises:
            TypeError, KeyError: the values do not come from `to_json`.
        """
        parts = {name: Sums(**values[name]) for name in ("interval", "so_far")}
        return cls(**{**values, **parts})


BEST = "best"
_CONFIG, _NET, _RECIPE = "config.toml", "net.toml", "recipe.toml"
_METRICS, _PARAMETERS, _EVALUATION = "metrics.jsonl", "parameters.jsonl", "evaluation.json"


def lock(folder: Path) -> FolderLock:
    """Keeps other processes from training in a run folder, until the lock is released.

    Raises:
        ConfigError: another process is training in the folder.
    """
    try:
        return FolderLock(folder)
    except BlockingIOError:
        raise ConfigError(
            f"another alexnet-native train is writing to {folder}; wait until it has ended, or "
            "choose another folder with --out"
        ) from None


class RunFolder:
    """Writes the files of a run. The folder is created by `start`.

    From `start` or `continue_at` to `release` no other process can train in the folder.

    Args:
        path: the folder; it may exist.
        keep: number of checkpoints to keep, in addition to the best one.
        numbered: whether `start` adds -2, -3, ... to the name of the folder if it exists.
    """

    def __init__(self, path: Path, keep: int, *, numbered: bool = False) -> None:
        self._keep, self._numbered = keep, numbered
        self._lock: FolderLock | None = None
        self._set_path(path)

    def _set_path(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = JsonLines(path / _METRICS)
        self.parameters = JsonLines(path / _PARAMETERS)
        self.evaluation = path / _EVALUATION

    def start(self, config: str, net: str, recipe: str = "", *, overwrite: bool = False) -> None:
        """Starts a new run.

        Args:
            config, net, recipe: contents of config.toml, net.toml and recipe.toml.
            overwrite: whether a run in the folder may be replaced.

        Raises:
            ConfigError: the folder contains a run, and `overwrite` is False; or another process is
                training in it.
            OSError: the folder cannot be written.
        """
        if self._numbered:
            self._make_numbered()
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        if not overwrite:
            self.require_free()
        for old in (_METRICS, _PARAMETERS, _RECIPE, _EVALUATION):
            (self.path / old).unlink(missing_ok=True)
        for old in (LATEST, BEST):
            (self.checkpoints / old).unlink(missing_ok=True)
        for saved in self._saved():
            saved.unlink()
        self._begin(config, net, recipe)

    def continue_at(
        self,
        config: str,
        net: str,
        recipe: str = "",
        *,
        state: RunState,
        checkpoint: Path,
        step: int,
    ) -> None:
        """Continues the run in the folder at a checkpoint; later lines and checkpoints are deleted.

        Args:
            config, net, recipe: contents of config.toml, net.toml and recipe.toml.
            state: state of the run in the checkpoint.
            checkpoint: the checkpoint file.
            step: number of updates in the checkpoint.

        Raises:
            CheckpointError: the logs have fewer lines than `state` says; nothing was changed.
            ConfigError: another process is training in the folder.
        """
        self._acquire()
        for log, lines in self._log_lines(state):
            log.require(lines)
        for name in (LATEST, BEST):
            self._replace_copy(name, always=checkpoint.name == name)
        copied = checkpoint.name in (LATEST, BEST)
        # First of all, so that the folder can be resumed if the process is killed in between.
        point_to(self.checkpoints / LATEST, (self._file(step) if copied else checkpoint).name)
        for log, lines in self._log_lines(state):
            log.keep(lines)
        for later in [saved for saved in self._saved() if saved.name > self._file(step).name]:
            later.unlink()
        best = self._target(BEST)
        if best and not best.exists():
            (self.checkpoints / BEST).unlink()
        self._begin(config, net, recipe)

    def release(self) -> None:
        """Lets other processes train in the folder."""
        if self._lock:
            self._lock.release()
            self._lock = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from training in the folder; calls `release` at the end."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            yield
        finally:
            self.release()

    def _acquire(self) -> None:
        self._lock = self._lock or lock(self.path)

    def _make_numbered(self) -> None:
        """Creates the folder under the first name that does not exist."""
        path, number = self.path, 1
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                self.path.mkdir()
                return
            except FileExistsError:
                number += 1
                self._set_path(path.with_name(f"{path.name}-{number}"))

    def _log_lines(self, state: RunState) -> list[tuple[JsonLines, int]]:
        lines = (state.metrics_lines, state.parameters_lines)
        return list(zip((self.metrics, self.parameters), lines, strict=True))

    def _replace_copy(self, name: str, *, always: bool) -> None:
        """Makes ``latest`` or ``best`` a link again if it is a copy of a checkpoint.

        ``cp -rL``, zip and cloud storage turn symbolic links into copies. The copy may be the only
        one that was fetched. If it differs from the checkpoint of its step, it replaces that with
        `always`; otherwise both stay.
        """
        copy = self.checkpoints / name
        if self._target(name) is not None or not copy.is_file():
            return
        try:
            file = self._file(load(copy).step)
        except CheckpointError:
            return
        if always or not file.exists():
            copy.replace(file)
        elif not filecmp.cmp(copy, file, shallow=False):
            return
        point_to(copy, file.name)

    def _begin(self, config: str, net: str, recipe: str) -> None:
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        remove_partial(self.path)
        remove_partial(self.checkpoints)
        write_text(self.path / _CONFIG, config)
        write_text(self.path / _NET, net)
        if recipe:
            write_text(self.path / _RECIPE, recipe)

    def require_free(self) -> None:
        """Raises ConfigError if the folder contains a run."""
        for name in (_CONFIG, _METRICS, "checkpoints"):
            if (self.path / name).exists():
                raise ConfigError(
                    f"{self.path} already contains a run; choose another folder with --out, "
                    f"continue the run with --resume {self.path}, or replace it with --overwrite"
                )

    def save(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        """Adds a checkpoint, points ``latest`` (and ``best``) to it, and deletes the oldest ones.

        Args:
            step: number of updates, used for the name of the file.
            write: called with the path; writes the file.
            best: whether the error is the lowest so far.

        Returns:
            The path of the checkpoint.

        Raises:
            OSError: the file cannot be written, for example on a full disk; existing checkpoints
                are kept.
        """
        path = self._file(step)
        self.checkpoints.mkdir(parents=True, exist_ok=True)  # it may have been deleted meanwhile
        write(path)
        point_to(self.checkpoints / LATEST, path.name)
        if best:
            point_to(self.checkpoints / BEST, path.name)
        protected = {path, self._target(BEST)}
        others = [saved for saved in self._saved() if saved not in protected]
        for old in others[: max(0, len(others) - self._keep + 1)]:
            old.unlink()
        return path

    def latest(self) -> Path | None:
        """Returns the latest checkpoint, or None."""
        return self._target(LATEST)

    @staticmethod
    def holding(checkpoint: Path) -> Path | None:
        """Returns the run folder that contains a checkpoint, or None."""
        folder = checkpoint.absolute().parent
        return folder.parent if folder.name == "checkpoints" else None

    def _file(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:08d}.safetensors"

    def _target(self, link: str) -> Path | None:
        return pointed_to(self.checkpoints / link)

    def _saved(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step-*.safetensors"))


class JsonLines:
    """A log file with one JSON object per line, which is truncated when a run is resumed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a line.

        Raises:
            OSError: the line cannot be written; the error names the file, and no partial line
                remains.
        """
        text = to_json(record) + "\n"
        before = self._path.stat().st_size if self._path.exists() else 0
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._path, before)
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def read(self) -> list[dict[str, Any]]:
        """Returns all lines, or an empty list if the file does not exist."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def keep(self, lines: int) -> None:
        """Truncates the file after the first `lines` lines.

        Raises:
            CheckpointError: the file has fewer lines.
        """
        end = self.require(lines)
        if self._path.exists() and self._path.stat().st_size > end:
            os.truncate(self._path, end)

    def require(self, lines: int) -> int:
        """Returns the length of the first `lines` lines in bytes.

        Raises:
            CheckpointError: the file has fewer lines.
        """
        text = self._path.read_bytes() if self._path.exists() else b""
        end = 0
        for _ in range(lines):
            end = text.find(b"\n", end) + 1
            if end == 0:
                raise CheckpointError(
                    f"{self._path} has fewer lines than recorded in the checkpoint ({lines}); "
                    "resume into a new folder with --out"
                )
        return end


class RunLogger:
    """Keeps the metrics in memory; writes logs and checkpoints if there is a run folder.

    Args:
        net, config, followed: of the run.
        folder: the run folder, or None.

    Raises:
        CheckpointError: a file cannot be written, for example on a full disk; existing checkpoints
            are kept.
    """

    def __init__(
        self,
        net: BaseNet,
        config: TrainConfig,
        folder: RunFolder | None,
        followed: FollowedRecipe | None = None,
    ) -> None:
        self.records: list[Metrics] = []
        self._net, self._config, self._folder = net, config, folder
        self._recipe = followed.to_json(config) if followed else None
        self._engines: dict[str, str] | None = None

    def metrics(self, state: RunState, line: Metrics) -> None:
        """Adds a line to metrics.jsonl."""
        self.records.append(line)
        if self._folder:
            with self._writing():
                self._folder.metrics.append(line.record())
            state.metrics_lines += 1

    def parameters(self, state: RunState, rate: float) -> None:
        """Adds a line to parameters.jsonl: mean |w| and mean |dw| of each parameter.

        dw, the last update, is the momentum.
        """
        if not self._folder:
            return
        native = self._net.native

        def mean(name: str, kind: Any) -> float:
            return float(np.abs(native.get(name, kind)).mean(dtype=np.float64))

        line = {
            "epoch": state.epoch + 1,
            "step": self._net.step,
            "lr": rate,
            "parameters": {
                name: {"mean_abs": mean(name, "value"), "mean_abs_update": mean(name, "momentum")}
                for name in native.param_names()
            },
        }
        with self._writing():
            self._folder.parameters.append(line)
        state.parameters_lines += 1

    def save(self, state: RunState, *, best: bool = False) -> Path | None:
        """Writes a checkpoint and returns its path, or None without a run folder."""
        if not self._folder:
            return None
        if self._engines is None:
            plan = self._net.native.plan(self._config.batch_size)
            self._engines = {row["name"]: row["engine"] for row in plan["layers"] if row["engine"]}

        def write(path: Path) -> None:
            checkpoint.save(
                path,
                self._net,
                config=self._config.to_toml(),
                progress=state.to_json(),
                recipe=self._recipe,
                engines=self._engines,
            )

        with self._writing():
            return self._folder.save(self._net.step, write, best=best)

    def evaluation_file(self) -> Path | None:
        """Returns the file for the final evaluation, or None without a run folder."""
        return self._folder.evaluation if self._folder else None

    @contextmanager
    def locked_folder(self) -> Iterator[None]:
        """Keeps other processes from training in the run folder."""
        if not self._folder:
            yield
            return
        with self._folder.locked():
            yield

    def last_saved(self) -> Path | None:
        """Returns the latest checkpoint, or None."""
        return self._folder.latest() if self._folder else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = (
                f"{error.filename} cannot be written ({error.strerror}); training stopped at step "
                f"{self._net.step}"
            )
            if last := self.last_saved():
                message += (
                    f", the last checkpoint is {last}; free some space and continue with --resume"
                )
            raise CheckpointError(message) from error
