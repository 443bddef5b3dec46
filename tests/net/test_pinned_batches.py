"""Batches in pinned memory: equal results, no copy, and alive while the device reads them."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from typing import Any

import alexnet_native
import numpy as np
import pytest
import tiny
from alexnet_native import Net, _core, pinned_empty
from alexnet_native.net import pinned_like
from alexnet_native.reports.bench import RepeatedStep
from alexnet_native.training import fit
from test_enqueued_steps import Late, batches, bits, both, enqueue, records, small

IS_SIMULATED = any("simulated" in device["description"] for device in _core.devices())


def cuda(device: str) -> str:
    if not device.startswith("cuda"):
        pytest.skip(f"{device} is not a CUDA device: its uploads copy immediately")
    return device


def simulated(device: str) -> str:
    if not IS_SIMULATED:
        pytest.skip("only the simulator detects this")
    return cuda(device)


@pytest.mark.parametrize("shape", [7, (), (0, 3), (2, 3, 5), np.int64(4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, "float32", np.float64])
def test_a_pinned_array_is_an_ordinary_numpy_array(device: str, shape: Any, dtype: Any) -> None:
    array = pinned_empty(shape, dtype, device=device)
    like = np.empty(shape, dtype)
    assert (array.shape, array.dtype) == (like.shape, like.dtype)
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.ctypes.data % 64 == 0
    array[...] = 3
    assert (array == 3).all()
    assert alexnet_native.pinned_empty is pinned_empty


def test_wrong_arguments_raise_errors(device: str) -> None:
    with pytest.raises(ValueError, match=r"a shape must not be negative, got \(2, -1\)"):
        pinned_empty((2, -1), device=device)
    with pytest.raises(ValueError, match="an array of object cannot be in pinned memory"):
        pinned_empty(2, object, device=device)
    with pytest.raises(_core.UnavailableError):
        pinned_empty(2, device="cuda:77")


@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="it ends the process")
def test_an_array_larger_than_the_memory_raises_device_error(device: str) -> None:
    with pytest.raises(_core.DeviceError, match=r"use a smaller batch|cudaMallocHost failed"):
        pinned_empty(1 << 60, np.uint8, device=device)


def test_pinned_like_returns_the_array_itself_without_a_gpu() -> None:
    array = np.arange(4)
    assert pinned_like(array, ["cpu:0", "cpu:1"]) is array


def late_losses(net: Net, given: list[tuple[Any, Any]]) -> list[float]:
    late = Late(net)
    for step, (images, labels) in enumerate(given):
        enqueue(net, images, labels, step)
        late.read()
    late.read(leave=0)
    return late.losses


@pytest.mark.parametrize("two", [False, True], ids=["one device", "two devices"])
def test_pinned_and_pageable_batches_give_equal_bits(
    device: str, precision: str, two: bool
) -> None:
    where = both(device) if two else device
    one, other = small(where, precision), small(where, precision)
    ordinary = batches(precision)
    pinned = [tuple(pinned_like(a, [device]) for a in batch) for batch in ordinary]
    assert late_losses(one, pinned) == late_losses(other, ordinary)
    assert bits(one) == bits(other)


def test_two_alternating_pinned_batches_give_equal_bits(device: str) -> None:
    one, other = small(device), small(device)
    turns = [
        (pinned_empty((5, 2, 9, 9), device=device), pinned_empty(5, np.int32, device=device))
        for _ in range(2)
    ]
    late = Late(one)
    for step, batch in enumerate(batches()):
        for to, value in zip(turns[step % 2], batch, strict=True):
            to[...] = value  # the result of the step before the last has been read
        enqueue(one, *turns[step % 2], step)
        late.read()
    late.read(leave=0)
    assert late.losses == late_losses(other, batches())


def test_pinned_batches_in_parts_and_pinned_records_give_equal_bits(device: str) -> None:
    one, other = small(device), small(device)
    (images, labels), *_ = batches()
    raw = records(5, 1)
    pinned = {k: pinned_like(v, [device]) if isinstance(v, np.ndarray) else v
              for k, v in raw.items()}  # fmt: skip
    losses = []
    for net, x, r in ((one, pinned_like(images, [device]), pinned), (other, images, raw)):
        late = Late(net)
        enqueue(net, x, labels, 0, parts=3)
        late.read()
        batch = _core.Batch.of_records(labels=labels, **r)
        net.native.begin_step(batch, step=1, parts=3, overlap=True)
        late.read(leave=0)
        losses.append(late.losses)
    assert losses[0] == losses[1]
    assert bits(one) == bits(other)


class Memory(np.ndarray):
    """An array with weak references."""


def watched(device: str) -> tuple[Any, Any, weakref.ref[Any]]:
    (x, y), *_ = batches()
    images = pinned_like(x, [device] if device.startswith("cuda") else []).view(Memory)
    return images, y, weakref.ref(images)


def test_a_step_keeps_its_arrays_alive_until_its_result_is_read(device: str) -> None:
    net = small(cuda(device))
    images, y, alive = watched(device)
    enqueue(net, images, y, 0)
    del images
    gc.collect()
    assert alive() is not None
    net.native.next_result()
    assert alive() is None


def test_a_step_on_a_cpu_does_not_keep_its_arrays_alive() -> None:
    net = small("cpu:0")
    images, y, alive = watched("cpu:0")
    enqueue(net, images, y, 0)
    del images
    assert alive() is None
    net.native.next_result()


def test_failed_steps_and_destroyed_networks_release_the_arrays(device: str) -> None:
    net = small(device)
    images, y, alive = watched(device)
    with pytest.raises(ValueError, match="label 9"):
        enqueue(net, images, np.full_like(y, 9), 0)
    enqueue(net, images, y, 0)
    del images, net
    gc.collect()
    assert alive() is None


def test_an_array_outlives_the_network(device: str) -> None:
    net = small(device)
    images, y, _ = watched(device)
    want = images.copy()
    enqueue(net, images, y, 0)
    part = images[1:3]
    del net, images
    gc.collect()
    np.testing.assert_array_equal(part, want[1:3])
    part[...] = 0


def test_the_steps_of_bench_train_on_the_given_batch(device: str) -> None:
    one, other = small(device), small(device)
    (x, y), *_ = batches()
    steps = RepeatedStep(one, x, y)
    for _ in range(4):
        steps.step()
    steps.finish()
    assert steps.losses == late_losses(other, [(x, y)] * 4)
    assert one.native.devices == [device]


CHANGED = """
import sys
import numpy as np
from alexnet_native import Net, pinned_empty
from test_enqueued_steps import batches, enqueue, small
net = small(sys.argv[1])
(x, y), *_ = batches()
images = pinned_empty(x.shape, device=sys.argv[1])
images[...] = x
for step in range(2):
    enqueue(net, images, y, step)
