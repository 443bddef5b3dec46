"""What a device can do at best is measured on every back end."""

from __future__ import annotations

from alexnet_native import _core


def test_the_limits_of_a_device_are_measured(device: str) -> None:
    limits = _core.measure_peak_rates(device, 1)
    assert 1e6 < limits["fp32"] < 1e15 and 1e6 < limits["bytes"] < 1e14
    if device.startswith("cuda"):
        assert limits["tf32"] > 1e6 and limits["bf16"] > 1e6
    else:
        assert limits["tf32"] == 0
