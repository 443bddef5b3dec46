"""Each benchmark runs and reports what it promises; no test depends on a time."""

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
def test_a_quick_comparison_prints_a_row_for_each_cell_with_what_is_installed(
    tmp_path: Path,
) -> None:
    report = tmp_path / "quick.json"
    command = [sys.executable, BENCHMARKS / "comparison.py", "--quick", "--json", report]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads(report.read_text())["cells"]
    assert len(cells) == 4
    installed = {
        library
        for library, packages in {
            "PyTorch": ["torch"],
            "ONNX Runtime": ["onnxruntime", "onnx"],
            "OpenVINO": ["openvino", "onnx"],
        }.items()
        if all(map(importlib.util.find_spec, packages))
    }
    for cell in cells:
        ours, *others = cell["rows"]
        assert ours["row"] == "alexnet-native"
        assert ours["peak_bytes"] > 20 * 2**20
        assert f"| {cell['precision']} | `{cell['net']}` | " in done.stdout
        expected = installed & ({"PyTorch"} if cell["task"] == "train" else installed)
        assert {row["row"].split(",")[0].removesuffix(" eager") for row in others} >= expected
        # Nothing that is installed fails; compiled rows are left out of a quick run.
        for name, reason in cell["left_out"].items():
            assert "not installed" in reason or name.startswith("torch.compile"), reason
        for name in cell["left_out"]:
            assert f"- {name}: " in done.stdout
    training = cells[0]["rows"][0]
    assert cells[0]["cell"] == "train/alexnet/fp32"
    assert training["peak_bytes"] > 2 * 60_965_224 * 4  # weights and momentum
    assert len(training["rounds"]) == 1


@pytest.mark.slow
def test_the_function_for_comparisons_offers_training_and_inference() -> None:
    spec = importlib.util.spec_from_file_location("peer", BENCHMARKS / "peer.py")
    assert spec is not None and spec.loader is not None
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    for net in ("paper", "one-tower", "torchvision"):
        probabilities = peer.step(net, "infer", batch=1, threads=1)()
        assert probabilities.shape == (1, 1000)
    before = peer.step("paper", "train", batch=2, threads=1)().loss
    assert 0 < before < 20
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
