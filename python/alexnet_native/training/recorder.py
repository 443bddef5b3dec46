"""What a training leaves behind: lines of metrics and parameters, checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from alexnet_native.config import TrainConfig
from alexnet_native.errors import CheckpointError
from alexnet_native.net import Net
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training import checkpoint
from alexnet_native.training.metrics import Metrics
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.state import RunState

__all__ = ["Recorder"]


class Recorder:
    """Keeps the records, and writes them where there is a folder.

    Raises:
        CheckpointError: a file cannot be written, as on a full disk; the checkpoints of before
            stay.
    """

    def __init__(
        self,
        net: Net,
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
