"""``alexnet-native ensemble``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from alexnet_native import log
from alexnet_native.cli.evaluate import add_csv_option, write_csv
from alexnet_native.cli.parser import Commands, add_json_option
from alexnet_native.json_text import to_json

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "ensemble",
        _run,
        "ensemble a.npz b.npz c.npz",
        "ensemble a.npz b.npz --weights 2,1 --csv errors",
        more="The files are written by evaluate --save-probabilities and must be for the same "
        "images. The paper's\nresults with 5 and 7 networks are printed below.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path,
                        help=".npz files, one for each network")  # fmt: skip
    parser.add_argument(
        "--weights", metavar="A,B", type=_numbers,
        help="weights of the files in the average, e.g. 2,1,1 (default: equal)",
    )  # fmt: skip
    add_csv_option(parser)
    add_json_option(parser)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers; write it as 2,1,1"
        ) from None


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.net.metrics import batch_sums
    from alexnet_native.recipes import ENSEMBLES
    from alexnet_native.reports.error_table import ensemble_table
    from alexnet_native.reports.per_class import PerClass
    from alexnet_native.reports.predictions import Predictions, average, in_one_order

    parts = in_one_order([Predictions.load(path) for path in args.files])
    names = [str(path) for path in args.files]
    mean = average(parts, args.weights, names=names)
    labels = parts[0].labels
    alone = [batch_sums(part.probabilities, labels) for part in parts]
    together = batch_sums(mean, labels)
    if args.csv:
        per_class = PerClass(parts[0].classes)
        per_class.add(mean, labels)
        write_csv(args.csv, per_class)
    if args.json:
        rows = [
            {"file": name, "net": part.net, "recipe": part.recipe, "views": part.views,
             "top1_error": sums.top1_error, "top5_error": sums.top5_error}
            for name, part, sums in zip(names, parts, alone, strict=True)
        ]  # fmt: skip
        ours = {"images": together.images, "loss": together.mean_loss,
                "top1_error": together.top1_error, "top5_error": together.top5_error}  # fmt: skip
        published = [asdict(row) for row in ENSEMBLES]
        log.line(to_json({**ours, "networks": rows, "published": published}))
        return
    log.line(
        f"{together.images} images, {len(parts)} networks: loss {together.mean_loss:.4f}, "
        f"error {100 * together.top1_error:.2f} %, top-5 error {100 * together.top5_error:.2f} %"
    )
    nets = [(name, part.net, part.views) for name, part in zip(names, parts, strict=True)]
    log.line(ensemble_table(nets, alone, together, ENSEMBLES))
