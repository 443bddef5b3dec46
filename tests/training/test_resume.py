"""A run that was stopped, interrupted or killed and then resumed equals an uninterrupted one."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native.errors import CheckpointError, ConfigError
from alexnet_native.training import Outcome, prepare, resume
from alexnet_native.training.progress import Silent
from safetensors.numpy import load_file

# 37 images in batches of 8: 5 steps per epoch, the last with 5 images. A schedule with a state,
# color noise that ends, rates that change and dropout, so that all parts of the state matter.
SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "schedule": "plateau",
    "schedule_patience": 1,
    "rates": ("*.bias@0=0.02", "conv1.weight@1=0.001", "conv1@2=0"),
    "color_off": 2,
    "log_every": 2,
    "checkpoint_every": 1,
    "lr": 0.03,
    "keep": 50,
}
STEPS = 15


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    return begin(folder, folder / "run")


def begin(folder: Path, out: Path, **changes: Any) -> Path:
    given = {"net": str(tiny.write_net(folder / "net.toml")), **SETTINGS, **changes}
    given["data"] = str(tiny.write_npz(folder / "data.npz"))
    prepare(given, out=out).trainer.run()
    return out


def resumed(path: Path, folder: Path, **changes: Any) -> Outcome:
    data = str(tiny.write_npz(folder / "data.npz"))
    return resume(path, {"data": data, **changes}).trainer.run()


def require_equal(run: Path, whole: Path) -> None:
    """Compares tensors, logs and the name of the last checkpoint."""
    for name in ("metrics.jsonl", "parameters.jsonl"):
        assert tiny.timeless(tiny.lines(run / name)) == tiny.timeless(tiny.lines(whole / name))
    ours, theirs = (load_file(folder / "checkpoints" / "latest") for folder in (run, whole))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].tobytes() == value.tobytes(), name
    names = [(folder / "checkpoints" / "latest").readlink().name for folder in (run, whole)]
    assert names == [f"step-{STEPS:08d}.safetensors"] * 2


@pytest.mark.parametrize("k", [1, 3, 5, 7, 10, 14])
def test_a_run_stopped_after_k_steps_and_resumed_equals_an_uninterrupted_one(
    tmp_path: Path, whole: Path, k: int
) -> None:
    run = begin(tmp_path, tmp_path / "run", steps=k)
    assert tiny.lines(run / "metrics.jsonl")[-1]["step"] == k
    outcome = resumed(run, tmp_path, steps=0)
    assert outcome.step == STEPS
    require_equal(run, whole)


def test_equal_runs_write_equal_files(tmp_path: Path) -> None:
    data = str(tiny.write_npz(tmp_path / "data.npz"))
    net = str(tiny.write_net(tmp_path / "net.toml"))
    files = []
    for name, steps in (("one", 0), ("two", 7)):
        given = {**SETTINGS, "net": net, "data": data, "steps": steps}
        prepare(given, out=tmp_path / name).trainer.run()
        resume(tmp_path / name, {"steps": 0}).trainer.run()
        files.append((tmp_path / name / "checkpoints" / "latest").read_bytes())
    assert files[0] == files[1]


def test_a_run_can_be_resumed_from_an_earlier_checkpoint(tmp_path: Path, whole: Path) -> None:
    run = begin(tmp_path, tmp_path / "run")
    resumed(run / "checkpoints" / "step-00000004.safetensors", tmp_path)
    require_equal(run, whole)


def test_a_run_resumed_into_another_folder_gives_equal_weights(tmp_path: Path, whole: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", steps=8)
    before = (run / "metrics.jsonl").read_bytes()
    data = str(tmp_path / "data.npz")
    resume(run, {"steps": 0, "data": data}, out=tmp_path / "rest").trainer.run()
    ours, theirs = (load_file(f / "checkpoints" / "latest") for f in (tmp_path / "rest", whole))
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    assert (run / "metrics.jsonl").read_bytes() == before
    rest = tiny.timeless(tiny.lines(tmp_path / "rest" / "metrics.jsonl"))
    assert rest == tiny.timeless(tiny.lines(whole / "metrics.jsonl"))[-len(rest) :]


# The process kills itself with SIGKILL at a step, or while it writes a checkpoint.
DRIVER = """
import os, signal, sys
from pathlib import Path
from alexnet_native.checkpoint import safetensors_io
from alexnet_native.training import prepare
from alexnet_native.training.progress import Silent

