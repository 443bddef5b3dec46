"""Checks devices in several parts, each in its own process with a time limit.

    python -m alexnet_native.gpu_check --json report.json
    python -m alexnet_native.gpu_check --only speed --nets alexnet --batches 256

layers     every convolution of the networks with every engine, without and with ReLU, compared with
           the CPU
loss       ten training steps, compared with the CPU and with PyTorch
speed      the time of a training step, compared with PyTorch and with the lower bound of the device
sanitizer  compute-sanitizer on several training steps
tests      the repository's tests on the devices (from --source, or from the current folder)

Each result is printed and written to the JSON file immediately; a summary follows at the end.

Exit code: 0 if nothing fails; 1 if a check fails or a device is not available; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from alexnet_native import _core, log
from alexnet_native.gpu_check.contestants import PEERS
from alexnet_native.gpu_check.layers import layers
from alexnet_native.gpu_check.losses import loss
from alexnet_native.gpu_check.report import failures, row_line, summary, write_json
from alexnet_native.gpu_check.rows import CheckRow, Part, Settings
from alexnet_native.gpu_check.running import marked, run_part
from alexnet_native.gpu_check.sanitizer import sanitizer
from alexnet_native.gpu_check.speed import speed
from alexnet_native.gpu_check.suite import DEFAULT, tests
from alexnet_native.models import NAMES

# The most informative per time first; with each part's share of the time.
PARTS: Mapping[str, tuple[Part, float]] = {
    "layers": (layers, 0.15),
    "loss": (loss, 0.12),
    "speed": (speed, 0.38),
    "sanitizer": (sanitizer, 0.12),
    "tests": (tests, 0.23),
}
# These start other processes, and use no device themselves.
_STARTERS = ("sanitizer", "tests")
# The default of loss and speed: full-size networks, since the speed of small ones is not of use.
_LARGE = ("alexnet", "alexnet-single", "torchvision-alexnet")
_PRECISIONS = ("bf16", "fp32", "tf32")  # the most important first


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(word) for word in text.split(","))
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text}: batch sizes must be at least 1")
    return sizes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m alexnet_native.gpu_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--devices", type=_words, default=("cuda:0",), metavar="A,B",
        help="devices to check (default: cuda:0)",
    )  # fmt: skip
    parser.add_argument(
        "--only", choices=PARTS, action="append",
        help="run only this part; may be repeated (default: all parts)",
    )  # fmt: skip
    parser.add_argument(
        "--nets", type=_words, default=(), metavar="A,B",
        help=f"networks (default: all for layers; {','.join(_LARGE)} for loss and speed)",
    )  # fmt: skip
    parser.add_argument(
        "--batches", type=_sizes, default=(256, 128, 1024), metavar="N,M",
        help="batch sizes for speed, the most important first (default: 256,128,1024)",
    )  # fmt: skip
    parser.add_argument(
        "--precisions", type=_words, default=_PRECISIONS, metavar="P,Q",
        help=f"precisions for layers and speed (default: {','.join(_PRECISIONS)})",
    )  # fmt: skip
    parser.add_argument(
        "--peers", type=_words, default=tuple(PEERS), metavar="A,B",
        help=f"PyTorch variants for speed; '' for none (default: {','.join(PEERS)})",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=480, metavar="X",
        help="time limit for all parts together (default: 480)",
    )  # fmt: skip
    parser.add_argument(
        "--source", type=Path, metavar="FOLDER",
        help="the repository, for its tests (default: the current folder)",
    )  # fmt: skip
    parser.add_argument(
        "--tests", action="append", default=[], metavar="PATH",
        help=f"a file or folder of tests; may be repeated (default: {', '.join(DEFAULT)})",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write every row to this file (default: none)"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for given, known in ((args.nets, NAMES), (args.peers, PEERS), (args.precisions, _PRECISIONS)):
        if unknown := [word for word in given if word not in known]:
            parser.error(f"{unknown[0]} is unknown; it must be one of {', '.join(known)}")
    if args.json and not args.json.absolute().parent.is_dir():
        parser.error(f"the folder {args.json.absolute().parent} does not exist")
    return args


def _unavailable(device: str) -> str | None:
    """The reason why the device cannot be used; None if it can."""
    if any(found["name"] == device for found in _core.devices()):
        return None
    for backend in _core.unavailable_backends():
        if device.startswith(backend["name"]):
            return backend["reason"]
    return f"there is no device {device}; `alexnet-native devices` lists the devices"


def _source(named: Path | None) -> Path | None:
    """The repository's folder: `named`, or the current folder; None if it has no tests."""
    folder = (named or Path()).absolute()
    return folder if (folder / "tests" / "conftest.py").is_file() else None


def _settings(part: str, args: argparse.Namespace, seconds: float) -> Settings:
    nets = args.nets or (tuple(NAMES) if part == "layers" else _LARGE)
    return Settings(
        args.devices, nets, args.batches, args.precisions, args.peers, seconds,
        _source(args.source), tuple(args.tests),
    )  # fmt: skip


def _run_here(part: str, settings: Settings) -> None:
    """Runs a part in this process and prints its rows for the parent process."""
    for row in PARTS[part][0](settings):
        sys.stdout.write(marked(row))
        sys.stdout.flush()


def _rows(part: str, settings: Settings) -> Iterator[CheckRow]:
    if part in _STARTERS:
        return PARTS[part][0](settings)
    words = [
        *("--part", part, "--devices", ",".join(settings.devices)),
        *("--nets", ",".join(settings.nets), "--batches", ",".join(map(str, settings.batches))),
        *("--precisions", ",".join(settings.precisions), "--peers", ",".join(settings.peers)),
        *("--seconds", str(settings.seconds)),
    ]
    return run_part(words, settings.seconds)


def main() -> int:
    args = _arguments()
    if args.part:
        _run_here(args.part, _settings(args.part, args, args.seconds))
        return 0
    for device in args.devices:
        if reason := _unavailable(device):
            log.error(reason)
            return 1
    # As with Ctrl-C, the processes that were started must also end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end = time.monotonic() + args.seconds
    chosen = [part for part in PARTS if not args.only or part in args.only]
    report: dict[str, list[CheckRow]] = {}
    seconds: dict[str, float] = {}
    for i, part in enumerate(chosen):
        # The following parts share the time that a part does not use.
        left, shares = end - time.monotonic(), [PARTS[later][1] for later in chosen[i:]]
        settings = _settings(part, args, max(1.0, left * shares[0] / sum(shares)))
        began = time.monotonic()
        report[part] = []
        for row in _rows(part, settings):
            report[part].append(row)
            seconds[part] = time.monotonic() - began
            log.line(row_line(part, row))
            if args.json:
                write_json(args.json, args.devices, report, seconds)
        seconds[part] = time.monotonic() - began
    log.line()
    log.line(summary(report, seconds))
    return 1 if failures(report) else 0


if __name__ == "__main__":
    sys.exit(main())
