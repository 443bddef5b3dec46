"""The check of a GPU, with another device in its place: its words, layers, losses, its table."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import _core
from alexnet_native.gpu_check import layers, losses, report
from alexnet_native.gpu_check.rows import CheckRow, row
from check_settings import NET, settings
from placements import FIRST

LayerRunner, Network = _core.LayerRunner, _core.Network
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)


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
        (("--nets", "lenet"), "lenet is unknown"),
        (("--precisions", "fp8"), "fp8 is unknown"),
        (("--peers", "jit"), "jit is unknown"),
        (("--batches", "0"), "must be at least 1"),
        (("--json", "nowhere/report.json"), "nowhere does not exist"),
    ],
)
def test_wrong_words_are_named(words: tuple[str, ...], part: str) -> None:
    done = check("--devices", "cpu:0", *words)
    assert done.returncode == 2 and part in done.stderr


def test_one_part_alone_with_its_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    words = ("--only", "layers", "--nets", NET, "--precisions", "fp32,bf16")
    done = check("--devices", FIRST, *words, "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all checks passed"
    content = json.loads(path.read_text())
    assert list(content["devices"]) == [FIRST] and content["seconds"]["layers"] > 0
    rows = content["parts"]["layers"]
    compared = {row["what"] for row in rows if row["ok"]}
    assert compared >= {
        f"{NET} {conv}, gemm, {precision}, {images} images"
        for conv in ("conv1", "conv3", "conv1 + relu", "conv3 + relu")
        for precision in ("fp32", "bf16")
        for images in (2, 64)
    }
    assert all(row["ok"] is not False for row in rows)


def test_every_engine_that_the_device_offers_is_compared() -> None:
    assert layers.engines("cpu:0") == ["direct", "winograd", "gemm"]
    assert "gemm" in layers.engines(FIRST)


def test_every_convolution_of_a_two_tower_net_is_listed() -> None:
    found = {name: (words, shape) for name, words, shape, _ in layers.convolutions("alexnet")}
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert found["conv1"][1] == (3, 224, 224) and found["conv1"][0]["ceil"] is True
    assert found["conv2"][1] == (96, 27, 27) and found["conv2"][0]["groups"] == 2


def test_a_convolution_takes_over_the_relu_behind_it() -> None:
    conv = {"name": "conv", "type": "conv", "channels": 2, "kernel": 3, "engine": "gemm"}
    words = [conv, {"name": "relu", "type": "relu"}]
    program = _core.Network(words, (3, 5, 5), devices=(FIRST,)).program(2, training=False)
    assert not any("relu" in line.split("#")[0].split()[:2] for line in program), program


def test_how_far_apart_results_may_be() -> None:
    assert layers.tolerance("gemm", "fp32", 2) == 1e-5
    assert layers.tolerance("gemm", "fp32", 64) == 3e-5
    assert layers.tolerance("cudnn", "fp32", 2) == layers.tolerance("cudnn", "fp32", 64) == 1e-4
    for engine in ("gemm", "cudnn"):
        assert layers.tolerance(engine, "tf32", 2) == 3e-3
        assert layers.tolerance(engine, "bf16", 64) == 2e-2


class Wrong:
    """A layer of which a gradient or a network of which a result is wrong, on one device."""

    def __init__(self, real: Any, device: str, planted: float) -> None:
        self._real, self._wrong, self._planted = real, device == "cpu:1", planted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def backward(self, d_outputs: Any) -> Any:
        d_in, d_params = self._real.backward(d_outputs)
        if self._wrong:
            d_params["bias"][0] *= self._planted
        return d_in, d_params

    def predict(self, images: Any) -> Any:
        y = self._real.predict(images)
        y[np.unravel_index(y.argmax(), y.shape)] *= self._planted
        return y


@pytest.mark.parametrize("planted", [1.01, np.nan])
def test_a_wrong_gradient_and_a_wrong_fused_output_fail(
    monkeypatch: pytest.MonkeyPatch, planted: float
) -> None:
    def runner(*arguments: Any, device: str, **words: Any) -> Wrong:
        return Wrong(LayerRunner(*arguments, device=device, **words), device, planted)

    def network(*arguments: Any, devices: tuple[str], **words: Any) -> Wrong:
        return Wrong(Network(*arguments, devices=devices, **words), devices[0], planted)

    listed = list(layers.convolutions(NET))
    monkeypatch.setattr(layers, "engines", lambda device: ["gemm"])
    monkeypatch.setattr(layers, "convolutions", lambda net: listed)
    monkeypatch.setattr(layers._core, "LayerRunner", runner)
    monkeypatch.setattr(layers._core, "Network", network)
    rows = layers.layers(settings(devices=("cpu:1",)))
    alone, rectified = next(rows), next(rows)
    assert alone["ok"] is False and rectified["ok"] is False
    assert "relu" in rectified["what"] and "relu" not in alone["what"]


def test_an_engine_that_breaks_down_fails_and_the_next_one_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def runner(kind: str, words: Any, *arguments: Any, device: str, **other: Any) -> Any:
        if words["engine"] == "direct":
            raise _core.DeviceError("a launch failed")
        return LayerRunner(kind, words, *arguments, device=device, **other)

    monkeypatch.setattr(layers, "engines", lambda device: ["direct", "gemm"])
    monkeypatch.setattr(layers._core, "LayerRunner", runner)
    rows = layers.layers(settings(devices=("cpu:1",)))
    broken, _, sound = next(rows), next(rows), next(rows)
    assert broken["ok"] is False and broken["figure"] == "a launch failed"
    assert sound["ok"] is True and "gemm" in sound["what"]


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


def test_the_summary_counts_and_names_the_slowest_cell() -> None:
    rows: dict[str, list[CheckRow]] = {
        "loss": [row("a", True, ""), row("b", False, ""), row("c", None, "")],
        "speed": [
            row("x, fp32", None, "", ratio=1.6),
            row("y, fp32", None, "", ratio=1.4),
            row("y, fp32, compile channels_last", None, "", ratio=0.9),
        ],
    }
    text = report.summary(rows, {"loss": 1.0, "speed": 2.0})
    assert (
        "1 of 2 cells reach 1.3 x the fastest PyTorch variant; the lowest ratio is 0.90 x (y,"
        in text
    )
    assert text.splitlines()[-1] == "1 failed" and report.failures(rows) == 1


def test_the_report_of_a_result_that_is_no_number_is_json(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    rows = {"layers": [row("conv", False, f"{np.nan:.1e}", apart=np.nan, most=1e-5)]}
    report.write_json(path, (FIRST,), rows, {"layers": 1.0})

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    (only,) = json.loads(path.read_text(), parse_constant=refuse)["parts"]["layers"]
    assert only["figure"] == "nan" and only["numbers"] == {"most": 1e-5}
