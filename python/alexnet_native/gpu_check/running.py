"""Runs one part in a process of its own, ended with all its children when its time is up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from alexnet_native.gpu_check.rows import Row, row

__all__ = ["MARK", "run_part"]

MARK = "row: "  # before each row on the part's output; a row that is out is kept whatever comes


def run_part(arguments: Sequence[str], seconds: float) -> list[Row]:
    """The rows of ``python -m alexnet_native.gpu_check`` with these arguments."""
    process = subprocess.Popen(
        [sys.executable, "-m", "alexnet_native.gpu_check", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    in_time = True
    try:
        out, err = process.communicate(timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        in_time = False
    finally:  # also on Ctrl-C
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if not in_time:
        out, err = process.communicate()
    rows: list[Row] = [
        json.loads(line.removeprefix(MARK)) for line in out.splitlines() if line.startswith(MARK)
    ]
    if not in_time:
        rows.append(row("time", False, f"not done after {seconds:.0f} s"))
    elif process.returncode != 0:
        why = (err.strip() or f"exit code {process.returncode}").splitlines()[-1]
        rows.append(row("run", False, why))
    elif not rows:
        rows.append(row("run", False, "nothing was checked"))
    return rows
