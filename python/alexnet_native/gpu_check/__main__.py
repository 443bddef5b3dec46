"""Runs the parts, each in a process of its own with a time limit; ends with a table and JSON.

    python -m alexnet_native.gpu_check --json report.json
    python -m alexnet_native.gpu_check --only speed --nets alexnet --batches 256

tests      every test of the repository on the devices (--source, or the folder at hand)
sanitizer  compute-sanitizer on a few training steps
layers     every convolution of the nets by every engine, against the CPU
loss       ten training steps against the CPU and against PyTorch
speed      the training step beside PyTorch's and beside the floor of the card

Exit code 0: nothing fails; 1: something does, or the device is not there; 2: wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from alexnet_native import _core, log
from alexnet_native.gpu_check.layers import layers
from alexnet_native.gpu_check.losses import loss
from alexnet_native.gpu_check.report import failures, row_line, summary, write_json
from alexnet_native.gpu_check.rows import Part, Row, Settings
from alexnet_native.gpu_check.running import MARK, run_part
from alexnet_native.gpu_check.speed import PEERS, speed
from alexnet_native.gpu_check.suite import sanitizer, tests
from alexnet_native.models import NAMES

PARTS: Mapping[str, tuple[Part, float]] = {  # and the part's share of the time
    "tests": (tests, 0.30),
    "sanitizer": (sanitizer, 0.10),
    "layers": (layers, 0.10),
    "loss": (loss, 0.12),
    "speed": (speed, 0.38),
}
# The speed of the small nets says nothing; loss and speed take those of full size by default.
_LARGE = ("alexnet", "alexnet-single", "torchvision-alexnet")
_PRECISIONS = ("fp32", "tf32", "bf16")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(word) for word in text.split(","))
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text}: batches have one image at least")
    return sizes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m alexnet_native.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--devices", type=_words, default=("cuda:0",), metavar="A,B", help="to check (cuda:0)"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--nets", type=_words, default=(), metavar="A,B", help="these nets")
    parser.add_argument(
        "--batches", type=_sizes, default=(256, 128, 1024), metavar="N,M",
        help="of speed, the most wanted first (256,128,1024)",
    )  # fmt: skip
    parser.add_argument(
        "--precisions", type=_words, default=_PRECISIONS, metavar="P,Q",
        help=f"of speed ({','.join(_PRECISIONS)})",
    )  # fmt: skip
    parser.add_argument(
        "--peers", type=_words, default=tuple(PEERS), metavar="A,B",
        help=f"PyTorch's forms in speed: {', '.join(PEERS)}; '' for none",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=480, help="time limit of all parts (480)")
    parser.add_argument("--source", type=Path, help="the repository's folder, for its tests")
    parser.add_argument("--json", type=Path, help="writes every row to this file")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for given, known in ((args.nets, NAMES), (args.peers, PEERS), (args.precisions, _PRECISIONS)):
        if unknown := [word for word in given if word not in known]:
            parser.error(f"there is no {unknown[0]}; there are {', '.join(known)}")
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"there is no folder {args.json.absolute().parent}")
    return args


def _unavailable(device: str) -> str | None:
    """Why the device cannot be used, or None."""
    if any(found["name"] == device for found in _core.devices()):
        return None
    for backend in _core.unavailable_backends():
        if device.startswith(backend["name"]):
            return backend["reason"]
    return f"there is no device {device}; `alexnet-native devices` lists those there are"


def _source(named: Path | None) -> Path | None:
    """A folder with the repository's tests: the one that is named, or the one at hand."""
    folder = (named or Path()).absolute()
    return folder if (folder / "tests" / "conftest.py").is_file() else None


def _run_here(args: argparse.Namespace) -> None:
    part = PARTS[args.part][0]
    settings = Settings(
        args.devices, args.nets, args.batches, args.precisions, args.peers, args.seconds,
        args.source,
    )  # fmt: skip
    for row in part(settings):
        log.line(MARK + json.dumps(row))


def _part_arguments(part: str, args: argparse.Namespace, seconds: float) -> list[str]:
    nets = args.nets or (tuple(NAMES) if part == "layers" else _LARGE)
    source = _source(args.source)
    return [
        *("--part", part, "--devices", ",".join(args.devices), "--nets", ",".join(nets)),
        *("--batches", ",".join(map(str, args.batches))),
        *("--precisions", ",".join(args.precisions), "--peers", ",".join(args.peers)),
        *("--seconds", str(seconds), *(("--source", str(source)) if source else ())),
    ]


def main() -> int:
    args = _arguments()
    if args.part:
        _run_here(args)
        return 0
    for device in args.devices:
        if reason := _unavailable(device):
            log.error(reason)
            return 1
    end = time.monotonic() + args.seconds
    chosen = [part for part in PARTS if not args.only or part in args.only]
    report: dict[str, list[Row]] = {}
    seconds: dict[str, float] = {}
    for i, part in enumerate(chosen):
        # What a part leaves over, those behind it share.
        left, shares = end - time.monotonic(), [PARTS[later][1] for later in chosen[i:]]
        limit = left * shares[0] / sum(shares)
        began = time.monotonic()
        report[part] = run_part(_part_arguments(part, args, limit), limit)
        seconds[part] = time.monotonic() - began
        for row in report[part]:
            log.line(row_line(part, row))
        if args.json:
            write_json(args.json, args.devices, report, seconds)
    log.line()
    log.line(summary(report, seconds))
    return 1 if failures(report) else 0


if __name__ == "__main__":
    sys.exit(main())
