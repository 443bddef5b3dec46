"""``alexnet-native prepare``."""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_json_option

if TYPE_CHECKING:
    from alexnet_native.data.prepare.preparation import Preparation, Summary

__all__ = ["add"]

_SHARD_MIB = 384  # 2048 records of 256 x 256
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def add(commands: Commands) -> None:
    parser = commands.add(
        "prepare",
        _run,
        "prepare photos shards/photos",
        "prepare imagenet shards/imagenet --workers 16   # the archives of ILSVRC-2012",
        "prepare cifar-10-batches-bin shards/cifar10",
        "prepare --verify shards/imagenet",
        more=(
            "SRC is a folder of images (train/<class>/, val/<class>/, test/<class>/, or\n"
            "<class>/), a folder with the archives of ILSVRC-2012 or ILSVRC-2010 and the\n"
            "development kit as downloaded, a folder of .tar archives, or CIFAR in the binary\n"
            "layout. The shorter side of each image is scaled to --size with antialiasing, then\n"
            "the central square is cropped. DST/report.csv lists the images that were converted\n"
            "from other formats or left out. After an interruption, run the same command again to\n"
            "continue."
        ),
    )
    parser.add_argument("source", metavar="SRC", type=Path, help="the images, see above")
    parser.add_argument("folder", metavar="DST", type=Path, nargs="?",
                        help="the folder to write: new, empty, or of an interrupted "
                        "preparation")  # fmt: skip
    parser.add_argument(
        "--size",
        metavar="N",
        type=int,
        default=0,
        help="height and width of the records in pixels (default: 256; 32 for CIFAR)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=0,
        help="number of decoding threads; the result does not depend on it (default: all "
        "processors)",
    )
    parser.add_argument(
        "--shard-mib",
        metavar="N",
        type=int,
        default=_SHARD_MIB,
        help=f"maximum size of a shard in MiB (default: {_SHARD_MIB})",
    )
    parser.add_argument("--name", help="name of the data set (default: the name of SRC)")
    parser.add_argument("--verify", action="store_true",
                        help="compare every record of the prepared data set SRC with its checksum; "
                        "DST is not used (default: no)")  # fmt: skip
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native._core import available_threads
    from alexnet_native.cli.prepare_progress import progress
    from alexnet_native.data.prepare.preparation import Preparation, finished
    from alexnet_native.data.prepare.settings import Request

    if args.verify == (args.folder is not None):
        args.parser.error("specify SRC and DST, or --verify and a prepared data set")
    if args.verify:
        _verify(args.source, as_json=args.json)
        return
    # The report lists damaged EXIF blocks and very large images; Pillow's warnings are redundant.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    request = Request(
        source=args.source,
        folder=args.folder,
        name=args.name or args.source.resolve().name,
        size=args.size,
        shard_bytes=args.shard_mib * 1024**2,
    )
    if summary := finished(request):
        _show(summary, args.folder, f"{args.folder} is already complete", as_json=args.json)
        return
    if not args.json:
        log.line(f"listing {args.source}")
    preparation = Preparation(request)
    if not args.json:
        _show_plan(preparation)
    preparation.check_space()
    workers = args.workers if args.workers > 0 else available_threads()
    try:
        with progress(silent=args.json) as shown:
            summary = preparation.run(workers, shown.update)
    except KeyboardInterrupt:
        log.warning("stopped; run the same command again to continue")
        raise
    _show(summary, args.folder, f"{args.folder} is complete", as_json=args.json)


def _verify(folder: Path, *, as_json: bool) -> None:
    from alexnet_native.data.prepare.preparation import Summary
    from alexnet_native.data.prepare.report import count_report
    from alexnet_native.data.shards.index import read_index
    from alexnet_native.data.shards.source import ShardSource

    index = read_index(folder)
    for split in index.splits:
        ShardSource(folder, index, split).verify()
    _show(Summary(index, count_report(folder)), folder, f"{folder} is intact", as_json=as_json)


def _show_plan(preparation: Preparation) -> None:
    listing, request = preparation.listing, preparation.request
    counts = _counts({split: len(inputs) for split, inputs in listing.splits.items()})
    log.line(f"{listing.kind}: {counts} images, {len(listing.classes)} classes")
    for note in listing.notes:
        log.line(f"note: {note}")
    if listing.findings:
        _show_kinds(Counter((f.outcome, f.kind) for f in listing.findings), "so far")
    log.line(
        f"{request.folder} needs {preparation.bytes_needed / 1e9:.2f} GB for records of "
        f"{preparation.size} x {preparation.size} pixels; {preparation.bytes_free / 1e9:.2f} GB "
        "are free"
    )


def _show(summary: Summary, folder: Path, headline: str, *, as_json: bool) -> None:
    index = summary.index
    if as_json:
        result = {
            "folder": str(folder),
            "name": index.name,
            "size": index.size,
            "classes": len(index.classes),
            "images": {name: split.images for name, split in index.splits.items()},
            "findings": [
                {"outcome": outcome, "kind": kind, "inputs": count}
                for (outcome, kind), count in sorted(summary.findings.items())
            ],
        }
        log.line(json.dumps(result, indent=1))
        return
    counts = _counts({name: split.images for name, split in index.splits.items()})
    log.line(f"{headline}: {counts} records of {index.size} x {index.size}")
    _show_kinds(summary.findings, "")
    if summary.findings:
        log.line(f"details: {folder / 'report.csv'}")


def _counts(splits: Mapping[str, int]) -> str:
    *most, last = (f"{count:,} {_SPLITS[name]}" for name, count in splits.items())
    return f"{', '.join(most)} and {last}" if most else last


def _show_kinds(findings: Counter[tuple[str, str]], when: str) -> None:
    for outcome in ("converted", "left out"):
        kinds = sorted((-n, kind) for (what, kind), n in findings.items() if what == outcome)
        if kinds:
            listed = ", ".join(f"{-n:,} {kind}" for n, kind in kinds)
            log.line(f"{outcome} {when}".rstrip() + f": {listed}")
