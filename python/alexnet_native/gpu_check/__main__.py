"""Runs the parts one after the other, each in processes of its own with a time limit.

    python -m alexnet_native.gpu_check --json report.json
    python -m alexnet_native.gpu_check --only speed --nets alexnet --batches 256

layers     every convolution of the nets by every engine, alone and with a ReLU, against the CPU
loss       ten training steps against the CPU and against PyTorch
speed      the training step beside PyTorch's and beside the floor of the card
sanitizer  compute-sanitizer on a few training steps
tests      the repository's tests on the devices (--source, or the folder at hand)

Each row is printed, and stands in the JSON file, as soon as it is there; a table comes last.

Exit code 0: nothing fails; 1: something does, or the device is not there; 2: wrong usage.
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
from alexnet_native.gpu_check.rows import Part, Row, Settings
from alexnet_native.gpu_check.running import marked, run_part
from alexnet_native.gpu_check.sanitizer import sanitizer
from alexnet_native.gpu_check.speed import speed
from alexnet_native.gpu_check.suite import DEFAULT, tests
from alexnet_native.models import NAMES

# In the order in which they say most in least time; with each part's share of the time.
PARTS: Mapping[str, tuple[Part, float]] = {
    "layers": (layers, 0.15),
    "loss": (loss, 0.12),
    "speed": (speed, 0.38),
    "sanitizer": (sanitizer, 0.12),
    "tests": (tests, 0.23),
}
# These start processes themselves, and use no device in their own.
_STARTERS = ("sanitizer", "tests")
# The speed of the small nets says nothing; loss and speed take those of full size by default.
_LARGE = ("alexnet", "alexnet-single", "torchvision-alexnet")
_PRECISIONS = ("bf16", "fp32", "tf32")  # the most wanted first


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
        help=f"of layers and speed ({','.join(_PRECISIONS)})",
    )  # fmt: skip
    parser.add_argument(
        "--peers", type=_words, default=tuple(PEERS), metavar="A,B",
        help=f"PyTorch's forms in speed: {', '.join(PEERS)}; '' for none",
    )  # fmt: skip
    parser.add_argument("--seconds", type=float, default=480, help="time limit of all parts (480)")
    parser.add_argument("--source", type=Path, help="the repository's folder, for its tests")
    parser.add_argument(
        "--tests", action="append", default=[], metavar="PATH",
        help=f"a file or folder of tests; may be repeated ({', '.join(DEFAULT)})",
    )  # fmt: skip
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


def _settings(part: str, args: argparse.Namespace, seconds: float) -> Settings:
    nets = args.nets or (tuple(NAMES) if part == "layers" else _LARGE)
    return Settings(
        args.devices, nets, args.batches, args.precisions, args.peers, seconds,
        _source(args.source), tuple(args.tests),
    )  # fmt: skip


def _run_here(part: str, settings: Settings) -> None:
    """In a process that does nothing else."""
    for row in PARTS[part][0](settings):
        sys.stdout.write(marked(row))
        sys.stdout.flush()


def _rows(part: str, settings: Settings) -> Iterator[Row]:
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
    # As by Ctrl-C: what was started ends as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    end = time.monotonic() + args.seconds
    chosen = [part for part in PARTS if not args.only or part in args.only]
    report: dict[str, list[Row]] = {}
    seconds: dict[str, float] = {}
    for i, part in enumerate(chosen):
        # What a part leaves over, those behind it share.
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
