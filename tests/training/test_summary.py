"""The last lines of a run: errors with their epochs, the checkpoint, and the next command."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native.training import prepare, resume
from alexnet_native.training.banner import summary
from alexnet_native.training.trainer import Run
from PIL import Image
from placements import FIRST


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    return {
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
        "devices": (FIRST,),
        "epochs": 3,
    }


def ended(run: Run) -> list[str]:
    return list(summary(run, run.trainer.run()))


def write_errors(run: Path, *errors: float) -> None:
    """Replaces the measured validation errors, one for each epoch."""
    rows = [
        {"split": "val", "epoch": epoch, "step": 5 * epoch, "top1_error": error}
        for epoch, error in enumerate(errors, start=1)
    ]
    (run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ((0.5, 0.25, 0.375), "validation error 37.50 % (epoch 3), lowest 25.00 % (epoch 2)"),
        ((0.5, 0.25, 0.125), "validation error 12.50 % (epoch 3), the lowest so far"),
        ((0.5,), "validation error 50.00 % (epoch 1)"),
        ((0.25, 0.25, 0.25), "validation error 25.00 % (epoch 3), lowest 25.00 % (epoch 1)"),
    ],
)
def test_the_summary_shows_the_last_and_the_lowest_error_with_their_epochs(
    tmp_path: Path, given: dict[str, Any], errors: tuple[float, ...], words: str
) -> None:
    run = prepare(given, out=tmp_path / "run")
    outcome = run.trainer.run()
    write_errors(tmp_path / "run", *errors)
    run.trainer.state.best_error = min(errors)
    assert next(summary(run, outcome)) == f"done after 15 steps: {words}"


def test_the_lowest_error_can_be_from_before_resuming_into_another_folder(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    prepare({**given, "steps": 5, "lr": 1e-9}, out=tmp_path / "run").trainer.run()
    run = resume(tmp_path / "run", {"steps": 0}, out=tmp_path / "rest")
    run.trainer.state.best_error = 0.0
    head = ended(run)[0]
    assert head.endswith(" % (epoch 3), lowest 0.00 % (before resuming)")


def test_an_error_within_an_epoch_is_not_compared_with_those_of_whole_epochs(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    run = prepare({**given, "steps": 3}, out=tmp_path / "run")
    head, checkpoint, _ = ended(run)
    assert head.startswith("done after 3 steps: validation error ") and head.endswith(" (epoch 1)")
    assert checkpoint == f"checkpoint: {tmp_path / 'run' / 'checkpoints' / 'latest'}"


def test_the_summary_shows_the_best_checkpoint_if_it_is_not_the_last(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    run = prepare(given, out=tmp_path / "run")
    outcome = run.trainer.run()
    saved = tmp_path / "run" / "checkpoints"
    for file, words in (
        (saved / "step-00000010.safetensors", f"; best epoch: {saved / 'best'}"),
        (saved / "step-00000015.safetensors", ""),
    ):
        (saved / "best").unlink()
        (saved / "best").symlink_to(file.name)
        _, checkpoint, _ = summary(run, outcome)
        assert checkpoint == f"checkpoint: {saved / 'latest'}{words}"
        assert (saved / "latest").exists() and file.exists()


def test_without_validation_images_the_summary_shows_the_training_error(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    images, labels = tiny.arrays(16)
    np.savez(tmp_path / "train.npz", images=images, labels=labels)
    data = str(tmp_path / "train.npz")
    head, _, last = ended(prepare({**given, "data": data, "log_every": 1}, out=tmp_path / "run"))
    assert head.startswith("done after 6 steps: training error ")
    assert head.endswith(" % in the last step (no validation images)")
    # There are no images to evaluate, so the next command is predict.
    start = "next, with your own image: alexnet-native predict "
    assert last.startswith(start) and " photo.jpg" in last


def test_after_a_final_evaluation_the_next_command_is_predict(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    *_, last = ended(prepare({**given, "final_views": 10}, out=tmp_path / "run"))
    assert last.startswith("next, with your own image: alexnet-native predict ")


def test_on_gpus_the_next_command_uses_the_devices_of_one_replica(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    run = prepare({**given, "steps": 1}, out=tmp_path / "run")
    outcome = run.trainer.run()
    for devices, replicas, words in (
        (("cuda:0", "cuda:1"), 2, " --views 10 --devices cuda:0"),
        (("cuda:0", "cuda:1"), 1, " --views 10 --devices cuda:0,cuda:1"),
        (("cpu:0", "cpu:1"), 1, " --views 10"),
    ):
        config = replace(run.config, devices=devices, replicas=replicas)
        *_, last = summary(replace(run, config=config), outcome)
        assert last == f"next: alexnet-native evaluate {tmp_path / 'run'}{words}"


def runs(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command at the end of a line, in a shell, with this installation's program."""
    command = line[line.index("alexnet-native ") :].removeprefix("alexnet-native ")
    program = shlex.join([sys.executable, "-m", "alexnet_native"])
    return tiny.spawn(["sh", "-c", f"{program} {command}"], cwd=cwd, timeout=120)


