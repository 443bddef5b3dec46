"""Part "sanitizer": runs training steps of a small network under NVIDIA's compute-sanitizer."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.gpu_check.running import Child

__all__ = ["sanitizer"]

_TOOLS = {"memcheck": 0.4, "racecheck": 0.2, "initcheck": 0.2, "synccheck": 0.2}  # shares of time
_FOUND = 86  # exit code of the sanitizer if it has findings
# Checks only our kernels, which are in the namespace alexnet; cuBLAS's would take most of the time.
_KERNELS = ("--kernel-name", "kns=alexnet")
# initcheck must watch all kernels, since cuBLAS initialises memory that ours read. Only findings in
# our kernels are counted.
_OPTIONS = {
    "memcheck": _KERNELS,
    "racecheck": (*_KERNELS, "--racecheck-report", "all"),
    "initcheck": (),
    "synccheck": _KERNELS,
}
# The layers of the paper's network, small. im2col is our code; cuDNN's convolutions are not.
_SMALL = """
import numpy as np
from alexnet_native import Net
from alexnet_native.models import Description
layers = (
    {{"name": "conv1", "type": "conv", "channels": 8, "kernel": 5, "stride": 2, "ceil": True}},
    {{"name": "relu1", "type": "relu"}},
    {{"name": "norm1", "type": "lrn", "size": 5}},
    {{"name": "pool1", "type": "max_pool", "size": 3, "stride": 2}},
    {{"name": "conv2", "type": "conv", "channels": 8, "kernel": 3, "pad": 1, "groups": 2}},
    {{"name": "relu2", "type": "relu"}},
    {{"name": "fc3", "type": "dense", "channels": 16}},
    {{"name": "relu3", "type": "relu"}},
    {{"name": "drop3", "type": "dropout"}},
    {{"name": "fc4", "type": "dense", "channels": 10}},
    {{"name": "softmax", "type": "softmax"}},
)
small = Description("small", (3, 24, 24), 10, layers).with_engine("gemm")
for precision in ("fp32", "bf16"):
    net = Net(small, devices={devices!r}, seed=1, precision=precision)
    images = np.ones((2, *net.input_shape), np.float32)
    for step in range(3):
        net.train_step(images, np.array([1, 2], np.int32), lr=1e-3)
    net.predict(images)
"""


def sanitizer(settings: Settings) -> Iterator[CheckRow]:
    """A row for each tool, each with its own time limit; the memory pool caches nothing."""
    tool = _checker()
    if tool is None:
        yield row("compute-sanitizer", None, "not found; it is part of NVIDIA's CUDA toolkit")
        return
    program = [sys.executable, "-c", _SMALL.format(devices=(settings.device,))]
    end, shares = time.monotonic() + settings.seconds, dict(_TOOLS)
    for check in _TOOLS:
        left = end - time.monotonic()
        limit = left * shares[check] / sum(shares.values())
        del shares[check]
        options = ["--tool", check, *_OPTIONS[check], "--show-backtrace", "no"]
        options += ["--error-exitcode", str(_FOUND)]
        child = Child([tool, *options, *program], limit, env={"ALEXNET_CUDA_CACHE": "0"})
        said = [line.strip("= \n") for line in child.lines() if line.startswith("=")]
        summary = next((line for line in said if "SUMMARY" in line), "")
        if not (child.in_time and child.code in (0, _FOUND) and summary):
            why = child.why() or (said[-1] if said else "") or "it printed nothing"
            yield row(check, False, why)
            continue
        found = _findings(said)
        holds = child.code == 0 or (check == "initcheck" and not found)
        yield row(check, holds, "; ".join((summary, *found[:3])), findings=len(found))


def _findings(said: Sequence[str]) -> list[str]:
    """The findings in our kernels: the finding and the kernel."""
    what, found = "", []
    for line in said:
        if "alexnet::" in line:
            found.append(f"{what} {line}"[:300])
        elif not line.startswith(("at ", "by ", "and ")):
            what = line
    return found


def _checker() -> str | None:
    if found := shutil.which("compute-sanitizer"):
        return found
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        if home and (tool := Path(home) / "bin" / "compute-sanitizer").is_file():
            return str(tool)
    return None
