"""``alexnet-native predict``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_device_options, add_json_option
from alexnet_native.errors import DataError, ModelError
from alexnet_native.json_text import to_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from alexnet_native.net import BaseNet

__all__ = ["add"]

_IMAGES = 128  # in memory at a time


def add(commands: Commands) -> None:
    parser = commands.add(
        "predict",
        _run,
        "predict runs/photos cat.jpg dog.png",
        "predict runs/photos/checkpoints/best *.jpg --top 3 --json",
        "predict runs/photos holiday",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint or a run folder")
    parser.add_argument(
        "files", metavar="IMAGE", nargs="+", type=Path, help="image files, or folders of them"
    )
    parser.add_argument("--top", metavar="N", type=int, default=5,
                        help="number of classes to print for each image (default: 5)")  # fmt: skip
    parser.add_argument("--views", type=int, choices=(1, 10), default=1,
                        help="number of views: 1 = the centre; 10 = the average over the corners, "
                        "the centre and their mirror images (default: 1)")  # fmt: skip
    add_device_options(parser)
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.data.images import require_readable
    from alexnet_native.net import BaseNet

    net = BaseNet.load(
        args.checkpoint, devices=args.devices, threads=args.threads, replicas=args.replicas
    )
    shape = _image_shape(net)
    require_readable(shape)
    results: list[dict[str, Any]] = []
    problems: list[DataError] = []
    files = [file for given in args.files for file in _pictures(given, problems)]
    for first in range(0, len(files), _IMAGES):
        images, good = _read(files[first : first + _IMAGES], shape, problems)
        if good:
            results += _predict(net, images, good, args.views, args.top)
    if not results and len(problems) == 1:
        raise problems[0]
    for problem in problems:
        log.warning(str(problem))
    if args.json:
        log.line(to_json(results, indent=1))
    else:
        for result in results:
            log.line(result["file"])
            for entry in result["top"]:
                log.line(f"  {100 * entry['probability']:6.2f} %  {entry['class']}")
    if problems:
        total = len(results) + len(problems)
        raise DataError(f"{len(problems)} of {total} images cannot be read; see the warnings")


def _image_shape(net: BaseNet) -> tuple[int, int, int]:
    if net.preprocess is not None:
        return net.preprocess.statistics.image_shape
    channels, height, width = net.input_shape
    return height, width, channels


def _pictures(given: Path, problems: list[DataError]) -> list[Path]:
    """The file, or the image files in a folder, at any depth, sorted."""
    from alexnet_native.data.layout import files_below, is_picture

    if not given.is_dir():
        return [given]
    found = list(files_below(given))
    pictures = [Path(file) for file, why in found if why is None and is_picture(Path(file).name)]
    unreadable = [(file, why[1]) for file, why in found if why and why[0] == "unreadable"]
    problems += [DataError(f"{file} cannot be read: {reason}") for file, reason in unreadable]
    if not pictures and not unreadable:
        from alexnet_native.data.images import EXTENSIONS

        raise DataError(f"the folder {given} has no images ({', '.join(sorted(EXTENSIONS))})")
    return pictures


def _read(
    files: list[Path], shape: tuple[int, int, int], problems: list[DataError]
) -> tuple[list[NDArray[np.uint8]], list[Path]]:
    """The images of the files that can be read, and these files."""
    from alexnet_native.data.images import read_image

    images, good = [], []
    for file in files:
        try:
            images.append(read_image(file, shape))
            good.append(file)
        except DataError as problem:
            problems.append(problem)
    return images, good


def _predict(
    net: BaseNet, images: list[NDArray[np.uint8]], files: list[Path], views: int, top: int
) -> list[dict[str, Any]]:
    import numpy as np

    names = net.class_names or tuple(str(index) for index in range(net.classes))
    results = []
    for file, row in zip(files, net.predict(np.stack(images), views=views), strict=True):
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
