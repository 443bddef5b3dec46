"""A network whose output is not finite has an error of 100 %, and its JSON has no NaN."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net
from alexnet_native.cli import main
from alexnet_native.json_text import to_json
from alexnet_native.net.metrics import Sums, batch_sums, top_k_accuracy
from alexnet_native.reports.per_class import PerClass
from alexnet_native.training.progress import Metrics
from alexnet_native.training.run_folder import JsonLines
from numpy.typing import NDArray
from tiny_nets import photos, two_towers

LABELS = np.array([0, 1, 2, 3, 4, 0], np.int32)


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def with_bias(value: float) -> Net:
    net = Net(two_towers(), seed=1)
    bias = net.params["fc8.bias"]
    bias[2] = value
    net.params["fc8.bias"] = bias
    return net


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("views", [1, 10])
def test_every_image_is_wrong_for_any_number_of_views(value: float, views: int) -> None:
    found = with_bias(value).evaluate(photos(6), LABELS, views=views)
    assert math.isnan(found.loss)
    assert (found.top1_error, found.top5_error) == (1.0, 1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("damaged", [0, 3])
def test_only_the_images_with_a_value_that_is_not_finite_are_wrong(
    value: float, damaged: int
) -> None:
    p: NDArray[np.float32] = np.full((2, 7), 0.1, np.float32)
    p[:, 0] = 0.4  # both images are of class 0
    p[0, damaged] = value
    labels = np.zeros(2, np.int32)
    for k in (1, 5):
        assert top_k_accuracy(p, labels, k).tolist() == [0.0, 1.0]
    assert (batch_sums(p, labels).top1, batch_sums(p, labels).top5) == (1.0, 1.0)

    per_class = PerClass(list("abcdefg"))
    per_class.add(p, labels)
    assert per_class.table().splitlines()[1].startswith("a,2,0.5,0.5,")
    assert per_class.confusion.sum() == per_class.confusion[0, 0] == 1.0


def test_json_has_null_in_the_place_of_nan_and_infinity(tmp_path: Path) -> None:
    value = {"a": [1.5, math.nan], "b": {"c": (math.inf, -math.inf, "NaN")}, "d": None}
    assert strict(to_json(value)) == {"a": [1.5, None], "b": {"c": [None, None, "NaN"]}, "d": None}
    finite = {"a": [0.1, 1e-300, True], "b": "é"}
    assert to_json(finite, indent=1) == json.dumps(finite, indent=1)

    lines = JsonLines(tmp_path / "metrics.jsonl")
    lines.append(Metrics.of(Sums(math.nan, 0.0, 0.0, 4), "val", 1, 2).record())
    [line] = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert strict(line)["loss"] is None and strict(line)["top1_error"] == 1.0


def test_commands_report_a_network_of_nan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz")
    words = ["--net", "net.toml", "--data", "data.npz", "--steps", "1", "--out", "run"]
    assert main(["train", *words]) == 0
    net = Net.load("run")
    net.params["fc2.bias"] = np.full(tiny.CLASSES, np.nan)
    net.save("nan.safetensors")
    capsys.readouterr()

    words = ["--data", "data.npz", "--views", "10", "--csv", "csv", "--save-probabilities", "p.npz"]
    assert main(["evaluate", "nan.safetensors", *words, "--json"]) == 0
    out, err = capsys.readouterr()
    found = strict(out)
    assert found["loss"] is None and found["top1_error"] == found["top5_error"] == 1.0
    assert "which count as wrong; parameters of fc2 are not finite" in err
    assert "nan" not in Path("csv/per-class.csv").read_text()

    assert main(["ensemble", "p.npz", "p.npz", "--json"]) == 0
    assert strict(capsys.readouterr().out)["top1_error"] == 1.0

    Image.new("RGB", (8, 8)).save("x.png")
    assert main(["predict", "nan.safetensors", "x.png", "--json"]) == 1
    [message] = capsys.readouterr().err.splitlines()
    assert "x.png: the network's output is not finite, because parameters of fc2 are" in message
