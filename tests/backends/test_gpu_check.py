"""The check of a GPU, with another device in its place: its parts, its table, its time limits."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import _core
from alexnet_native.gpu_check import layers, losses, report, running, speed, suite
from alexnet_native.gpu_check.rows import Row, Settings, row
from placements import FIRST

NET = "cifar10-quick"
LayerRunner = _core.LayerRunner
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


def settings(**changes: Any) -> Settings:
    words: dict[str, Any] = {
        "devices": (FIRST,), "nets": (NET,), "batches": (2,), "precisions": ("fp32",),
        "peers": (), "seconds": 60.0, "source": None,
    }  # fmt: skip
    return Settings(**{**words, **changes})


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alexnet_native.gpu_check", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_device_that_is_not_there_is_one_sentence_and_a_failure() -> None:
    done = check("--devices", "cuda:63")
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--nets", "lenet"), "there is no lenet"),
        (("--precisions", "fp8"), "there is no fp8"),
        (("--peers", "jit"), "there is no jit"),
        (("--batches", "0"), "one image at least"),
        (("--json", "nowhere/report.json"), "there is no folder"),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], part: str) -> None:
    done = check("--devices", "cpu:0", *words)
    assert done.returncode == 2 and part in done.stderr


def test_one_part_alone_with_its_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = check("--devices", FIRST, "--only", "layers", "--nets", NET, "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "everything holds"
    content = json.loads(path.read_text())
    assert list(content["devices"]) == [FIRST] and content["seconds"]["layers"] > 0
    rows = content["parts"]["layers"]
    compared = [row["what"] for row in rows if row["ok"]]
    assert f"{NET} conv1, gemm" in compared and f"{NET} conv3, gemm" in compared
    assert all(row["ok"] is not False for row in rows)


def living(group: int) -> list[str]:
    """Processes of the group that run: not those that are dead and wait for their parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has ended meanwhile
            continue
        if int(of_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


def test_a_part_that_takes_too_long_ends_with_its_children_and_keeps_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = row("first", True, "1")
    child = f"import time; print({running.MARK + json.dumps(kept)!r}, flush=True); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    real, started = subprocess.Popen, []

    def start(command: list[str], **words: Any) -> Any:
        started.append(real([sys.executable, "-c", parent], **words))
        return started[0]

    monkeypatch.setattr(running.subprocess, "Popen", start)
    assert running.run_part([], 1.5) == [kept, row("time", False, "not done after 2 s")]
    deadline = time.monotonic() + 10
    while living(started[0].pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert living(started[0].pid) == []


def test_a_part_that_dies_says_its_last_line() -> None:
    rows = running.run_part(["--part", "loss", "--devices", "cuda:63", "--nets", NET], 60)
    assert [(r["what"], r["ok"]) for r in rows] == [("run", False)]
    assert "cuda" in rows[0]["figure"].lower()


def test_every_engine_that_the_device_offers_is_compared() -> None:
    assert layers.engines("cpu:0") == ["direct", "winograd", "gemm"]
    assert "gemm" in layers.engines(FIRST)


def test_every_convolution_of_a_two_tower_net_is_listed() -> None:
    found = {name: (words, shape) for name, words, shape, _ in layers.convolutions("alexnet")}
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert found["conv1"][1] == (3, 224, 224) and found["conv1"][0]["ceil"] is True
    assert found["conv2"][1] == (96, 27, 27) and found["conv2"][0]["groups"] == 2


class Wrong:
    """A layer that gives one gradient slightly wrong, unless it is the one to compare with."""

    made = 0

    def __init__(self, *arguments: Any, **words: Any) -> None:
        Wrong.made += 1
        self._wrong = Wrong.made % 3 == 0  # of engines(), of the CPU, of the device
        self._real = LayerRunner(*arguments, **words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def backward(self, d_outputs: Any) -> Any:
        d_in, d_params = self._real.backward(d_outputs)
        if self._wrong:
            d_params["bias"][0] *= 1.01
        return d_in, d_params


def test_a_wrong_gradient_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "engines", lambda device: ["gemm"])
    Wrong.made = 1
    monkeypatch.setattr(layers._core, "LayerRunner", Wrong)
    first = next(layers.layers(settings(devices=("cpu:1",))))
    assert first["ok"] is False


@pytest.mark.parametrize("planted", [0.01, np.nan])
def test_a_wrong_loss_fails(monkeypatch: pytest.MonkeyPatch, planted: float) -> None:
    calls = iter(range(9))
    monkeypatch.setattr(losses, "_losses", lambda *_: [2.0, 1.0 + planted * (next(calls) == 0)])
    monkeypatch.setattr(losses, "find_spec", lambda name: None)
    compared, again, torch = losses.loss(settings())
    assert compared["ok"] is False and again["ok"] is False and torch["ok"] is None


@pytest.mark.parametrize("nccl", ["same", "other", "missing"])
def test_replicas_are_compared_with_one_device_and_with_each_other(
    monkeypatch: pytest.MonkeyPatch, nccl: str
) -> None:
    def ten(name: str, devices: tuple[str, ...], replicas: int = 1, by: str = "") -> list[float]:
        return [2.0, 1.0 + 1e-3 * (by == "nccl" and nccl == "other")]

    found = [{"name": "nccl", "title": "NCCL", "missing": "no" if nccl == "missing" else ""}]
    monkeypatch.setattr(losses._core, "communicators", lambda: found)
    monkeypatch.setattr(losses, "_losses", ten)
    monkeypatch.setattr(losses, "find_spec", lambda name: None)
    rows = {r["what"]: r["ok"] for r in losses.loss(settings(devices=("cuda:0", "cuda:1")))}
    assert rows[f"{NET}, 2 replicas"] is True
    assert rows[f"{NET}, 2 replicas by nccl"] is {"same": True, "other": False}.get(nccl)
    alone = losses.loss(settings(devices=("cuda:0", "cuda:0")))
    assert not any("replicas" in r["what"] for r in alone)


@pytest.mark.slow
@needs_torch
def test_ten_losses_are_the_cpus_and_pytorchs() -> None:
    rows = list(losses.loss(settings()))
    assert [r["what"] for r in rows] == [f"{NET}, {peer}" for peer in ("CPU", "again", "PyTorch")]
    assert all(r["ok"] for r in rows)


@needs_torch
def test_a_layer_that_pytorch_does_not_have_is_refused_by_name() -> None:
    from alexnet_native.interop.torch_net import build
    from alexnet_native.models import describe

    with pytest.raises(ValueError, match="lrn_within"):
        build(describe("cifar10-18pct"))


@pytest.mark.slow
@needs_torch
def test_speed_compares_each_cell_with_pytorch() -> None:
    limits, cell = speed.speed(settings(peers=("eager", "channels_last")))
    assert limits["numbers"]["fp32"] > 0
    assert cell["what"] == f"{NET}, fp32, batch 2" and cell["ok"] is None
    numbers = cell["numbers"]
    best = max(numbers["eager"], numbers["channels_last"])
    assert numbers["ratio"] == pytest.approx(numbers["ours"] / best)
    assert "x PyTorch" in cell["figure"] and numbers["floor"] > 0


def test_a_precision_that_is_not_there_and_a_peer_that_fails_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speed, "find_spec", lambda name: True)

    def fail(*_: Any) -> Any:
        raise RuntimeError("no such kernel\nand more")

    monkeypatch.setattr(speed, "_torch", fail)
    rows = list(speed.speed(settings(precisions=("fp64x", "fp32"), peers=("eager",))))
    assert "fp64x" in rows[1]["figure"] and not rows[1]["numbers"]
    assert "no eager (no such kernel)" in rows[2]["figure"] and "ratio" not in rows[2]["numbers"]


def test_cells_without_time_are_left_out_and_counted() -> None:
    *_, last = speed.speed(settings(seconds=1e-6, batches=(1, 2, 3)))
    assert last["what"] == "cells" and last["figure"].startswith("3 left out")


def test_the_repositorys_tests_run_on_the_devices(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        "import os\n"
        "def test_places(): assert os.environ['ALEXNET_TEST_DEVICES'] == 'cpu:0,cpu:1'\n"
        "def test_bad(): assert 1 == 2\n"
    )
    rows = list(suite.tests(settings(source=tmp_path, devices=("cpu:0", "cpu:1"))))
    assert [r["ok"] for r in rows] == [False, False]
    assert "test_bad" in rows[0]["what"] and rows[1]["figure"].startswith("1 failed, 1 passed")


def test_without_a_checkout_or_a_checker_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "_checker", lambda: None)
    (no_tests,), (no_checker,) = suite.tests(settings()), suite.sanitizer(settings())
    assert no_tests["ok"] is None and "--source" in no_tests["figure"]
    assert no_checker["ok"] is None and "compute-sanitizer" in no_checker["what"]


@pytest.mark.parametrize(("code", "holds"), [(0, True), (86, False)])
def test_the_checkers_summary_and_exit_code_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, holds: bool
) -> None:
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(f"#!/bin/sh\necho '========= ERROR SUMMARY: 3 errors'\nexit {code}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    rows = list(suite.sanitizer(settings()))
    assert [r["what"] for r in rows] == ["memcheck", "racecheck", "initcheck", "synccheck"]
    assert {(r["ok"], r["figure"]) for r in rows} == {(holds, "ERROR SUMMARY: 3 errors")}


def test_the_summary_counts_and_names_the_slowest_cell() -> None:
    rows: dict[str, list[Row]] = {
        "loss": [row("a", True, ""), row("b", False, ""), row("c", None, "")],
        "speed": [
            row("x, fp32", None, "", ratio=1.6),
            row("y, fp32", None, "", ratio=1.4),
            row("y, fp32, compiled", None, "", ratio=0.9),
        ],
    }
    text = report.summary(rows, {"loss": 1.0, "speed": 2.0})
    assert "1 of 2 cells reach 1.3 x the best PyTorch row, the lowest 0.90 x (y, fp32)" in text
    assert text.splitlines()[-1] == "1 failed" and report.failures(rows) == 1
