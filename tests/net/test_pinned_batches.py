"""Batches in memory that the device reaches: the same bits, no copy, kept while they are read."""

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
        pytest.skip(f"{device} is no CUDA device: its uploads copy at once")
    return device


def simulated(device: str) -> str:
    if not IS_SIMULATED:
        pytest.skip("only the simulator sees it")
    return cuda(device)


@pytest.mark.parametrize("shape", [7, (), (0, 3), (2, 3, 5), np.int64(4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, "float32", np.float64])
def test_it_is_an_array_like_any_other(device: str, shape: Any, dtype: Any) -> None:
    array = pinned_empty(shape, dtype, device=device)
    like = np.empty(shape, dtype)
    assert (array.shape, array.dtype) == (like.shape, like.dtype)
    assert array.flags.c_contiguous and array.flags.writeable
    assert array.ctypes.data % 64 == 0
    array[...] = 3
    assert (array == 3).all()
    assert alexnet_native.pinned_empty is pinned_empty


def test_what_cannot_be_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match=r"a shape must not be negative, got \(2, -1\)"):
        pinned_empty((2, -1), device=device)
    with pytest.raises(ValueError, match="an array of object cannot lie in pinned memory"):
        pinned_empty(2, object, device=device)
    with pytest.raises(_core.UnavailableError):
        pinned_empty(2, device="cuda:77")


@pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="it ends the process")
def test_more_than_the_host_has_is_a_sentence(device: str) -> None:
    with pytest.raises(_core.DeviceError, match=r"use a smaller batch|cudaMallocHost failed"):
        pinned_empty(1 << 60, np.uint8, device=device)


def test_a_cpu_needs_no_copy_of_what_is_there() -> None:
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
def test_they_give_the_bits_of_ordinary_ones(device: str, precision: str, two: bool) -> None:
    where = both(device) if two else device
    one, other = small(where, precision), small(where, precision)
    ordinary = batches(precision)
    pinned = [tuple(pinned_like(a, [device]) for a in batch) for batch in ordinary]
    assert late_losses(one, pinned) == late_losses(other, ordinary)
    assert bits(one) == bits(other)


def test_two_that_take_turns_give_the_same(device: str) -> None:
    one, other = small(device), small(device)
    turns = [
        (pinned_empty((5, 2, 9, 9), device=device), pinned_empty(5, np.int32, device=device))
        for _ in range(2)
    ]
    late = Late(one)
    for step, batch in enumerate(batches()):
        for to, value in zip(turns[step % 2], batch, strict=True):
            to[...] = value  # the result of the step before the last is read
        enqueue(one, *turns[step % 2], step)
        late.read()
    late.read(leave=0)
    assert late.losses == late_losses(other, batches())


def test_parts_of_one_and_records_give_the_same(device: str) -> None:
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
    """An array that weak references can watch."""


def watched(device: str) -> tuple[Any, Any, weakref.ref[Any]]:
    (x, y), *_ = batches()
    images = pinned_like(x, [device] if device.startswith("cuda") else []).view(Memory)
    return images, y, weakref.ref(images)


def test_a_step_keeps_them_until_its_result_is_read(device: str) -> None:
    net = small(cuda(device))
    images, y, alive = watched(device)
    enqueue(net, images, y, 0)
    del images
    gc.collect()
    assert alive() is not None
    net.native.next_result()
    assert alive() is None


def test_a_step_on_a_cpu_keeps_nothing() -> None:
    net = small("cpu:0")
    images, y, alive = watched("cpu:0")
    enqueue(net, images, y, 0)
    del images
    assert alive() is None
    net.native.next_result()


def test_a_step_that_fails_and_a_network_that_goes_give_them_back(device: str) -> None:
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


def test_the_steps_of_bench_are_those_of_the_given_batch(device: str) -> None:
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
    """Exit code, output, and what was said beside the engine of convolutions."""
    ran = subprocess.run(
        [sys.executable, "-c", text, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
    )
    said = [line for line in ran.stderr.splitlines() if "using the engine gemm" not in line]
    return ran.returncode, ran.stdout, said


def test_a_batch_that_is_written_to_too_early_is_seen(device: str) -> None:
    code, _, said = run(CHANGED, simulated(device), "early")
    assert code != 0
    assert "3240 bytes of pinned memory were changed before the host had waited" in said[0]
    code, _, said = run(CHANGED, device, "when it was read")
    assert (code, said) == (0, [])


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


def test_where_no_more_can_be_pinned_one_line_says_so_and_the_bits_are_the_same(
    device: str,
) -> None:
    code, want, said = run(FULL, simulated(device))
    assert (code, said) == (0, [])
    for kib in ("0", "7"):  # none, or two batches
        code, got, said = run(FULL, device, ALEXNET_SIM_PINNED_KIB=kib)
        assert code == 0, said
        assert got == want
        (line,) = said
        assert line.startswith("alexnet-native: 1 MiB of host memory for cuda:")
        assert "could not be pinned: using ordinary memory" in line


@pytest.mark.parametrize("settings", [{}, {"accumulate": 2}, {"augment": "device"}], ids=str)
def test_a_training_uses_the_loaders_buffers_again_only_when_they_were_read(
    device: str, settings: dict[str, Any]
) -> None:
    # The simulator ends the process where one is filled too early.
    images, labels = tiny.arrays(200)
    ends = []
    for where in (device, "cpu:0"):
        net = tiny.net(devices=where)
        fit(net, (images, labels), epochs=2, batch_size=4, lr=0.01, loader_threads=2, **settings)
        ends.append([net.params[name] for name in net.params])
    for a, b in zip(*ends, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4 * np.abs(b).max())
