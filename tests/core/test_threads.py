"""The default number of threads: the cores available to the process, not those of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from alexnet_native import _core

PRINT = "from alexnet_native import _core; print(_core.available_threads())"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_the_default_is_the_cores_that_the_process_may_use() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    assert 1 <= _core.available_threads() <= len(allowed)
    pinned = f"import os; os.sched_setaffinity(0, {{{allowed[0]}}}); {PRINT}"
    done = subprocess.run(
        [sys.executable, "-c", pinned],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(tiny.PACKAGE_ROOT)},
    )
    assert done.stdout.strip() == "1"


def test_the_quota_of_a_container_is_respected() -> None:
    file = Path("/sys/fs/cgroup/cpu.max")
    quota, _, period = (file.read_text() if file.is_file() else "max").partition(" ")
    if quota == "max":
        pytest.skip("this machine gives the process no CPU quota")
    assert _core.available_threads() <= max(1, int(float(quota) / float(period)))
