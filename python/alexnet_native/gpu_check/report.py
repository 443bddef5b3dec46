"""The summary table and the JSON file."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alexnet_native import __version__, _core
from alexnet_native.atomic import write_text
from alexnet_native.gpu_check.rows import CheckRow
from alexnet_native.gpu_check.speed import COMPILED, TARGET

__all__ = ["failures", "row_line", "summary", "write_json"]

Report = Mapping[str, Sequence[CheckRow]]  # by part
_MARKS = {True: "ok", False: "FAIL", None: "-"}


def row_line(part: str, row: CheckRow) -> str:
    """A row as a line of text."""
    return f"{_MARKS[row['ok']]:4}  {part:9}  {row['what']:44}  {row['figure']}"


def failures(report: Report) -> int:
    """The number of failed rows."""
    return sum(row["ok"] is False for rows in report.values() for row in rows)


def summary(report: Report, seconds: Mapping[str, float]) -> str:
    """A table with a line for each part, followed by the overall result."""
    lines = [f"{'part':9}  {'hold':>4}  {'fail':>4}  {'other':>5}  {'seconds':>7}"]
    for part, rows in report.items():
        counts = [sum(row["ok"] is value for row in rows) for value in (True, False, None)]
        lines.append(f"{part:9}  {counts[0]:4}  {counts[1]:4}  {counts[2]:5}  {seconds[part]:7.0f}")
    ratios: dict[str, float] = {}  # ratio to the fastest PyTorch variant, by cell
    for row in report.get("speed", ()):
        if ratio := row["numbers"].get("ratio"):
            cell = row["what"].partition(COMPILED)[0]
            ratios[cell] = min(ratio, ratios.get(cell, ratio))
    if ratios:
        reached = sum(ratio >= TARGET for ratio in ratios.values())
        lowest = min(ratios, key=lambda cell: ratios[cell])
        lines.append(
            f"speed: {reached} of {len(ratios)} cells reach {TARGET} x the fastest PyTorch "
            f"variant; the lowest ratio is {ratios[lowest]:.2f} x ({lowest})"
        )
    failed = failures(report)
    lines.append("all checks passed" if not failed else f"{failed} failed")
    return "\n".join(lines)


def write_json(
    path: Path, devices: Sequence[str], report: Report, seconds: Mapping[str, float]
) -> None:
    """Writes the report atomically; called after each row."""
    known = _descriptions()
    content: dict[str, Any] = {
        "version": __version__,
        "devices": {name: known.get(name, "") for name in devices},
        "driver": _driver(),
        "python": platform.python_version(),
        "seconds": dict(seconds),
        "parts": report,
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


@cache
def _descriptions() -> Mapping[str, str]:
    return {device["name"]: device["description"] for device in _core.devices()}


@cache
def _driver() -> str:
    """The GPUs and the driver according to nvidia-smi; empty if it is not installed."""
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,clocks.max.sm",
        "--format=csv,noheader",
    ]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
