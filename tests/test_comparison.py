"""benchmarks/comparison.py: its selection, its statistics and its tables, on invented times."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from alexnet_native import Net
from alexnet_native.models import Description, describe
from alexnet_native.models.builders import (
    avg_pool,
    conv,
    dense,
    dropout,
    lrn,
    max_pool,
    relu,
    softmax,
)

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PAGE = (ROOT / "docs" / "performance.md").read_text()
MODULES = ("peer", "timing", "frameworks", "comparison_tables", "comparison")


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, imported as the script imports the modules beside it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import comparison

    yield comparison
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def all_installed(comparison: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "missing", lambda library: None)


def settings(comparison: ModuleType, **changes: Any) -> Any:
    plain = {
        "threads": 2, "rounds": 3, "batch": None, "against": tuple(comparison.PACKAGES),
        "compiled": True, "most_steps": 1000, "quiet": 0,
    }  # fmt: skip
    return comparison.Settings(**{**plain, **changes})


def rows_of(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in table.splitlines()
        if row.startswith("| ")
    ]


def test_every_goal_has_a_cell(comparison: ModuleType) -> None:
    goals = {name: cell.goal for name, cell in comparison.CELLS.items()}
    assert len(goals) == 22
    assert goals["train/alexnet/bf16"] == 2.0
    assert goals["infer-128/alexnet-single/bf16"] == 1.1
    assert goals["infer-1/alexnet-single/fp32"] == 1.2
    assert goals["train/cifar10-quick/fp32"] == 1.0
    rows = [row.name for row in comparison.CELLS["train/alexnet/fp32"].rows]
    assert rows == [
        "alexnet-native",
        "PyTorch eager", "PyTorch eager, tuned heap",
        "PyTorch channels_last", "PyTorch channels_last, tuned heap",
        "torch.compile", "torch.compile, tuned heap",
    ]  # fmt: skip


def fake_process(seconds: dict[str, float], calls: list[str], *, otherwise: float = 9.0) -> Any:
    def run(name: str, row: Any, batch: int, threads: int, steps: int, quiet: float) -> Any:
        calls.append(row.name)
        if row.name == "torch.compile":
            return {"error": "no compiler"}
        # Each round is slower than the one before, for all rows alike.
        slower = 1.1 ** (calls.count(row.name) - 1)
        times = [seconds.get(row.name, otherwise) * slower] * steps
        ours = row.library == "alexnet-native"
        return {"seconds": times, "peak_bytes": 100 if ours else 400, "others": 0.0}

    return run


@pytest.mark.usefixtures("all_installed")
def test_the_best_other_row_counts_and_slow_ones_are_measured_once(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    eager, channels_last = "PyTorch eager", "PyTorch channels_last, tuned heap"
    seconds = {"alexnet-native": 2.0, eager: 6.0, f"{eager}, tuned heap": 4.2, channels_last: 4.0}
    calls: list[str] = []
    monkeypatch.setattr(comparison, "in_process", fake_process(seconds, calls))
    cell = comparison.run_cell("train/alexnet/fp32", settings(comparison))
    assert cell["best"] == channels_last
    assert cell["ratio"] == pytest.approx(2.0)
    # The rounds' common slowing down is not in the ratio, so its interval has no width.
    assert cell["interval"] == pytest.approx((2.0, 2.0))
    assert cell["memory_ratio"] == pytest.approx(0.25)
    assert cell["left_out"] == {"torch.compile": "no compiler"}
    for name in ("alexnet-native", f"{eager}, tuned heap", channels_last):
        assert calls.count(name) == 3
    assert calls.count(eager) == calls.count("torch.compile") == 1
    ours = cell["rows"][0]
    assert ours["images_per_second"] == pytest.approx(128 / 2.2)  # of the median round
    # 4.14 GFLOP an image: 724,406,816 multiply-adds, three products of each layer except the
    # first one's gradient with respect to the image.
    flops = 2 * (3 * 724_406_816 - 105_415_200)
    assert ours["gflops"] == pytest.approx(ours["images_per_second"] * flops / 1e9)


def test_the_interval_is_students_on_the_logarithms(comparison: ModuleType) -> None:
    ratio, interval = comparison.timing.ratio([2.0, 4.0, 8.0], [1.0, 1.0, 1.0])
    assert ratio == pytest.approx(4.0)
    half = 4.303 * math.log(2) / math.sqrt(3)  # 3 rounds; the logarithms' deviation is log 2
    assert interval == pytest.approx((4 * math.exp(-half), 4 * math.exp(half)))
    assert comparison.timing.ratio([3.0, 6.0], [2.0, 4.0]) == (pytest.approx(1.5), None)


def test_a_missing_library_is_named_with_its_reason_and_the_rest_is_measured(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = {"torch": "a spec", "onnxruntime": "a spec", "onnx": "a spec"}.get
    monkeypatch.setattr(comparison.importlib.util, "find_spec", find_spec)
    calls: list[str] = []
    monkeypatch.setattr(comparison, "in_process", fake_process({"alexnet-native": 3.0}, calls))
    cell = comparison.run_cell("infer-1/alexnet/fp32", settings(comparison, rounds=1))
    reason = "openvino not installed (pip install '.[bench]')"
    assert cell["left_out"] == {"OpenVINO": reason}
    assert cell["ratio"] == pytest.approx(3.0)
    text = comparison.tables([cell], ABOUT)
    assert f"- OpenVINO: {reason} (infer-1/alexnet/fp32)" in text


ABOUT = {
    "date": "2000-01-02", "processor": "a processor, 2 cores", "versions": "Python 3",
    "settings": "threads: 2, rounds: 3",
}  # fmt: skip


@pytest.mark.usefixtures("all_installed")
def test_the_tables_hold_the_figures(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"alexnet-native": 2.0, "PyTorch eager": 2.5, "1 thread": 3.6, "all threads": 2.0}
    monkeypatch.setattr(comparison, "in_process", fake_process(seconds, []))
    names = ("train/alexnet/fp32", "threads/alexnet/fp32")
    cells = [comparison.run_cell(name, settings(comparison)) for name in names]
    text = comparison.tables(cells, ABOUT)
    assert (
        "| training | 128 | fp32 | `alexnet` | 58.2 | PyTorch eager | 46.5 | 1.25 (1.25 to 1.25) "
        "| 1.6 | 0.25 |" in text
    )
    assert (
        "| `alexnet` | 128 | fp32 | all threads | 58.2 | 1 thread | 32.3 | 1.80 (1.80 to 1.80) "
        "| 1.9 |" in text
    )
    below = "`train/alexnet/fp32` (1.250 of 1.6), `threads/alexnet/fp32` (1.800 of 1.9)"
    assert f"Below the goal: {below}." in text
    assert "- torch.compile: no compiler (train/alexnet/fp32)" in text
    for row in rows_of(text):
        assert len(row) in (len(comparison_columns) for comparison_columns in columns(comparison))


def columns(comparison: ModuleType) -> list[tuple[str, ...]]:
    found = sys.modules["comparison_tables"]
    return [found.RESULTS, found.SCALING, found.ALL_ROWS]


def test_the_page_has_the_tables_that_the_command_prints(comparison: ModuleType) -> None:
    made = sys.modules["comparison_tables"]
    for names in columns(comparison):
        assert PAGE.count(made.header(names)) == 1
    assert made.GOAL in PAGE.replace("\n", " ")
    results = PAGE.partition(made.header(made.RESULTS))[2].partition("\n\n")[0]
    cells = {
        (made.TASKS[c.task], str(c.batch), c.precision, f"`{c.net}`"): c.goal
        for c in comparison.CELLS.values()
        if not c.scaling
    }
    rows = rows_of(results)
    assert len(rows) >= 14
    for row in rows:
        assert len(row) == len(made.RESULTS)
        assert float(row[8]) == cells[tuple(row[:4])]
        ours, best = (float(row[column].replace(",", "")) for column in (4, 6))
        ratio = re.match(r"[\d.]+", row[7])
        assert ratio is not None
        assert float(ratio[0]) == pytest.approx(ours / best, rel=0.1)  # medians: not the same mean


def test_a_run_is_resumed_only_with_the_same_settings(
    comparison: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(comparison, "in_process", fake_process({}, calls))
    command = ["--rounds", "1", "--against", "--json", str(tmp_path / "c.json"), "--cells"]
    assert comparison.main([*command, "train/alexnet/fp32"]) == 0
    assert calls == ["alexnet-native"]
    both = ["train/alexnet/fp32", "infer-1/alexnet/fp32", "--resume"]
    assert comparison.main([*command, *both]) == 0
    assert calls == ["alexnet-native"] * 2
    stored = json.loads((tmp_path / "c.json").read_text())
    assert [cell["cell"] for cell in stored["cells"]] == both[:2]
    with pytest.raises(SystemExit, match="this run has threads: 1, rounds: 1"):
        comparison.main([*command, *both, "--threads", "1"])


SMALL = Description(
    "small", (3, 22, 22), 5,
    (
        conv("conv1", 12, 5, stride=3, ceil=True),
        relu("relu1"),
        lrn("norm1", size=5, k=2.0, alpha=0.5, beta=0.75, alpha_mode="sum"),
        max_pool("pool1", 3, 2),
        conv("conv2", 8, 3, pad=1, groups=2),
        lrn("norm2", size=3, k=1.0, alpha=0.5, beta=0.5, alpha_mode="mean"),
        avg_pool("pool2", 2, 2, ceil=True),
        dense("fc3", 7),
        dropout("drop3", rate=0.25),
        dropout("drop4", mode="inverted"),
        dense("fc4", "classes"),
        softmax(),
    ),
)  # fmt: skip


def without_groups(description: Description) -> Description:
    """ONNX has no normalisation within groups of channels: compare without these groups."""
    layers = tuple(
        {k: v for k, v in layer.items() if layer["type"] != "lrn" or k not in ("groups", "towers")}
        for layer in description.layers
    )
    return dataclasses.replace(description, layers=layers)


@pytest.mark.parametrize(
    "net",
    [
        SMALL,
        "cifar10-quick",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("alexnet", "alexnet-single", "torchvision-alexnet")
        ),
    ],
)
def test_the_onnx_file_computes_what_the_network_does(
    net: str | Description, comparison: ModuleType, tmp_path: Path
) -> None:
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    import frameworks
    import onnxruntime

    ours = Net(without_groups(describe(net)))
    params = {}
    rng = np.random.default_rng(1)
    for name, value in ours.params.items():
        spread = (2 / value[0].size) ** 0.5 if name.endswith("weight") else 0.1
        params[name] = rng.normal(0, spread, value.shape).astype(np.float32)
        ours.params[name] = params[name]
    path = frameworks.onnx_model(tmp_path / "net.onnx", ours.description, params, 2)
    images, _ = frameworks.random_batch(2, ours.input_shape, ours.classes)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": images})
    want = ours.predict(images)
    assert np.abs(found - want).max() < 1e-5 * want.max()
