"""`train --recipe paper`, shortened: through drops of the rate, killed, resumed, ten views."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny
from safetensors.numpy import load_file

# Small pictures and a small network take the paper's place; patience 1 makes the drops early.
SHORTER = (
    "net.net=net.toml", "data.data=data.npz", "data.scale=0.02", "training.batch_size=8",
    "training.epochs=9", "schedule.schedule_patience=1", "output.checkpoint_every=1",
    "output.keep=100",
)  # fmt: skip
STEPS_AN_EPOCH = 10

# The command in a process that kills itself: after a step, or in the evaluation at the end.
DRIVER = """
import os, signal, sys
from alexnet_native.cli import main
from alexnet_native.training import evaluation, progress

def die(*args, **words):
    os.kill(os.getpid(), signal.SIGKILL)

at = sys.argv[1]
if at == "end":
    evaluation.measure_split = die
else:
    progress.Lines.step = lambda self, now, last: die() if now.step == int(at) else None
sys.exit(main(sys.argv[2:]))
"""


def words(out: Path) -> list[str]:
    changes = [word for change in SHORTER for word in ("--set", change)]
    return tiny.placed("train", "--recipe", "paper", *changes, "--out", out)


def place_of(folder: Path) -> Path:
    tiny.write_net(folder / "net.toml")
    tiny.write_npz(folder / "data.npz", train=80)
    return folder


def killed(at: object, arguments: Sequence[str], folder: Path) -> None:
    done = tiny.run_code(DRIVER, at, *arguments, cwd=folder)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing disturbed; its output lies in ``output``."""
    folder = place_of(tmp_path_factory.mktemp("whole"))
    done = tiny.run(*words(folder / "run"), cwd=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    (folder / "run" / "output").write_text(done.stdout)
    return folder / "run"


def rates(run: Path) -> list[float]:
    return [line["lr"] for line in tiny.lines(run / "parameters.jsonl")]


def drops(run: Path) -> list[int]:
    """Epochs done when the rate fell."""
    found = rates(run)
    return [epoch for epoch in range(1, len(found)) if found[epoch] < found[epoch - 1]]


def table(output: str) -> list[str]:
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("evaluating"))
    end = next(i for i, line in enumerate(lines) if line.startswith("done after"))
    return lines[start:end]


def require_equal(run: Path, whole: Path) -> None:
    for name in ("metrics.jsonl", "parameters.jsonl"):
        assert tiny.timeless(tiny.lines(run / name)) == tiny.timeless(tiny.lines(whole / name))
    assert (run / "evaluation.json").read_bytes() == (whole / "evaluation.json").read_bytes()
    ours, theirs = (load_file(folder / "checkpoints" / "latest") for folder in (run, whole))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


def test_the_rate_falls_by_ten_at_plateaus_and_the_run_ends_with_ten_views(whole: Path) -> None:
    output = (whole / "output").read_text()
    assert "recipe: paper, with 6 deviations:" in output
    assert 2 <= len(drops(whole)) <= 3  # else the tests below show less than they say
    values = sorted(set(rates(whole)), reverse=True)
    assert values == pytest.approx([10.0**-2, 10.0**-3, 10.0**-4, 10.0**-5][: len(values)])
    validation = [line for line in tiny.lines(whole / "metrics.jsonl") if line["split"] == "val"]
    errors = [line["top1_error"] for line in validation]
    for epoch in drops(whole):
        assert errors[epoch - 1] >= min(errors[: epoch - 1])  # it had stopped improving
        assert output.count(f"learning rate changes from {rates(whole)[epoch - 1]:g} to ") == 1
    assert table(output)[0] == "evaluating 21 images with 10 views"
    assert table(output)[-1].endswith("the recipe paper, which this run follows with 6 deviations")
    result = json.loads((whole / "evaluation.json").read_text())
    assert result["step"] == 9 * STEPS_AN_EPOCH and result["recipe"] == "paper"
    assert [part["views"] for part in result["results"]] == [1, 10]
    assert result["results"][0]["top1_error"] == pytest.approx(errors[-1], abs=1e-12)


@pytest.mark.parametrize(("drop", "after"), [(0, 0), (0, 1), (1, 0), (1, 3)])
def test_a_run_killed_across_a_drop_goes_on_bit_by_bit(
    tmp_path: Path, whole: Path, drop: int, after: int
) -> None:
    # 0 steps after: the last step of the epoch, whose checkpoint and drop are still to come.
    step = drops(whole)[drop] * STEPS_AN_EPOCH + after
    folder = place_of(tmp_path)
    killed(step, words(folder / "run"), folder)
    latest = (folder / "run" / "checkpoints" / "latest").readlink().name
    assert latest == f"step-{step - 1:08d}.safetensors"
    done = tiny.run("train", "--resume", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    require_equal(folder / "run", whole)
    assert table(done.stdout) == table((whole / "output").read_text())


def test_a_run_killed_in_its_evaluation_is_evaluated_when_resumed(
    tmp_path: Path, whole: Path
) -> None:
    folder = place_of(tmp_path)
    killed("end", words(folder / "run"), folder)
    assert not (folder / "run" / "evaluation.json").exists()
    done = tiny.run("train", "--resume", "run", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    require_equal(folder / "run", whole)
    head, checkpoint, _ = done.stdout.splitlines()[-3:]
    assert head.startswith("done after 90 steps: validation error ")
    assert checkpoint.startswith(f"checkpoint: {folder / 'run' / 'checkpoints' / 'latest'}")
    again = tiny.run("train", "--resume", "run", cwd=folder)
    assert "nothing to do: all 90 steps" in again.stdout and "evaluating" not in again.stdout


@pytest.mark.slow
def test_the_commands_of_the_recipes_page_do_what_it_says(shared: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
    section = page[page.index("## Example") :]
    block = section.split("```")[1].replace("\\\n", " ")
    preparing, training = (shlex.split(line)[1:] for line in block.strip().splitlines())
    (tmp_path / "photos").symlink_to(shared / "data" / "photos")
    assert tiny.run(*preparing, cwd=tmp_path).returncode == 0
    whole = tmp_path / "whole"
    done = tiny.spawn(tiny.command(*training, "--out", whole), cwd=tmp_path, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
    (whole / "output").write_text(done.stdout)
    assert "recipe: paper, with 5 deviations:" in done.stdout
    assert len(drops(whole)) == 3
    one, ten = table(done.stdout)[3], table(done.stdout)[4:6]
    assert re.match(r"photos, val +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ +\d+\.\d+$", one)
    assert [row.split()[-1] for row in ten] == ["17.0", "18.2"]

    run = tmp_path / "run"
    steps = 22 * drops(whole)[0] + 5  # 3 steps after the first drop is on the disk
    words = [*training, "--set", "output.checkpoint_every=3", "--out", str(run)]
    killed(steps, words, tmp_path)
    done = tiny.spawn(tiny.command("train", "--resume", run), cwd=tmp_path, timeout=900)
    assert (done.returncode, done.stderr) == (0, "")
    assert (run / "evaluation.json").read_bytes() == (whole / "evaluation.json").read_bytes()
    assert rates(run) == rates(whole)