given, out, when, step = eval(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Killer(Silent):
    def step(self, now, last_step):
        if when == "step" and now.step == step:
            die()

if when == "write":
    def header(tensors, metadata, checksums, real=safetensors_io._header):
        if any(checksums.values()) and out.joinpath(
            "checkpoints", f".step-{step:08d}.safetensors.partial"
        ).exists():
            die()
        return real(tensors, metadata, checksums)
    safetensors_io._header = header

prepare(given, out=out, show=Killer()).trainer.run()
"""


@pytest.mark.parametrize(("when", "step"), [("step", 3), ("step", 8), ("write", 5), ("write", 12)])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, whole: Path, when: str, step: int
) -> None:
    run = tmp_path / "run"
    given = {
        **SETTINGS,
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
    }
    words = [sys.executable, "-c", DRIVER, repr(given), str(run), when, str(step)]
    killed = subprocess.run(words, env=tiny.environment(), timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    last = (run / "checkpoints" / "latest").readlink().name
    assert last == f"step-{step - 1:08d}.safetensors"
    resumed(run, tmp_path)
    require_equal(run, whole)
    assert not list(run.glob("**/.*"))


class Interrupter(Silent):
    """Sends a signal at a step; with `twice`, sends it again at once."""

    def __init__(self, step: int, number: int = signal.SIGINT, twice: bool = False) -> None:
        self.at, self.number, self.twice, self.lines = step, number, twice, [""]

    def step(self, now: Any, last_step: int) -> None:
        if now.step == self.at:
            for _ in range(1 + self.twice):
                os.kill(os.getpid(), self.number)

    def line(self, text: str) -> None:
        self.lines.append(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [2, 5])  # the second is the last of its epoch
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, whole: Path, step: int, number: int
) -> None:
    run = tmp_path / "run"
    given = {**SETTINGS, "checkpoint_every": 0, "net": str(tiny.write_net(tmp_path / "net.toml"))}
    given["data"] = str(tiny.write_npz(tmp_path / "data.npz"))
    show = Interrupter(step, number)
    handler = signal.getsignal(number)
    outcome = prepare(given, out=run, show=show).trainer.run()
    assert outcome.interrupted and outcome.step == step
    assert signal.getsignal(number) is handler
    assert f"{signal.Signals(number).name}: stopping after this step" in show.lines[-1]
    assert outcome.checkpoint == run / "checkpoints" / f"step-{step:08d}.safetensors"
    resumed(run, tmp_path, checkpoint_every=1)
    require_equal(run, whole)


def test_a_second_ctrl_c_stops_immediately_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = {**SETTINGS, "net": str(tiny.write_net(tmp_path / "net.toml"))}
    given["data"] = str(tiny.write_npz(tmp_path / "data.npz"))
    with pytest.raises(KeyboardInterrupt):
        prepare(given, out=run, show=Interrupter(4, twice=True)).trainer.run()
    assert (run / "checkpoints" / "latest").readlink().name == "step-00000003.safetensors"


def test_more_epochs_can_be_added_to_a_finished_run(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    assert resumed(run, tmp_path).step == 5
    assert resumed(run, tmp_path, epochs=2).step == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 5}, "classes was 4 when this run began and cannot be changed to 5"),
        ({"batch_size": 4}, "batch_size was 8"),
        ({"seed": 4}, "seed was 0"),
        ({"nothing": 4}, "no setting nothing"),
        ({"data": "demo:20:10"}, "demo:20:10 is not the data .* the original had 37 in 4"),
        ({"freeze": ("conv9",)}, "no layer conv9"),
    ],
)
def test_changing_a_fixed_setting_on_resuming_raises_an_error_and_keeps_the_run(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=message):
        resumed(run, tmp_path, **changes)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_net_save_cannot_be_resumed(tmp_path: Path) -> None:
    tiny.net().save(tmp_path / "f")
    with pytest.raises(CheckpointError, match="no training run to resume"):
        resume(tmp_path / "f", {})


def test_resuming_a_checkpoint_outside_a_run_folder_requires_out(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((run / "checkpoints" / "latest").read_bytes())
    with pytest.raises(ConfigError, match="--out"):
        resumed(moved, tmp_path)


def test_a_run_can_be_resumed_in_smaller_parts(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    assert resumed(run, tmp_path, epochs=2, accumulate=2).step == 10
    assert "accumulate = 2" in (run / "config.toml").read_text()
    assert resumed(run, tmp_path, epochs=3).step == 15
    with pytest.raises(ConfigError, match="accumulate is 9; it must be at most batch_size"):
        resumed(run, tmp_path, accumulate=9)


def test_a_copy_without_links_is_resumed_and_equals_an_uninterrupted_run(
    tmp_path: Path, whole: Path
) -> None:
    begin(tmp_path, tmp_path / "run", steps=7)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "run", copy, symlinks=False)
    resumed(copy, tmp_path, steps=0)
    require_equal(copy, whole)
    assert (copy / "checkpoints" / "latest").is_symlink()


def test_a_run_whose_checkpoints_are_deleted_meanwhile_goes_on(tmp_path: Path, whole: Path) -> None:
    run = tmp_path / "run"

    class Deleter(Silent):
        def step(self, now: Any, last_step: int) -> None:
            if now.step == 8:
                shutil.rmtree(run / "checkpoints")

    given = {**SETTINGS, "net": str(tiny.write_net(tmp_path / "net.toml"))}
    given["data"] = str(tiny.write_npz(tmp_path / "data.npz"))
    assert prepare(given, out=run, show=Deleter()).trainer.run().step == STEPS
    require_equal(run, whole)


# Trains for ever; says when the first checkpoint is written.
ENDLESS = """
import sys
from pathlib import Path
from alexnet_native.training import resume
from alexnet_native.training.progress import Silent

class Teller(Silent):
    def step(self, now, last_step):
        if now.step == 7:
            print("begun", flush=True)

resume(Path(sys.argv[1]), {"epochs": 10**6}, show=Teller()).trainer.run()
"""


def test_a_run_that_is_training_in_another_process_is_not_touched(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    words = [sys.executable, "-c", ENDLESS, str(run)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=tiny.environment()) as first:
        try:
            assert first.stdout
            assert first.stdout.readline() == b"begun\n"
            new = ["--net", tmp_path / "net.toml", "--data", tmp_path / "data.npz", "--out", run]
            for options in (["--resume", run], new):
                done = tiny.run("train", *options, "--overwrite", cwd=tmp_path)
                assert "another alexnet-native train is writing to" in tiny.complaint(done)
            done = tiny.run("train", "--resume", run, "--out", tmp_path / "b", "--epochs", 2,
                            cwd=tmp_path)  # fmt: skip
            assert done.returncode == 0, done.stderr
        finally:
            first.send_signal(signal.SIGINT)
            assert first.wait(60) == 0
    steps = [line["step"] for line in tiny.lines(run / "metrics.jsonl") if line["split"] == "train"]
    assert steps == sorted(set(steps))
    assert resumed(run, tmp_path, epochs=1).updates == 0


def test_the_folder_is_free_for_other_processes_after_a_run(tmp_path: Path) -> None:
    given = {**SETTINGS, "epochs": 1, "net": str(tiny.write_net(tmp_path / "net.toml"))}
    given["data"] = str(tiny.write_npz(tmp_path / "data.npz"))
    kept = prepare(given, out=tmp_path / "run")
    kept.trainer.run()
    done = tiny.run("train", "--resume", tmp_path / "run", "--epochs", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert kept.folder is not None


def test_damaged_progress_is_an_error(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    file = (run / "checkpoints" / "latest").resolve()
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    del header["__metadata__"]["header_crc32"]  # as a file of version 0.1.0
    for progress in ("{}", "[]", '{"epoch": 1, "interval": 2}'):
        header["__metadata__"]["progress"] = progress
        text = json.dumps(header).encode()
        file.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
        with pytest.raises(CheckpointError, match="damaged"):
            resumed(run, tmp_path)


def test_data_whose_path_is_not_utf8_can_be_trained_on_and_resumed(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:  # macOS
        pytest.skip("this file system accepts UTF-8 names only")
    data, net = tiny.write_npz(folder / "data.npz"), tiny.write_net(folder / "net.toml")
    given = {**SETTINGS, "net": str(net), "data": str(data), "epochs": 1}
    run = folder / "run"
    prepare(given, out=run).trainer.run()
    assert "caf%E9/data.npz" in (run / "config.toml").read_text(encoding="utf-8")
    assert resume(run, {"epochs": 2}).trainer.run().step == 10
    first = {**given, "init_from": str(run)}
    prepare(first, out=tmp_path / "b").trainer.run()
    assert resume(tmp_path / "b", {"epochs": 2}).trainer.run().step == 10
