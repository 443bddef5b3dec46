"""The table and the trace of a profile, from tasks made up by the test and from real ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.reports import profile as module
from alexnet_native.reports.bench import bench_table, measure, step_of
from alexnet_native.reports.profile import Profile, profile_steps
from alexnet_native.reports.roofline import step_roofline
from placements import APART, FIRST

RATES: _core.PeakRates = {"fp32": 1e9, "tf32": 0.0, "bf16": 0.0, "bytes": 1e9}


@pytest.fixture
def net(tmp_path: Path) -> Net:
    tiny.write_net(tmp_path / "net.toml")
    return Net(tmp_path / "net.toml", threads=1)


def task(label: str, phase: str, start: int, end: int) -> _core.Task:
    return {"label": label, "what": "test", "phase": phase, "start_ns": start, "end_ns": end}


def two_steps(net: Net) -> list[list[_core.Lane]]:
    """The first dense layer: forward in two tasks, and the update; the second step is slower."""
    dense = next(c for c in net.native.costs(2) if c["type"] == "dense")["layer"]
    return [
        [
            {
                "device": FIRST,
                "tasks": [
                    task(dense, "forward", base, base + 1000 * slow),
                    task(dense, "forward", base + 2000, base + 2000 + 1000 * slow),
                    task(f"{dense}.weight", "update", base + 5000, base + 9000),
                ],
            }
        ]
        for base, slow in ((10_000, 1), (50_000, 2))
    ]


def test_the_time_of_a_layer_is_the_median_over_steps_of_the_sum_of_its_tasks(net: Net) -> None:
    profile = Profile(net, two_steps(net), 2, [RATES])
    assert [(r.phase, r.seconds) for r in profile.rows] == [
        ("forward", pytest.approx(3e-6)),
        ("update", pytest.approx(4e-6)),
    ]
    assert profile.seconds == pytest.approx(9e-6)  # from the first start to the last end
    assert profile.share_of_products() == pytest.approx(3 / 7)


def test_the_roofline_is_operations_over_peak_and_bytes_over_bandwidth(net: Net) -> None:
    profile = Profile(net, two_steps(net), 2, [RATES])
    forward, update = profile.rows
    weights = net.params[f"{forward.layer}.weight"]
    classes, features = weights.shape
    assert forward.flops == 2 * 2 * classes * features
    assert forward.compute_time == pytest.approx(forward.flops / 1e9)
    moved = 4 * (2 * features + classes * features + classes + 2 * classes)
    assert forward.memory_time == pytest.approx(moved / 1e9)
    assert forward.bound == ("arithmetic" if forward.flops >= moved else "memory")
    # The update of the weight and of the bias.
    assert update.bytes == 5 * 4 * (classes * features + classes)
    assert (update.bound, update.flops) == ("memory", 0)


def test_the_roofline_of_a_step_includes_operations_and_the_traffic_of_weights(net: Net) -> None:
    costs = net.native.costs(8)
    flops = sum(2 * c["multiply_adds"] for c in costs)
    padding = sum(2 * c["padding_multiply_adds"] for c in costs)
    weights = 4 * sum(net.params[name].size for name in net.params)
    train = step_roofline(net, 8, [RATES])
    assert train is not None
    assert train.all_taps == pytest.approx((flops + 8 * weights) / 1e9)
    assert train.padding_skipped == pytest.approx((flops - padding + 8 * weights) / 1e9)
    predict = step_roofline(net, 8, [RATES], training=False)
    assert predict is not None and predict.all_taps < train.all_taps / 2
    assert step_roofline(net, 8, [{**RATES, "fp32": 0.0}]) is None


def test_a_trace_contains_every_task_in_microseconds(net: Net, tmp_path: Path) -> None:
    Profile(net, two_steps(net), 2, [RATES]).write_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert [e["args"]["name"] for e in events if e["ph"] == "M"] == [FIRST]
    tasks = [e for e in events if e["ph"] == "X"]
    assert len(tasks) == 6
    assert (tasks[0]["ts"], tasks[0]["dur"]) == (0, 1)
    assert (tasks[3]["ts"], tasks[3]["dur"]) == (40, 2)


def test_a_real_profile_contains_every_layer_and_does_not_change_the_training(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "peak_rates_of", lambda _: [RATES])
    profile = profile_steps(net, step_of(net, 4, training=True), 2, 4, training=True)
    text = str(profile)
    for layer in net.native.layer_names():
        assert layer in text or layer == "relu1"  # relu1 is fused into the pooling
    assert "roofline" in text and "images/s" in text
    other = Net(tmp_path / "net.toml", threads=1)
    step = step_of(other, 4, training=True)
    for _ in range(3):
        step()
    for name in net.params:
        np.testing.assert_array_equal(net.params[name], other.params[name])


def test_a_profile_contains_bytes_and_times_of_copies_between_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "peak_rates_of", lambda _: [RATES, RATES])
    two = APART if len({*APART}) == 2 else (FIRST, "cpu:1")
    net = Net("alexnet", classes=3, devices=two, threads=2)
    profile = profile_steps(net, step_of(net, 1, training=False), 1, 1, training=False)
    copies = [r for r in profile.rows if r.type == "copy"]
    assert copies and all(r.bytes > 0 and r.seconds > 0 for r in copies)
    assert {r.device for r in profile.rows} == {*two}
    text = str(profile)
    assert "forward MiB" in text
    assert len(profile.edge_ms()) == len(profile.edges)
    assert all(forward > 0 for forward, _ in profile.edge_ms())  # no backward pass
    assert all(f"\n{edge['value']} " in text for edge in profile.edges)


def test_bench_returns_a_row_for_each_task_and_batch(tmp_path: Path) -> None:
    tiny.write_net(tmp_path / "net.toml")
    rows = list(measure([str(tmp_path / "net.toml")], [2, 1], threads=1, repeats=2))
    assert [(r["task"], r["batch"]) for r in rows] == [
        ("train", 2), ("train", 1), ("predict", 2), ("predict", 1),
    ]  # fmt: skip
    assert all(r["images_per_second"] > 0 for r in rows)
    assert all(0 < r["floor"] <= r["floor_padding_skipped"] for r in rows)
    assert "images/s" in bench_table(rows)


def test_train_and_bench_profile_and_reject_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    tiny.write_net(tmp_path / "net.toml")
    tiny.write_npz(tmp_path / "data.npz", train=80)
    done = tiny.run(
        "train", "--net", "net.toml", "--data", "data.npz", "--out", "run", "--epochs", 1,
        "--threads", 1, "--profile", "trace.json", cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "median of 5 steps" in done.stdout and "roofline: " in done.stdout
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    done = tiny.run("bench", "net.toml", "--batch", 1, "--threads", 1, "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["task"] for row in json.loads(done.stdout)] == ["train", "predict"]
    done = tiny.run("bench", "net.toml", "--engine", "winograd", cwd=tmp_path)
    assert done.returncode == 1 and "layer 'conv1': engine winograd needs" in done.stderr
    done = tiny.run("bench", "net.toml", "--profile", "no/trace.json", cwd=tmp_path)
    assert done.returncode == 2 and "the folder no does not exist" in done.stderr
    done = tiny.run("bench", "net.toml", "--batch", 0, cwd=tmp_path)
    assert done.returncode == 1 and "at least 1" in done.stderr
