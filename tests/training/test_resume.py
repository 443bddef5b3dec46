"""N steps are k steps, an end of any kind, a resume and N - k steps: byte for byte."""

from __future__ import annotations

import os
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

# 37 images in batches of 8: 5 steps an epoch, the last of 5 images. A schedule with a state, noise
# that ends, rates that change and dropout, so that everything that could be forgotten is in use.
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


def go_on(path: Path, folder: Path, **changes: Any) -> Outcome:
    data = str(tiny.write_npz(folder / "data.npz"))
    return resume(path, {"data": data, **changes}).trainer.run()


def require_equal(run: Path, whole: Path) -> None:
    """Weights, momentum, position and logs; the checkpoint but for the path of the data."""
    for name in ("metrics.jsonl", "parameters.jsonl"):
        assert tiny.timeless(tiny.lines(run / name)) == tiny.timeless(tiny.lines(whole / name))
    ours, theirs = (load_file(folder / "checkpoints" / "latest") for folder in (run, whole))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].tobytes() == value.tobytes(), name
    names = [(folder / "checkpoints" / "latest").readlink().name for folder in (run, whole)]
    assert names == [f"step-{STEPS:08d}.safetensors"] * 2


@pytest.mark.parametrize("k", [1, 3, 5, 7, 10, 14])
def test_a_training_stopped_after_k_steps_goes_on_bit_by_bit(
    tmp_path: Path, whole: Path, k: int
) -> None:
    run = begin(tmp_path, tmp_path / "run", steps=k)
    assert tiny.lines(run / "metrics.jsonl")[-1]["step"] == k
    outcome = go_on(run, tmp_path, steps=0)
    assert outcome.step == STEPS
    require_equal(run, whole)


def test_an_equal_training_writes_equal_files(tmp_path: Path) -> None:
    data = str(tiny.write_npz(tmp_path / "data.npz"))
    net = str(tiny.write_net(tmp_path / "net.toml"))
    files = []
    for name, steps in (("one", 0), ("two", 7)):
        given = {**SETTINGS, "net": net, "data": data, "steps": steps}
        prepare(given, out=tmp_path / name).trainer.run()
        resume(tmp_path / name, {"steps": 0}).trainer.run()
        files.append((tmp_path / name / "checkpoints" / "latest").read_bytes())
    assert files[0] == files[1]


def test_any_earlier_checkpoint_of_the_run_can_be_resumed(tmp_path: Path, whole: Path) -> None:
    run = begin(tmp_path, tmp_path / "run")
    go_on(run / "checkpoints" / "step-00000004.safetensors", tmp_path)
    require_equal(run, whole)


def test_a_training_resumed_into_another_folder_ends_in_the_same_weights(
    tmp_path: Path, whole: Path
) -> None:
    run = begin(tmp_path, tmp_path / "run", steps=8)
    before = (run / "metrics.jsonl").read_bytes()
    data = str(tmp_path / "data.npz")
    resume(run, {"steps": 0, "data": data}, out=tmp_path / "rest").trainer.run()
    ours, theirs = (load_file(f / "checkpoints" / "latest") for f in (tmp_path / "rest", whole))
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)
    assert (run / "metrics.jsonl").read_bytes() == before
    rest = tiny.timeless(tiny.lines(tmp_path / "rest" / "metrics.jsonl"))
    assert rest == tiny.timeless(tiny.lines(whole / "metrics.jsonl"))[-len(rest) :]


# The process kills itself at the given step of the training, or in the middle of writing a
# checkpoint: SIGKILL leaves it no time to do anything more.
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
def test_a_killed_training_goes_on_bit_by_bit(
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
    go_on(run, tmp_path)
    require_equal(run, whole)
    assert not list(run.glob("**/.*"))


class Interrupter(Silent):
    """Presses Ctrl-C (or sends another signal) at a step; again at the next when `twice`."""

    def __init__(self, step: int, number: int = signal.SIGINT, twice: bool = False) -> None:
        self.at, self.number, self.twice, self.said = step, number, twice, [""]

    def step(self, now: Any, last_step: int) -> None:
        if now.step == self.at:
            for _ in range(1 + self.twice):
                os.kill(os.getpid(), self.number)

    def line(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [2, 5])  # the second is the last of its epoch
def test_an_interrupted_training_saves_and_goes_on_bit_by_bit(
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
    assert f"{signal.Signals(number).name}: stopping after this step" in show.said[-1]
    assert outcome.checkpoint == run / "checkpoints" / f"step-{step:08d}.safetensors"
    go_on(run, tmp_path, checkpoint_every=1)
    require_equal(run, whole)


def test_a_second_ctrl_c_stops_at_once_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = {**SETTINGS, "net": str(tiny.write_net(tmp_path / "net.toml"))}
    given["data"] = str(tiny.write_npz(tmp_path / "data.npz"))
    with pytest.raises(KeyboardInterrupt):
        prepare(given, out=run, show=Interrupter(4, twice=True)).trainer.run()
    assert (run / "checkpoints" / "latest").readlink().name == "step-00000003.safetensors"


def test_more_epochs_can_be_added_to_a_finished_training(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    assert go_on(run, tmp_path).step == 5
    assert go_on(run, tmp_path, epochs=2).step == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 5}, "classes was 4 when this training began and cannot become 5"),
        ({"batch_size": 4}, "batch_size was 8"),
        ({"seed": 4}, "seed was 0"),
        ({"nothing": 4}, "no setting nothing"),
        ({"data": "demo:20:10"}, "demo:20:10 is not the data .* then there were 37 of 4"),
        ({"freeze": ("conv9",)}, "no layer conv9"),
    ],
)
def test_what_cannot_change_on_resuming_is_refused_and_the_run_stays(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=message):
        go_on(run, tmp_path, **changes)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_network_saved_from_python_is_no_training_to_resume(tmp_path: Path) -> None:
    tiny.net().save(tmp_path / "f")
    with pytest.raises(CheckpointError, match="no training to resume"):
        resume(tmp_path / "f", {})


def test_a_checkpoint_outside_a_run_folder_needs_a_place_for_the_rest(tmp_path: Path) -> None:
    run = begin(tmp_path, tmp_path / "run", epochs=1)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((run / "checkpoints" / "latest").read_bytes())
    with pytest.raises(ConfigError, match="--out"):
        go_on(moved, tmp_path)
