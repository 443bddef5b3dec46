"""The profile of the tasks on a device's streams."""

from __future__ import annotations

import time

import numpy as np
import tiny


def test_a_step_is_recorded_task_by_task(device: str) -> None:
    net = tiny.net(devices=(device,))
    images, labels = tiny.arrays(6)
    net.train_step(images, labels, lr=0.01)
    before = time.monotonic_ns()
    net.native.profile(True)
    net.train_step(images, labels, lr=0.01)
    net.native.profile(False)
    net.train_step(images, labels, lr=0.01)
    (lane,) = net.native.take_profile()
    after = time.monotonic_ns()

    assert lane["device"] == device
    tasks = lane["tasks"]
    assert {"forward", "backward", "update", "upload", "download"} <= {t["phase"] for t in tasks}
    assert {layer["name"] for layer in net.native.plan(6)["layers"] if layer["parameters"]} <= {
        t["label"] for t in tasks if t["phase"] == "forward"
    }
    starts = np.array([t["start_ns"] for t in tasks])
    ends = np.array([t["end_ns"] for t in tasks])
    assert (starts <= ends).all()
    # A GPU's clock has a resolution of 0.5 us, and its origin is measured with a delay.
    slack = 0 if device.startswith("cpu") else 10**6
    assert (ends[:-1] <= starts[1:] + slack).all()
    assert before - slack <= starts[0]
    assert ends[-1] <= after + slack
    assert net.native.take_profile()[0]["tasks"] == []
