"""The benchmarks run: a timing is not a test, but a script that has rotted is a bug."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
@pytest.mark.parametrize("row", ["ours", "torch"])
def test_the_step_benchmark_reports_each_row(row: str, tmp_path: Path) -> None:
    if row == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    report = tmp_path / "step.json"
    command = [
        *(sys.executable, BENCHMARKS / "step.py", "--nets", "alexnet", "--rows", row),
        *("--batch", "2", "--rounds", "2", "--steps", "1", "--threads", "1", "--json", report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(report.read_text())["rows"]
    assert result["row"] == row and len(result["rounds"]) == 2
    # 4.14 GFLOP an image (724,406,816 multiply-adds, three passes less the image's gradient).
    flops = 2 * (3 * 724_406_816 - 105_415_200)
    assert result["gflops"] == pytest.approx(result["images_per_second"] * flops / 1e9)
    assert result["peak_bytes"] > 2 * 60_965_224 * 4  # weights and momentum


@pytest.mark.slow
def test_the_door_for_comparisons_offers_training_and_inference() -> None:
    spec = importlib.util.spec_from_file_location("peer", BENCHMARKS / "peer.py")
    assert spec is not None and spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    for net in ("paper", "one-tower", "torchvision"):
        probabilities = peer.step(net, "infer", batch=1, threads=1)()
        assert probabilities.shape == (1, 1000)
    probabilities = peer.step_bf16("paper", "infer", batch=1, threads=1)()
    assert probabilities.dtype == np.float32
    with pytest.raises(ValueError, match="task is 'rest'"):
        peer.step("paper", "rest", batch=1, threads=1)


@pytest.mark.slow
def test_the_prepare_benchmark_reports_both_sides(tmp_path: Path) -> None:
    report = tmp_path / "prepare.json"
    command = [
        *(sys.executable, BENCHMARKS / "data_prepare.py", "--images", "8", "--rounds", "1"),
        *("--workers", "2", "--json", report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(report.read_text())["rows"]
    assert set(rows) == {"ours", "pillow"}
    assert all(row["images_per_second"] > 0 for row in rows.values())


@pytest.mark.slow
def test_the_loader_benchmark_reports_every_side(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    report = tmp_path / "data.json"
    command = [
        *(sys.executable, BENCHMARKS / "data.py", "--images", "600", "--rounds", "1"),
        *("--workers", "2", "--seconds", "0.1", "--json", report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(report.read_text())
    assert len(result["rows"]) == 7
    assert all(row["images_per_second"] > 0 for row in result["rows"].values())
    assert result["copy_bytes_per_second"] > 0


@pytest.mark.slow
def test_the_loader_takes_the_memory_of_its_ring_on_a_set_larger_than_the_machines(
    tmp_path: Path,
) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    report = tmp_path / "memory.json"
    command = [
        *(sys.executable, BENCHMARKS / "data_memory.py", "--seconds", "0.5"),
        *("--gib", str(memory // 2**30 + 8), "--json", report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    r = json.loads(report.read_text())
    assert r["set_bytes"] > memory
    assert r["buffers"] <= 3 + 2
    grown = {kind: r["most"][kind] - r["before"][kind] for kind in ("RssAnon", "RssFile")}
    slack = 32 * 2**20  # the epoch's order, libraries, threads
    assert grown["RssAnon"] < r["buffers"] * r["buffer_bytes"] + slack
    assert grown["RssFile"] < slack
    # A map of the same file does grow, so what is looked at is the right number.
    assert r["mapped_file_bytes"] > r["mapped_images"] * 196_608 / 2
