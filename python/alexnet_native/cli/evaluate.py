"""``alexnet-native evaluate``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_device_options
from alexnet_native.errors import ConfigError

if TYPE_CHECKING:
    from alexnet_native.data import Dataset
    from alexnet_native.net import Net

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "evaluate",
        _run,
        "Measure loss and errors of a checkpoint.",
        "evaluate runs/quick --views 10",
        "evaluate runs/quick/checkpoints/latest --data cifar-10-batches-bin --json",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint or a run folder")
    parser.add_argument("--data", help="the data (default: that of the training)")
    parser.add_argument(
        "--split", choices=("val", "train"), default="val", help="its part (default: val)"
    )
    parser.add_argument(
        "--views",
        type=int,
        choices=(1, 10),
        default=1,
        help="1: the centre; 10: the average over corners, centre and their mirror images",
    )
    add_device_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.config import TrainConfig
    from alexnet_native.data import open_data
    from alexnet_native.net import Net
    from alexnet_native.training import checkpoint
    from alexnet_native.training.evaluation import evaluate

    saved = checkpoint.load(args.checkpoint)
    if args.data is None and not saved.config:
        raise ConfigError(f"{saved.path} does not say what data it is for; name it with --data")
    data = open_data(args.data or TrainConfig.from_toml(saved.config, str(saved.path)).data)
    net = Net.load(saved.path, devices=args.devices, threads=args.threads)
    _require_same_classes(net, data)
    source = data.val if args.split == "val" else data.train
    if source is None:
        raise ConfigError(f"{data.name} has no validation images; take --split train")
    sums = evaluate(net, source, views=args.views)
    assert sums is not None  # nothing stops it
    result = {
        "images": sums.images,
        "views": args.views,
        "loss": sums.mean_loss,
        "top1_error": sums.top1_error,
        "top5_error": sums.top5_error,
    }
    if args.json:
        log.line(json.dumps(result))
        return
    views = "1 view" if args.views == 1 else f"{args.views} views"
    log.line(
        f"{sums.images} images, {views}: loss {sums.mean_loss:.4f}, "
        f"error {100 * sums.top1_error:.2f} %, top-5 error {100 * sums.top5_error:.2f} %"
    )


def _require_same_classes(net: Net, data: Dataset) -> None:
    """Names must agree where the data has names, not just numbers."""
    known = net.class_names or ()
    if len(data.classes) > net.classes:
        raise ConfigError(
            f"{data.name} has {len(data.classes)} classes, the checkpoint's network {net.classes}"
        )
    if all(name.isdecimal() for name in data.classes) or not known:
        return
    for index, (here, there) in enumerate(zip(data.classes, known, strict=False)):
        if here != there:
            raise ConfigError(
                f"{data.name} is not what the network was trained on: class {index} is {here} "
                f"there and {there} in the checkpoint"
            )
