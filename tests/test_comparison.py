"""The table of benchmarks/step.py --peers, on figures that the test made up: nothing is timed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("comparison", BENCHMARKS / "comparison.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "comparison", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "available", lambda row, precision: True)
    return module


def test_every_target_has_a_cell(comparison: ModuleType) -> None:
    targets = {name: cell.target for name, cell in comparison.CELLS.items()}
    assert len(targets) == 16
    assert targets["train/alexnet/bf16"] == 2.0
    assert targets["infer-128/alexnet-single/bf16"] == 1.1
    assert targets["infer-1/alexnet-single/fp32"] == 1.2
    rows = [row.name for row in comparison.CELLS["train/alexnet/fp32"].rows]
    assert rows == [
        "ours", "torch", "torch tuned", "torch-nhwc", "torch-nhwc tuned", "torch-compile",
        "torch-compile tuned",
    ]  # fmt: skip


def test_the_best_peer_counts_and_slow_ones_are_measured_once(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = {"ours": 2.0, "torch": 6.0, "torch tuned": 4.2, "torch-nhwc tuned": 4.0}
    asked: list[str] = []

    def fake(name: str, row: Any, batch: int, threads: int, steps: int, quiet: float) -> Any:
        asked.append(row.name)
        if row.name == "torch-compile":
            return {"error": "no compiler"}
        times = [seconds.get(row.name, 9.0)] * steps
        return {"seconds": times, "peak_bytes": 100 if row.name == "ours" else 400, "others": 0.0}

    monkeypatch.setattr(comparison, "in_process", fake)
    cell = comparison.run_cell("train/alexnet/fp32", batch=None, threads=2, rounds=3, quiet=0)
    assert cell["best"] == "torch-nhwc tuned"
    assert cell["ratio"] == pytest.approx(2.0)
    assert cell["memory_ratio"] == pytest.approx(0.25)
    assert cell["errors"] == {"torch-compile": "no compiler"}
    assert asked.count("ours") == asked.count("torch tuned") == asked.count("torch-nhwc tuned") == 3
    assert asked.count("torch") == asked.count("torch-compile") == 1
    assert all(len(r["seconds"]) >= 5 for r in cell["rows"] if r["processes"] == 3)
    comparison.targets([cell])
    printed = capsys.readouterr().out
    assert "against torch-nhwc tuned: 2.00 (target 1.6); memory / eager 0.25" in printed
    assert "yes" in printed
