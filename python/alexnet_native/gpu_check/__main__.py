"""Runs the parts, each in a process of its own with a time limit; ends with a table and JSON.

    python -m alexnet_native.gpu_check --json report.json

Exit code 0: every row holds; 1: one does not, or the device is not there; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from alexnet_native import _core, log
from alexnet_native.gpu_check.parts import PARTS, Row
from alexnet_native.models import NAMES

# The speed of the small nets says nothing; loss and speed take those of full size by default.
_LARGE = ("alexnet", "alexnet-single", "torchvision-alexnet")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m alexnet_native.gpu_check", description=__doc__)
    parser.add_argument("--device", default="cuda:0", help="the device to check")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--nets", help="these nets, as alexnet,cifar10-quick")
    parser.add_argument("--seconds", type=float, default=480, help="time limit of all parts")
    parser.add_argument("--json", type=Path, help="writes the rows to this file")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def _unavailable(device: str) -> str | None:
    """Why the device cannot be used, or None."""
    if any(found["name"] == device for found in _core.devices()):
        return None
    for backend in _core.unavailable_backends():
        if device.startswith(backend["name"]):
            return backend["reason"]
    return f"there is no device {device}; `alexnet-native devices` lists those there are"


def _run_part(part: str, args: argparse.Namespace, nets: str, seconds: float) -> list[Row]:
    command = [sys.executable, "-m", "alexnet_native.gpu_check", "--part", part]
    command += ["--device", args.device, "--nets", nets]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(seconds, 1))
    except subprocess.TimeoutExpired:
        return [Row(what="time", ok=False, figure=f"not done after {seconds:.0f} s")]
    if done.returncode != 0:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        return [Row(what="run", ok=False, figure=last)]
    rows: list[Row] = json.loads(done.stdout.splitlines()[-1])
    return rows


def main() -> int:
    args = _arguments()
    if args.part:
        log.line(json.dumps(PARTS[args.part](args.device, args.nets.split(","))))
        return 0
    if reason := _unavailable(args.device):
        log.error(reason)
        return 1
    known = args.nets.split(",") if args.nets else []
    if unknown := [net for net in known if net not in NAMES]:
        log.error(f"there is no net {unknown[0]}; there are {', '.join(NAMES)}")
        return 2
    end = time.monotonic() + args.seconds
    report: dict[str, list[Row]] = {}
    for part in args.only or PARTS:
        nets = args.nets or ",".join(NAMES if part == "layers" else _LARGE)
        report[part] = _run_part(part, args, nets, end - time.monotonic())
        for row in report[part]:
            log.line(
                f"{'ok  ' if row['ok'] else 'FAIL'}  {part:6}  {row['what']:34}  {row['figure']}"
            )
    if args.json:
        args.json.write_text(json.dumps({"device": args.device, "parts": report}, indent=1) + "\n")
    failed = sum(not row["ok"] for rows in report.values() for row in rows)
    log.line(f"{sum(map(len, report.values())) - failed} hold, {failed} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
