"""What a run leaves behind: its folder, its logs, its checkpoints, and where it stands.

The folder holds config.toml, net.toml, metrics.jsonl, parameters.jsonl and checkpoints/. A training
by recipe has its recipe.toml there too, under the deviations from it, and one that ends with an
evaluation its evaluation.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_native import checkpoint
from alexnet_native.atomic import point_to, remove_partial, write_text
from alexnet_native.checkpoint import LATEST
from alexnet_native.config import TrainConfig
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.net import BaseNet
from alexnet_native.net.metrics import Sums
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.progress import Metrics

__all__ = ["BEST", "JsonLines", "RunFolder", "RunLogger", "RunState"]


@dataclass
class RunState:
    """The position in the data, what was measured since, and the length of the logs."""

    epoch: int = 0  # finished
    offset: int = 0  # images of the running epoch that were used
    interval: Sums = field(default_factory=Sums)  # since the last line of metrics.jsonl
    so_far: Sums = field(default_factory=Sums)  # in this epoch
    best_error: float | None = None  # lowest validation error at the end of an epoch
    schedule: dict[str, Any] = field(default_factory=dict)
    metrics_lines: int = 0
    parameters_lines: int = 0
    train_images: int = 0  # of the data set, to recognise it
    first_step: int = 0  # updates that the network had before this training

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunState:
        """Raises TypeError or KeyError on anything but what `to_json` gave."""
        parts = {name: Sums(**values[name]) for name in ("interval", "so_far")}
        return cls(**{**values, **parts})


BEST = "best"
_CONFIG, _NET, _RECIPE = "config.toml", "net.toml", "recipe.toml"
_METRICS, _PARAMETERS, _EVALUATION = "metrics.jsonl", "parameters.jsonl", "evaluation.json"


class RunFolder:
    """Writes into one folder; creates it when the first thing is written.

    Args:
        path: the folder; may exist.
        keep: checkpoints that stay, besides the best.
    """

    def __init__(self, path: Path, keep: int) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.metrics = JsonLines(path / _METRICS)
        self.parameters = JsonLines(path / _PARAMETERS)
        self.evaluation = path / _EVALUATION
        self._keep = keep

    def start(self, config: str, net: str, recipe: str = "", *, overwrite: bool = False) -> None:
        """Begins a run: the folder must not hold one, unless it may be overwritten.

        Raises:
            ConfigError: it does.
            OSError: the folder cannot be written.
        """
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
        """Continues the folder's run at a checkpoint of step `step`; what came after is dropped.

        Raises:
            CheckpointError: the logs lack lines that the checkpoint counts.
        """
        self.metrics.keep(state.metrics_lines)
        self.parameters.keep(state.parameters_lines)
        for later in [saved for saved in self._saved() if saved.name > self._file(step).name]:
            later.unlink()
        point_to(self.checkpoints / LATEST, checkpoint.name)
        best = self._target(BEST)
        if best and not best.exists():
            (self.checkpoints / BEST).unlink()
        self._begin(config, net, recipe)

    def _begin(self, config: str, net: str, recipe: str) -> None:
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        remove_partial(self.path)
        remove_partial(self.checkpoints)
        write_text(self.path / _CONFIG, config)
        write_text(self.path / _NET, net)
        if recipe:
            write_text(self.path / _RECIPE, recipe)

    def require_free(self) -> None:
        for name in (_CONFIG, _METRICS, "checkpoints"):
            if (self.path / name).exists():
                raise ConfigError(
                    f"{self.path} already holds a run; give another --out, go on with --resume "
                    f"{self.path}, or replace it with --overwrite"
                )

    def save(self, step: int, write: Callable[[Path], None], *, best: bool = False) -> Path:
        """Adds a checkpoint, points ``latest`` (and ``best``) to it, deletes the oldest.

        Args:
            step: updates done; the file is named by it.
            write: writes the file at the path that it is given.

        Raises:
            OSError: the disk is full, say; the checkpoints of before stay.
        """
        path = self._file(step)
        write(path)
        point_to(self.checkpoints / LATEST, path.name)
        if best:
            point_to(self.checkpoints / BEST, path.name)
        spared = {path, self._target(BEST)}
        others = [saved for saved in self._saved() if saved not in spared]
        for old in others[: max(0, len(others) - self._keep + 1)]:
            old.unlink()
        return path

    def latest(self) -> Path | None:
        """The checkpoint to go on from, if there is one."""
        return self._target(LATEST)

    @staticmethod
    def holding(checkpoint: Path) -> Path | None:
        """The run folder that a checkpoint lies in, if it lies in one."""
        folder = checkpoint.absolute().parent
        return folder.parent if folder.name == "checkpoints" else None

    def _file(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:08d}.safetensors"

    def _target(self, link: str) -> Path | None:
        path = self.checkpoints / link
        return self.checkpoints / path.readlink() if path.is_symlink() else None

    def _saved(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step-*.safetensors"))


class JsonLines:
    """A file of JSON objects, one a line, that a resumed training cuts back to its checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, record: Mapping[str, Any]) -> None:
        """Adds a line.

        Raises:
            OSError: with the file's name; no half line is left.
        """
        text = json.dumps(record) + "\n"
        before = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            with suppress(OSError):
                os.truncate(self._path, before)
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def read(self) -> list[dict[str, Any]]:
        """All lines; none where the file does not exist."""
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def keep(self, lines: int) -> None:
        """Drops all lines after the first `lines`.

        Raises:
            CheckpointError: there are fewer.
        """
        text = self._path.read_bytes() if self._path.exists() else b""
        end = 0
        for _ in range(lines):
            end = text.find(b"\n", end) + 1
            if end == 0:
                raise CheckpointError(
                    f"{self._path} has fewer lines than its checkpoint says ({lines}); resume into "
                    "a new folder with --out"
                )
        if len(text) > end:
            os.truncate(self._path, end)


class RunLogger:
    """Keeps the records, and writes them where there is a folder.

    Raises:
        CheckpointError: a file cannot be written, as on a full disk; the checkpoints of before
            stay.
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
        self.records.append(line)
        if self._folder:
            with self._writing():
                self._folder.metrics.append(line.record())
            state.metrics_lines += 1

    def parameters(self, state: RunState, rate: float) -> None:
        """Mean |w| and mean |dw| of each parameter; dw, the last update, is the momentum."""
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
        """Writes a checkpoint; returns its path."""
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
        """Where the evaluation at the end is written."""
        return self._folder.evaluation if self._folder else None

    def last_saved(self) -> Path | None:
        return self._folder.latest() if self._folder else None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            last = self.last_saved()
            kept = (
                f"; the checkpoint of before, {last}, is whole: make room and go on with --resume"
                if last
                else ""
            )
            raise CheckpointError(
                f"{error.filename} cannot be written ({error.strerror}), so the training stopped "
                f"at step {self._net.step}{kept}"
            ) from error