def test_the_printed_commands_work_with_a_space_in_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "my photos"
    folder.mkdir()
    tiny.write_net(folder / "net.toml")
    tiny.write_npz(folder / "data.npz")
    Image.fromarray(tiny.arrays(1)[0][0]).save(folder / "photo.jpg")
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--out", "it's a run")
    done = tiny.run(*words, "--epochs", 2, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    *_, checkpoint, last = done.stdout.splitlines()
    assert (folder / checkpoint.split("; ")[0].removeprefix("checkpoint: ")).exists()
    assert last.startswith("next: alexnet-native evaluate 'it'\"'\"'s a run' --views 10")
    evaluated = runs(last, folder)
    assert evaluated.returncode == 0 and evaluated.stdout.startswith("21 images, 10 views: ")

    nothing = tiny.run("train", "--resume", "it's a run", cwd=folder).stdout.splitlines()[-1]
    assert nothing.startswith("train longer with: ")
    longer = runs(nothing, folder)
    assert longer.returncode == 0 and "done after 20 steps: " in longer.stdout

    final = tiny.run(
        *words, "--overwrite", "--epochs", 1, "--final-views", 1, cwd=folder
    ).stdout.splitlines()[-1]
    predicted = runs(final, folder)
    assert predicted.returncode == 0 and predicted.stdout.startswith("photo.jpg\n")


@pytest.mark.parametrize("steps", [7, 15])
def test_the_printed_command_trains_a_run_limited_by_steps_longer(
    tmp_path: Path, steps: int
) -> None:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--out=-run", "--epochs", 3)
    assert tiny.run(*words, "--steps", steps, cwd=tmp_path).returncode == 0
    nothing = tiny.run("train", "--resume=-run", cwd=tmp_path).stdout.splitlines()
    start = f"nothing to do: all {steps} steps are done; validation error "
    assert any(line.startswith(start) for line in nothing)
    longer = runs(nothing[-1], tmp_path)
    assert longer.returncode == 0, longer.stderr
    assert f"done after {14 if steps == 7 else 30} steps: " in longer.stdout


STOPPED = """
import os, signal, sys
from alexnet_native.cli import main
from alexnet_native.training import progress

def stop(self, now, last):
    if now.step == 7:
        os.kill(os.getpid(), signal.SIGINT)

progress.Lines.step = stop
sys.exit(main(sys.argv[1:]))
"""


def test_the_last_line_of_a_stopped_run_is_the_command_that_continues_it(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    tiny.write_net(folder / "net.toml")
    tiny.write_npz(folder / "data.npz")
    words = ("train", "--net", "net.toml", "--data", "data.npz", "--out", "my run")
    done = tiny.run_code(STOPPED, *tiny.placed(*words), cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    head, checkpoint, last = done.stdout.splitlines()[-3:]
    assert head.startswith("stopped after 7 of 15 steps: validation error ")
    saved = "my run/checkpoints"
    assert checkpoint == f"checkpoint: {saved}/latest; best epoch: {saved}/best"
    assert last == "continue with: alexnet-native train --resume 'my run'"
    rest = runs(last, folder)
    assert rest.returncode == 0 and "done after 15 steps: " in rest.stdout
    assert signal.SIGINT.name in done.stdout
