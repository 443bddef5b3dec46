"""The check of a GPU, on the CPU in its place; the arithmetic of its rows with planted mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native import _core
from alexnet_native.gpu_check import parts

NET = ["cifar10-quick"]
LayerRunner = _core.LayerRunner


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alexnet_native.gpu_check", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_device_that_is_not_there_is_one_sentence_and_a_failure() -> None:
    done = check("--device", "cuda:63")
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "Traceback" not in done.stderr


def test_one_part_alone_with_its_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    done = check("--device", "cpu:0", "--only", "layers", "--nets", *NET, "--json", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "3 hold, 0 fail"
    (rows,) = json.loads(path.read_text())["parts"].values()
    assert [row["what"] for row in rows] == [f"{NET[0]} conv{i}" for i in (1, 2, 3)]


def test_a_part_that_takes_too_long_fails() -> None:
    done = check("--device", "cpu:0", "--only", "speed", "--nets", "alexnet", "--seconds", "1")
    assert done.returncode == 1 and "not done after" in done.stdout


def test_an_unknown_net_is_named() -> None:
    done = check("--device", "cpu:0", "--nets", "lenet")
    assert done.returncode == 2 and "lenet" in done.stderr


class Wrong:
    """A layer whose engine "auto" gives one gradient slightly wrong."""

    def __init__(self, type: str, attributes: dict[str, Any], *rest: Any, **words: Any) -> None:
        self._wrong = attributes["engine"] == "auto"
        self._real = LayerRunner(type, attributes, *rest, **words)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def backward(self, d_outputs: Any) -> Any:
        d_in, d_params = self._real.backward(d_outputs)
        if self._wrong:
            d_params["bias"][0] *= 1.01
        return d_in, d_params


def test_a_wrong_gradient_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts._core, "LayerRunner", Wrong)
    assert not any(row["ok"] for row in parts.layers("cpu:0", NET))


@pytest.mark.parametrize("planted", [0.01, np.nan])
def test_a_wrong_loss_fails(monkeypatch: pytest.MonkeyPatch, planted: float) -> None:
    monkeypatch.setattr(parts, "_losses", lambda net, place: [2.0 + planted * (place == "cpu:1")])
    compared, again = parts.loss("cpu:1", NET)
    assert not compared["ok"] and again["ok"] == (planted == planted)


def test_every_convolution_of_a_two_tower_net_is_listed() -> None:
    found = {name: (words, shape) for name, words, shape, _ in parts.convolutions("alexnet")}
    assert list(found) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert found["conv1"][1] == (3, 224, 224) and found["conv1"][0]["ceil"] is True
    assert found["conv2"][1] == (96, 27, 27) and found["conv2"][0]["groups"] == 2