if sys.argv[2] == "early":
    images[...] = 7
print(net.native.next_result().loss, net.native.next_result().loss)
images[...] = 7
"""


def run(text: str, *words: str, **environment: str) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and the lines on stderr except those about convolution engines."""
    ran = subprocess.run(
        [sys.executable, "-c", text, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
    )
    lines = [line for line in ran.stderr.splitlines() if "using the engine gemm" not in line]
    return ran.returncode, ran.stdout, lines


def test_the_simulator_detects_a_write_to_a_pinned_batch_that_is_in_use(device: str) -> None:
    code, _, lines = run(CHANGED, simulated(device), "early")
    assert code != 0
    assert "3240 bytes of pinned memory were changed before the host had waited" in lines[0]
    code, _, lines = run(CHANGED, device, "after the result was read")
    assert (code, lines) == (0, [])


FULL = """
import sys
import numpy as np
from alexnet_native import pinned_empty
from test_enqueued_steps import Late, batches, small
from test_pinned_batches import late_losses
given = []
for x, y in batches():
    images = pinned_empty(x.shape, device=sys.argv[1])
    images[...] = x
    given.append((images, y))
print(late_losses(small(sys.argv[1]), given))
"""


def test_if_no_more_memory_can_be_pinned_one_line_is_logged_and_the_results_are_equal(
    device: str,
) -> None:
    code, want, lines = run(FULL, simulated(device))
    assert (code, lines) == (0, [])
    for kib in ("0", "7"):  # no batch, or two batches
        code, got, lines = run(FULL, device, ALEXNET_SIM_PINNED_KIB=kib)
        assert code == 0, lines
        assert got == want
        (line,) = lines
        assert line.startswith("alexnet-native: 1 MiB of host memory for cuda:")
        assert "could not be pinned: using ordinary memory" in line


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"augment": "device"}], ids=str)
def test_training_reuses_a_buffer_of_the_loader_only_after_it_has_been_read(
    device: str, settings: dict[str, Any]
) -> None:
    # The simulator ends the process if a buffer is filled too early.
    images, labels = tiny.arrays(200)
    ends = []
    for where in (device, "cpu:0"):
        net = tiny.net(devices=where)
        fit(net, (images, labels), epochs=2, batch_size=4, lr=0.01, loader_threads=2, **settings)
        ends.append([net.params[name] for name in net.params])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())
