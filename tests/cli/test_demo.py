"""The default training, as the README has it, and the two-tower network on real photos."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import tiny

pytestmark = pytest.mark.slow


def train(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return tiny.spawn(tiny.command("train", *words, "--out", "run"), cwd=folder, timeout=1500)


def test_the_demo_alone_ends_far_below_chance(tmp_path: Path) -> None:
    done = train(tmp_path, "--data", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "network: alexnet, 3x224x224 to 10 classes, 56,909,194 parameters" in done.stdout
    errors = [line["top1_error"] for line in tiny.lines(tmp_path / "run" / "metrics.jsonl")]
    assert errors[-1] < 0.5  # of the validation pictures; chance: 0.9
    assert errors[-1] < errors[0]


def test_the_two_tower_network_trains_on_photos_on_two_devices(
    tmp_path: Path, shared: Path
) -> None:
    photos = shared / "data" / "photos"
    if not photos.is_dir():
        pytest.skip(f"there are no photos at {photos}")
    words = ("--net", "alexnet", "--data", photos, "--classes", 10, "--devices", "cpu:0,cpu:1")
    done = train(tmp_path, *words, "--steps", 3, "--batch-size", 8)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2,700 training and 600 validation" in done.stdout
    train_line, val = tiny.lines(tmp_path / "run" / "metrics.jsonl")
    assert (train_line["split"], val["split"], val["step"]) == ("train", "val", 3)
    assert 0 < val["loss"] < 10
