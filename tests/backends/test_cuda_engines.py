"""The convolution engines of CUDA devices: which one is taken, and what is said of the others."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alexnet_native import _core

PLAN = """
import sys
from alexnet_native import _core
for _ in range(2):
    conv = {"channels": 4, "kernel": 3}
    runner = _core.LayerRunner("conv", conv, [(2, 3, 5, 5)], device=sys.argv[1])
print(runner.engine)
"""


def cuda(device: str) -> str:
    if not device.startswith("cuda"):
        pytest.skip(f"{device} is no CUDA device")
    return device


def runner(device: str, engine: str, precision: str = "fp32") -> _core.LayerRunner:
    attributes = {"channels": 4, "kernel": 3, "engine": engine}
    return _core.LayerRunner("conv", attributes, [(2, 3, 5, 5)], device=device, precision=precision)


def test_auto_takes_cudnn_or_says_once_why_not(device: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PLAN, cuda(device)], check=True, capture_output=True, text=True
    )
    if ran.stdout.strip() == "cudnn":
        assert ran.stderr == ""
    else:
        assert ran.stdout.strip() == "gemm"
        (line,) = ran.stderr.splitlines()
        assert line.startswith("alexnet-native: ")
        assert "cuDNN" in line or "cudnn" in line
        assert line.endswith(": using the engine gemm instead")


def test_an_engine_that_cannot_is_refused_with_the_reason_and_the_others(device: str) -> None:
    with pytest.raises(ValueError, match=r"engine cudnn: .*cuDNN.*: choose auto or gemm"):
        runner(cuda(device), "cudnn", "fp64")


def test_an_unknown_engine_is_refused_with_those_that_there_are(device: str) -> None:
    with pytest.raises(
        ValueError, match=r"no convolution engine 'direct' on cuda:\d: choose auto, cudnn or gemm"
    ):
        runner(cuda(device), "direct")


def test_gradient_checks_always_use_gemm(device: str) -> None:
    assert runner(cuda(device), "auto", "fp64").engine == "gemm"
