"""The run folder: which checkpoints are kept, and what happens to an existing run."""

from __future__ import annotations

from pathlib import Path

import pytest
from alexnet_native.errors import ConfigError
from alexnet_native.training.run_folder import RunFolder, RunState


def start(path: Path, keep: int = 2) -> RunFolder:
    folder = RunFolder(path, keep)
    folder.start("config", "net")
    return folder


def save(folder: RunFolder, step: int, *, best: bool = False) -> Path:
    return folder.save(step, lambda path: path.write_text(str(step)) and None, best=best)


def names(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.checkpoints.iterdir())


def test_the_last_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    folder = start(tmp_path / "run")
    for step in (1, 2, 3, 4, 5):
        save(folder, step, best=step == 2)
    assert names(folder) == [
        "best", "latest",
        "step-00000002.safetensors", "step-00000004.safetensors", "step-00000005.safetensors",
    ]  # fmt: skip
    assert (folder.checkpoints / "latest").read_text() == "5"
    assert (folder.checkpoints / "best").read_text() == "2"


def test_the_previous_best_checkpoint_is_deleted_when_there_is_a_better_one(
    tmp_path: Path,
) -> None:
    folder = start(tmp_path / "run", keep=1)
    for step in (1, 2, 3, 4):
        save(folder, step, best=step in (1, 3))
    assert names(folder) == [
        "best", "latest", "step-00000003.safetensors", "step-00000004.safetensors",
    ]  # fmt: skip


def test_a_failed_save_changes_nothing(tmp_path: Path) -> None:
    folder = start(tmp_path / "run", keep=1)
    save(folder, 1, best=True)

    def fail(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match="No space left"):
        folder.save(2, fail, best=True)
    assert names(folder) == ["best", "latest", "step-00000001.safetensors"]
    assert (folder.checkpoints / "latest").read_text() == "1"


def test_a_folder_with_a_run_raises_an_error_without_overwrite(tmp_path: Path) -> None:
    first = start(tmp_path / "run")
    first.metrics.append({"n": 1})
    save(first, 3, best=True)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"already contains a run.*--out.*--resume.*--overwrite"):
        start(tmp_path / "run")
    RunFolder(tmp_path / "run", 2).start("new", "net", overwrite=True)
    assert names(first) == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints", "config.toml", "net.toml", "notes.txt",
    ]  # fmt: skip
    assert (tmp_path / "run" / "config.toml").read_text() == "new"


def test_continuing_a_run_deletes_later_lines_and_checkpoints(tmp_path: Path) -> None:
    folder = start(tmp_path / "run", keep=5)
    for step in (1, 2, 3):
        folder.metrics.append({"n": step})
        save(folder, step, best=step == 3)
    (folder.checkpoints / ".step-00000004.safetensors.partial").write_text("half")
    RunFolder(tmp_path / "run", 5).continue_at(
        "config",
        "net",
        state=RunState(metrics_lines=2),
        checkpoint=folder.checkpoints / "step-00000002.safetensors",
        step=2,
    )
    assert names(folder) == ["latest", "step-00000001.safetensors", "step-00000002.safetensors"]
    assert (folder.checkpoints / "latest").read_text() == "2"
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == '{"n": 1}\n{"n": 2}\n'


def test_holding_returns_the_run_folder_of_a_checkpoint(tmp_path: Path) -> None:
    assert RunFolder.holding(tmp_path / "run" / "checkpoints" / "f") == tmp_path / "run"
    assert RunFolder.holding(tmp_path / "elsewhere" / "f") is None
