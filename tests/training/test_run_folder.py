"""The run folder: which checkpoints are kept, and what happens to an existing run."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native import checkpoint
from alexnet_native.errors import CheckpointError, ConfigError
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


def save_net(folder: RunFolder, step: int, *, best: bool = False) -> Path:
    net = tiny.net(seed=step)
    net.step = step
    return folder.save(step, lambda path: checkpoint.save(path, net), best=best)


def continue_at(path: Path, name: str, step: int, **state: Any) -> RunFolder:
    folder = RunFolder(path, 5)
    folder.continue_at(
        "config",
        "net",
        state=RunState(**state),
        checkpoint=checkpoint.find(folder.checkpoints / name),
        step=step,
    )
    return folder


def copied(tmp_path: Path) -> Path:
    """A run folder with copies instead of symbolic links: steps 1 (best), 2 and 3 (latest)."""
    folder = start(tmp_path / "run", keep=5)
    for step in (1, 2, 3):
        save_net(folder, step, best=step == 1)
    shutil.copytree(tmp_path / "run", tmp_path / "copy", symlinks=False)
    assert not (tmp_path / "copy" / "checkpoints" / "latest").is_symlink()
    return tmp_path / "copy"


def steps(path: Path) -> dict[str, int]:
    folder = path / "checkpoints"
    return {file.name: checkpoint.load(file).step for file in sorted(folder.iterdir())}


FILE = "step-0000000{}.safetensors".format


def test_copies_of_checkpoints_become_links_again(tmp_path: Path) -> None:
    path = copied(tmp_path)
    continue_at(path, "latest", 3)
    assert steps(path) == {"best": 1, "latest": 3, FILE(1): 1, FILE(2): 2, FILE(3): 3}
    for name, step in (("latest", 3), ("best", 1)):
        assert (path / "checkpoints" / name).readlink() == Path(FILE(step))


@pytest.mark.parametrize("name", ["latest", "best"])
def test_a_copy_that_is_the_only_checkpoint_is_kept(tmp_path: Path, name: str) -> None:
    path = copied(tmp_path)
    step = 3 if name == "latest" else 1
    for file in [*(path / "checkpoints").iterdir()]:
        if file.name != name:
            file.unlink()
    continue_at(path, name, step)
    expected = {"latest": step, FILE(step): step}
    assert steps(path) == (expected if name == "latest" else {**expected, "best": 1})
    assert checkpoint.find(path).name == FILE(step)


def test_an_earlier_checkpoint_of_a_copied_folder_can_be_continued(tmp_path: Path) -> None:
    path = copied(tmp_path)
    continue_at(path, FILE(2), 2)
    assert steps(path) == {"best": 1, "latest": 2, FILE(1): 1, FILE(2): 2}


def test_the_copy_replaces_a_damaged_checkpoint_of_the_same_step(tmp_path: Path) -> None:
    path = copied(tmp_path)
    (path / "checkpoints" / FILE(3)).write_bytes(b"damaged")
    (path / "checkpoints" / FILE(1)).write_bytes(b"damaged")
    continue_at(path, "latest", 3)
    assert checkpoint.load(path / "checkpoints" / FILE(3)).step == 3
    assert checkpoint.load(path / "checkpoints" / "best").step == 1
    assert (path / "checkpoints" / FILE(1)).read_bytes() == b"damaged"


def test_a_damaged_copy_does_not_stop_the_run(tmp_path: Path) -> None:
    path = copied(tmp_path)
    for name in ("latest", "best"):
        (path / "checkpoints" / name).write_bytes(b"damaged")
    continue_at(path, FILE(3), 3)
    assert (path / "checkpoints" / "latest").readlink() == Path(FILE(3))


def test_a_folder_copied_without_its_links_has_its_newest_checkpoint(tmp_path: Path) -> None:
    path = copied(tmp_path)
    for name in ("latest", "best"):
        (path / "checkpoints" / name).unlink()
    for place in (path, path / "checkpoints"):
        assert checkpoint.find(place).name == FILE(3)
    continue_at(path, FILE(3), 3)
    assert steps(path)["latest"] == 3


def test_without_symbolic_links_the_run_folder_works_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*words: Any, **more: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = start(tmp_path / "run", keep=1)
    for step in (1, 2, 3):
        save_net(folder, step, best=step == 1)
    assert steps(folder.path) == {"best": 1, "latest": 3, FILE(1): 1, FILE(3): 3}
    assert folder.latest() == folder.checkpoints / FILE(3)
    assert checkpoint.find(folder.path) == folder.checkpoints / FILE(3)
    (folder.checkpoints / FILE(3)).unlink()
    with pytest.raises(CheckpointError, match=r"points to step-00000003\.safetensors"):
        checkpoint.find(folder.path)
    continue_at(folder.path, FILE(1), 1)
    assert steps(folder.path) == {"best": 1, "latest": 1, FILE(1): 1}
    RunFolder(folder.path, 1).start("config", "net", overwrite=True)
    assert names(folder) == []


def test_logs_that_are_too_short_are_an_error_and_nothing_is_changed(tmp_path: Path) -> None:
    path = copied(tmp_path)
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with pytest.raises(CheckpointError, match="fewer lines"):
        continue_at(path, FILE(2), 2, metrics_lines=1)
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_latest_is_never_missing_if_continuing_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start(tmp_path / "run", keep=5)
    for step in (1, 2, 3):
        folder.metrics.append({"n": step})
        save_net(folder, step, best=step == 3)
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        real(path, missing_ok)
        if path.name == FILE(3):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(KeyboardInterrupt):
        continue_at(folder.path, FILE(2), 2, metrics_lines=2)
    monkeypatch.undo()
    assert checkpoint.find(folder.path).name == FILE(2)
    continue_at(folder.path, "latest", 2, metrics_lines=2)
    assert steps(folder.path) == {"latest": 2, FILE(1): 1, FILE(2): 2}


def test_a_deleted_checkpoint_folder_is_made_again(tmp_path: Path) -> None:
    folder = start(tmp_path / "run")
    save(folder, 1, best=True)
    shutil.rmtree(folder.checkpoints)
    save(folder, 2)
    assert names(folder) == ["latest", "step-00000002.safetensors"]
    shutil.rmtree(folder.path)
    folder.metrics.append({"n": 3})
    save(folder, 3, best=True)
    assert names(folder) == ["best", "latest", "step-00000003.safetensors"]
    assert folder.metrics.read() == [{"n": 3}]


def test_runs_started_in_the_same_second_have_their_own_folders(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "net-data-20260101-000000"
    folders = [RunFolder(path, 2, numbered=True) for _ in range(3)]
    for number, folder in enumerate(folders):
        folder.start(f"config {number}", "net")
        save(folder, number)
    ends = ["", "-2", "-3"]
    assert [folder.path.name for folder in folders] == [path.name + end for end in ends]
    for number, folder in enumerate(folders):
        assert (folder.path / "config.toml").read_text() == f"config {number}"
        assert names(folder) == ["latest", f"step-0000000{number}.safetensors"]


HOLD = """
import sys, time
from pathlib import Path
from alexnet_native.training.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]), 2)
folder.start("first", "net")
folder.save(1, lambda path: path.write_text("1") and None)
print("begun", flush=True)
time.sleep(120)
"""


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "run"
    words = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=tiny.environment()) as first:
        assert first.stdout
        assert first.stdout.readline() == b"begun\n"
        try:
            before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
            with pytest.raises(ConfigError, match=r"another alexnet-native train.*run.*--out"):
                RunFolder(path, 2).start("second", "net", overwrite=True)
            with pytest.raises(ConfigError, match="another alexnet-native train"):
                continue_at(path, "latest", 1)
            assert {f: f.read_bytes() for f in path.rglob("*") if f.is_file()} == before
        finally:
            first.send_signal(signal.SIGKILL)
    RunFolder(path, 2).start("second", "net", overwrite=True)
    assert (path / "config.toml").read_text() == "second"
