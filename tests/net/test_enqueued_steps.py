"""Enqueued steps, for which the host does not wait, equal blocking steps to the bit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.data.batches import RawImages
from alexnet_native.models import Description
from alexnet_native.training import fit

LAYERS = (
    {"name": "conv1", "type": "conv", "channels": 6, "kernel": 3, "weight_std": 0.3, "towers": 2},
    {"name": "relu1", "type": "relu", "towers": 2},
    {"name": "pool1", "type": "max_pool", "size": 3, "stride": 2, "towers": 2},
    {"name": "fc2", "type": "dense", "channels": 8, "weight_std": 0.3, "towers": 2},
    {"name": "drop2", "type": "dropout", "towers": 2},
    {"name": "fc3", "type": "dense", "channels": "classes", "weight_std": 0.3},
    {"name": "prob", "type": "softmax"},
)
COUNT = 7


def small(devices: str, precision: str = "fp32") -> Net:
    net = Net(Description("small", (2, 9, 9), 4, LAYERS), devices=devices, precision=precision)
    net.set_rates(0.05)
    return net


def batches(precision: str = "fp32") -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(3)
    dtype = np.float64 if precision == "fp64" else np.float32
    return [
        (rng.normal(size=(5, 2, 9, 9)).astype(dtype), rng.integers(0, 4, 5, dtype=np.int32))
        for _ in range(COUNT)
    ]


def bits(net: Net) -> list[bytes]:
    return [
        net.native.get(name, kind).tobytes()
        for name in net.params
        for kind in ("value", "momentum", "gradient")
    ]


def blocking(net: Net, precision: str = "fp32") -> list[float]:
    losses = []
    for step, (images, labels) in enumerate(batches(precision)):
        if step == 4:
            net.set_rates(0.01)
        net.native.begin_step(_core.Batch(images, labels), step=step, overlap=False)
        losses.append(net.native.next_result().loss)
    return losses


def enqueue(net: Net, images: np.ndarray, labels: np.ndarray, step: int, parts: int = 1) -> None:
    batch = _core.Batch(images, labels)
    net.native.begin_step(batch, step=step, parts=parts, overlap=True)


def enqueued(net: Net, precision: str = "fp32") -> list[float]:
    losses = []
    for step, (images, labels) in enumerate(batches(precision)):
        if step == 4:
            net.set_rates(0.01)
        enqueue(net, images, labels, step)
        images[:] = 1e9  # the step has its own copy
        if net.native.waiting_steps == 2:
            losses.append(net.native.next_result().loss)
    losses.append(net.native.next_result().loss)
    assert net.native.waiting_steps == 0
    return losses


def test_enqueued_steps_equal_blocking_steps(device: str, precision: str) -> None:
    one, other = small(device, precision), small(device, precision)
    assert enqueued(one, precision) == blocking(other, precision)
    assert bits(one) == bits(other)


def both(device: str) -> str:
    kind, _, index = device.partition(":")
    return f"{device},{kind}:{1 - int(index)}"


def test_enqueued_steps_on_two_devices_equal_blocking_steps(device: str) -> None:
    one, other = small(both(device)), small(both(device))
    assert enqueued(one) == blocking(other)
    assert bits(one) == bits(other)


class Late:
    """Reads each result one step late."""

    def __init__(self, net: Net) -> None:
        self.native = net.native
        self.losses: list[float] = []

    def read(self, leave: int = 1) -> None:
        while self.native.waiting_steps > leave:
            self.losses.append(self.native.next_result().loss)


PARTS = ((0, 2), (2, 4), (4, 5))  # the five images of a batch in three parts


@pytest.mark.parametrize("two", [False, True], ids=["one device", "two devices"])
def test_enqueued_steps_in_parts_equal_blocking_steps_in_parts(
    device: str, precision: str, two: bool
) -> None:
    where = both(device) if two else device
    one, other = small(where, precision), small(where, precision)
    late, waited = Late(one), []
    for step, (images, labels) in enumerate(batches(precision)):
        for net in (one, other):
            net.set_rates(0.05 if step < 4 else 0.01)
        loss = 0.0
        for first, last in PARTS:
            part = _core.Batch(images[first:last], labels[first:last])
            result = other.native.forward_backward(part, step=step, first_image=first, total=5)
            loss += result.loss
        waited.append(loss)
        other.native.update()
        enqueue(one, images, labels, step, parts=3)
        images[:] = 1e9  # the step has its own copy
        late.read()
    late.read(leave=0)
    assert late.losses == waited
    assert bits(one) == bits(other)


def records(count: int, seed: int) -> dict[str, Any]:
    """A batch as the loader makes it for augmentation on the device: 9x9 crops of 11x12."""
    rng = np.random.default_rng(seed)
    return {
        "records": rng.integers(0, 256, (count, 11, 12, 2), dtype=np.uint8),
        "offsets": rng.integers(0, 3, (count, 2), dtype=np.int32),
        "mirror": rng.integers(0, 2, count, dtype=np.uint8),
        "color": rng.normal(size=(count, 2)).astype(np.float32) if seed % 2 else None,
        "scale": 0.01,
    }


@pytest.mark.parametrize("two", [False, True], ids=["one device", "two devices"])
def test_enqueued_steps_with_augmentation_on_the_device_equal_blocking_steps(
    device: str, two: bool
) -> None:
    where = both(device) if two else device
    one, other = small(where), small(where)
    mean = np.random.default_rng(1).uniform(90, 160, (2, 11, 12)).astype(np.float32)
    late, waited = Late(one), []
    for step in range(COUNT):
        if step in (0, 3):  # at step 3 another step is pending
            for net in (one, other):
                net.native.set_mean(mean + step)
        count = 4 if step == 5 else 7
        raw, labels = records(count, step), np.arange(count, dtype=np.int32) % 4
        loss, half = 0.0, -(-count // 2)
        for first, last in ((0, half), (half, count)):
            part = {k: v[first:last] if isinstance(v, np.ndarray) else v for k, v in raw.items()}
            batch = _core.Batch.of_records(labels=labels[first:last], **part)
            result = other.native.forward_backward(batch, step=step, first_image=first, total=count)
            loss += result.loss
        waited.append(loss)
        other.native.update()
        whole = _core.Batch.of_records(labels=labels, **raw)
        one.native.begin_step(whole, step=step, parts=2, overlap=True)
        raw["records"][:] = 0  # the step has its own copy
        late.read()
    late.read(leave=0)
    assert late.losses == waited
    assert bits(one) == bits(other)


def test_a_step_with_a_window_outside_its_record_raises_an_error_without_effects(
    device: str,
) -> None:
    one, other = small(device), small(device)
    raw = records(3, 0)
    raw["offsets"][1] = (0, 4)
    with pytest.raises(ValueError, match=r"the crop of image 1 at \(0, 4\) is outside its record"):
        batch = _core.Batch.of_records(labels=np.zeros(3, np.int32), **raw)
        one.native.begin_step(batch, step=0, overlap=True)
    assert one.native.waiting_steps == 0
    assert enqueued(one) == blocking(other)


def test_an_evaluation_of_a_larger_batch_between_steps_changes_nothing(device: str) -> None:
    one, other = small(device), small(device)
    images, labels = np.ones((40, 2, 9, 9), np.float32), np.zeros(40, np.int32)
    losses = []
    for step, (x, y) in enumerate(batches()):
        enqueue(one, x, y, step)
        one.native.evaluate(images[: 8 * (step % 3 + 1)], labels[: 8 * (step % 3 + 1)])
        losses.append(one.native.next_result().loss)
    one.set_rates(0.01)
    assert losses[:4] == blocking(other)[:4]


def test_a_third_pending_step_and_a_result_without_a_step_raise_errors(device: str) -> None:
    net = small(device)
    (x, y), *_ = batches()
    with pytest.raises(ValueError, match="no step is waiting for its result to be read"):
        net.native.next_result()
    enqueue(net, x, y, 0)
    enqueue(net, x, y, 1)
    with pytest.raises(ValueError, match="2 steps are already waiting"):
        enqueue(net, x, y, 2)
    assert net.native.next_result().images == 5


def test_a_step_with_a_wrong_label_raises_an_error_without_effects(device: str) -> None:
    one, other = small(device), small(device)
    (x, y), *_ = batches()
    with pytest.raises(ValueError, match=r"label 9 of image 0 is outside 0\.\.3"):
        enqueue(one, x, np.full_like(y, 9), 0)
    assert one.native.waiting_steps == 0
    assert enqueued(one) == blocking(other)


def test_a_network_can_be_destroyed_while_a_step_is_pending(device: str) -> None:
    net = small(device)
    (x, y), *_ = batches()
    enqueue(net, x, y, 0)


class Overlapping:
    """A native network whose steps overlap on any device."""

    overlaps = True

    def __init__(self, native: _core.Network) -> None:
        self._native = native

    def begin_step(self, batch: _core.Batch, *, overlap: bool, **settings: Any) -> None:
        assert overlap
        self._native.begin_step(batch, overlap=True, **settings)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)


def test_a_step_after_a_failed_one_has_its_own_result(device: str) -> None:
    one, other = small(device), small(device)
    one.native = Overlapping(one.native)  # type: ignore[assignment]
    (x, y), (x2, y2), *_ = batches()
    lost = one.train_step(x, y, wait=False)
    wrong = records(3, 0)
    wrong["offsets"][1] = (0, 4)
    with pytest.raises(ValueError, match="image 1"):
        one.train_step(RawImages(**wrong), np.zeros(3, np.int32), wait=False)
    with pytest.raises(ValueError, match="label 9"):
        one.train_step(x, np.full_like(y, 9), wait=False)
    other.train_step(x, y)  # its update was applied, but its result was lost
    assert one.train_step(x2, y2, wait=False) == other.train_step(x2, y2)
    with pytest.raises(_core.DeviceError, match="the result of step 1 was lost"):
        _ = lost.loss
    assert bits(one) == bits(other)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"log_every": 3, "checkpoint_every": 2},
        {"accumulate": 3, "log_every": 2},
        {"augment": "device"},
        {"augment": "device", "accumulate": 2, "checkpoint_every": 3},
    ],
    ids=str,
)
def test_training_with_enqueued_steps_writes_the_same_files(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    images, labels = tiny.arrays(50)
    files = []
    for name in ("blocking", "enqueued"):
        net = tiny.net()
        if name == "enqueued":
            net.native = Overlapping(net.native)  # type: ignore[assignment]
        fit(net, (images, labels), out=tmp_path / name, epochs=2, batch_size=8, lr=0.01, **settings)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        files.append([line.partition('"images_per_second"')[0] for line in lines] + bits(net))
    assert files[0] == files[1]


def test_steps_overlap_on_gpus_only(device: str) -> None:
    assert small(device).native.overlaps == device.startswith("cuda")


GRAPH = """
import sys
sys.path[:0] = {path!r}
import test_enqueued_steps as here
one, other = here.small({devices!r}), here.small({devices!r})
same = here.enqueued(one) == here.blocking(other) and here.bits(one) == here.bits(other)
print("same bits" if same else "other bits")
"""


def in_a_process(devices: str, **variables: str) -> tuple[str, list[str]]:
    """Compares enqueued and blocking steps in a new process; returns stdout and stderr lines."""
    code = GRAPH.format(path=sys.path, devices=devices)
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if "using the engine gemm" not in line]
    return ran.stdout.strip(), lines


def simulated(device: str) -> str:
    for found in _core.devices():
        if found["name"] == device and "simulated" in found["description"]:
            return device
    pytest.skip(f"{device} is not simulated: only the simulator can be made to refuse graphs")


@pytest.mark.parametrize("two", [False, True], ids=["one device", "two devices"])
@pytest.mark.parametrize("place", ["product", "end", "instantiate", "update", "launch"])
def test_if_a_cuda_graph_fails_training_continues_without_it_and_logs_one_line(
    device: str, place: str, two: bool
) -> None:
    devices = both(simulated(device)) if two else simulated(device)
    output, lines = in_a_process(devices, ALEXNET_SIM_GRAPH_FAILS=place)
    assert output == "same bits"
    (line,) = lines
    assert line.startswith("alexnet-native: the training step could not be captured or launched")
    assert line.endswith(": training continues without one")
    if place == "product":  # the layer, the device and the call
        assert re.search(r"\([\w/]+ on cuda:\d: cublas\w+ failed: ", line)


@pytest.mark.parametrize("overlap", [False, True], ids=["blocking", "enqueued"])
def test_a_failed_step_can_be_repeated(
    device: str, overlap: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALEXNET_CUDA_GRAPH", "0")  # with a graph the failure only ends the capture
    want = small(simulated(device))
    blocking(want)
    failures = 0
    for product in range(1000):
        net = small(device)
        failed = False
        for step, (images, labels) in enumerate(batches()):
            if step == 4:
                net.set_rates(0.01)
            if step == 1:
                monkeypatch.setenv("ALEXNET_SIM_PRODUCT_FAILS", str(product))
                try:
                    one_step(net, images, labels, step, overlap)
                except _core.DeviceError as error:
                    assert "cublas" in str(error)
                    failed = True
                else:
                    monkeypatch.delenv("ALEXNET_SIM_PRODUCT_FAILS")
                    continue
            one_step(net, images, labels, step, overlap)
        assert bits(net) == bits(want)
        if not failed:
            break
        failures += 1
    assert failures > 5  # three products forward, and more backward


def one_step(net: Net, images: np.ndarray, labels: np.ndarray, step: int, overlap: bool) -> None:
    net.native.begin_step(_core.Batch(images, labels), step=step, overlap=overlap)
    net.native.next_result()


def test_cuda_graphs_can_be_disabled(device: str) -> None:
    off = in_a_process(device, ALEXNET_CUDA_GRAPH="0", ALEXNET_SIM_GRAPH_FAILS="end")
    assert off == ("same bits", [])
