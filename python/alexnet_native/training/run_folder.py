"""The folder of a run: config.toml, net.toml, metrics.jsonl, parameters.jsonl and checkpoints/.

A training by recipe has its recipe.toml there too, under the deviations from it, and one that ends
with an evaluation its evaluation.json.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alexnet_native.atomic import point_to, remove_partial, write_text
from alexnet_native.errors import ConfigError
from alexnet_native.training.checkpoint import LATEST
from alexnet_native.training.metrics import JsonLines
from alexnet_native.training.state import RunState

__all__ = ["BEST", "RunFolder"]

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
        for checkpoint in self._saved():
            checkpoint.unlink()
        self._begin(config, net, recipe)

    def go_on(
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
