"""``alexnet-native predict``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_device_options, add_json_option
from alexnet_native.errors import ModelError
from alexnet_native.json_text import to_json

if TYPE_CHECKING:
    from alexnet_native.net import BaseNet

__all__ = ["add"]

_IMAGES = 128  # in memory at a time


def add(commands: Commands) -> None:
    parser = commands.add(
        "predict",
        _run,
        "predict runs/photos cat.jpg dog.png",
        "predict runs/photos/checkpoints/best *.jpg --top 3 --json",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint or a run folder")
    parser.add_argument("files", metavar="IMAGE", nargs="+", type=Path, help="image files")
    parser.add_argument("--top", metavar="N", type=int, default=5,
                        help="number of classes to print for each image (default: 5)")  # fmt: skip
    parser.add_argument("--views", type=int, choices=(1, 10), default=1,
                        help="number of views: 1 = the centre; 10 = the average over the corners, "
                        "the centre and their mirror images (default: 1)")  # fmt: skip
    add_device_options(parser)
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.net import BaseNet

    net = BaseNet.load(
        args.checkpoint, devices=args.devices, threads=args.threads, replicas=args.replicas
    )
    results: list[dict[str, Any]] = []
    for first in range(0, len(args.files), _IMAGES):
        results += _predict(net, args.files[first : first + _IMAGES], args.views, args.top)
    if args.json:
        log.line(to_json(results, indent=1))
        return
    for result in results:
        log.line(result["file"])
        for entry in result["top"]:
            log.line(f"  {100 * entry['probability']:6.2f} %  {entry['class']}")


def _predict(net: BaseNet, files: list[Path], views: int, top: int) -> list[dict[str, Any]]:
    import numpy as np

    from alexnet_native.data.images import read_image

    channels, height, width = net.input_shape
    shape = (height, width, channels)
    if net.preprocess is not None:
        shape = net.preprocess.statistics.image_shape
    images = np.stack([read_image(file, shape) for file in files])
    names = net.class_names or tuple(str(index) for index in range(net.classes))
    results = []
    for file, row in zip(files, net.predict(images, views=views), strict=True):
        if not np.isfinite(row).all():
            layer = net.find_nonfinite()
            raise ModelError(
                f"{file}: the network's output is not finite"
                + (f", because parameters of {layer} are not" if layer else "")
                + "; use a checkpoint from before the training diverged"
            )
        best = np.argsort(-row, kind="stable")[: max(1, top)]
        entries = [{"class": names[index], "probability": float(row[index])} for index in best]
        results.append({"file": str(file), "top": entries})
    return results
