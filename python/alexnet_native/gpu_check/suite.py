"""Parts "tests" and "sanitizer": the repository's tests on the device; NVIDIA's memory checker."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from alexnet_native.gpu_check.rows import Row, Settings, row

__all__ = ["sanitizer", "tests"]

_FOUND = 86  # exit code of the checker where it has found something
_SMALL = """
import numpy as np
from alexnet_native import Net
net = Net("cifar10-quick", devices={devices!r}, seed=1)
images = np.ones((2, *net.input_shape), np.float32)
for step in range(3):
    net.train_step(images, np.array([1, 2], np.int32), lr=1e-3)
net.predict(images)
"""


def tests(settings: Settings) -> Iterator[Row]:
    """Every test of the fast suite, on all devices under check."""
    if settings.source is None:
        yield row("tests", None, "no checkout of the repository here: --source names one")
        return
    if find_spec("pytest") is None:
        yield row("tests", None, "pytest is not installed")
        return
    chosen = os.environ.get("ALEXNET_GPU_CHECK_TESTS", "tests").split()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        cwd=settings.source,
        env={**os.environ, "ALEXNET_TEST_DEVICES": ",".join(settings.devices)},
        capture_output=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith(("FAILED ", "ERROR ")):
            name, _, why = line.partition(" ")[2].partition(" - ")
            yield row(name, False, why)
    last = (done.stdout.strip() or done.stderr.strip() or "no output").splitlines()[-1]
    yield row("all", done.returncode == 0, last.strip("= "))


def sanitizer(settings: Settings) -> Iterator[Row]:
    """compute-sanitizer on three training steps, with nothing kept in the memory pool."""
    tool = _checker()
    if tool is None:
        yield row("compute-sanitizer", None, "not found: it comes with NVIDIA's toolkit")
        return
    program = [sys.executable, "-c", _SMALL.format(devices=(settings.device,))]
    for check in ("memcheck", "racecheck", "initcheck", "synccheck"):
        done = subprocess.run(
            [tool, "--tool", check, "--error-exitcode", str(_FOUND), *program],
            env={**os.environ, "ALEXNET_CUDA_CACHE": "0"},
            capture_output=True,
            text=True,
        )
        said = re.findall(r"^=+ (.+)$", done.stdout, re.MULTILINE)
        summary = next((line for line in said if "SUMMARY" in line), said[-1] if said else "")
        yield row(check, done.returncode == 0, summary or f"exit code {done.returncode}")


def _checker() -> str | None:
    if found := shutil.which("compute-sanitizer"):
        return found
    for home in (os.environ.get("CUDA_HOME"), "/usr/local/cuda"):
        if home and (tool := Path(home) / "bin" / "compute-sanitizer").is_file():
            return str(tool)
    return None
