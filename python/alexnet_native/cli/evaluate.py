"""``alexnet-native evaluate``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_device_options, add_json_option
from alexnet_native.errors import ConfigError
from alexnet_native.json_text import to_json

if TYPE_CHECKING:
    from alexnet_native.checkpoint import Checkpoint
    from alexnet_native.config import TrainConfig
    from alexnet_native.data import Source, Splits
    from alexnet_native.net import BaseNet
    from alexnet_native.training.evaluation import SplitResult

__all__ = ["add", "add_csv_option", "write_csv"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "evaluate",
        _run,
        "evaluate runs/quick --views 10",
        "evaluate runs/quick/checkpoints/latest --data cifar-10-batches-bin --json",
        "evaluate runs/photos --views 10 --csv errors --save-probabilities a.npz",
        more="Published results for the recipe of the training run, or for its network, are "
        "printed below.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a checkpoint or a run folder")
    parser.add_argument(
        "--data", metavar="NAME",
        help="demo, a folder or a file (default: the data of the training run)",
    )  # fmt: skip
    parser.add_argument(
        "--split", choices=("val", "test", "train"), default="val",
        help="part of the data (default: val)",
    )  # fmt: skip
    parser.add_argument(
        "--views",
        type=int,
        choices=(1, 10),
        default=1,
        help="number of views: 1 = the centre; 10 = also the average over the corners, the centre "
        "and their mirror images (default: 1)",
    )
    add_csv_option(parser)
    parser.add_argument(
        "--save-probabilities",
        metavar="FILE",
        type=Path,
        help="write the probabilities of all images to an .npz file for ensemble (default: none)",
    )
    add_device_options(parser)
    add_json_option(parser)


def add_csv_option(parser: argparse.ArgumentParser) -> None:
    """Adds --csv."""
    parser.add_argument(
        "--csv",
        metavar="FOLDER",
        type=Path,
        help="write the error of each class and the confusion matrix to this folder "
        "(default: none)",
    )


def _run(args: argparse.Namespace) -> None:
    from alexnet_native import checkpoint
    from alexnet_native.config import TrainConfig
    from alexnet_native.data import open_splits
    from alexnet_native.data.classes import with_labels_of
    from alexnet_native.net import BaseNet
    from alexnet_native.reports.per_class import PerClass
    from alexnet_native.training.evaluation import measure_split, progress_lines

    saved = checkpoint.load(args.checkpoint)
    if args.data is None and not saved.config:
        raise ConfigError(f"{saved.path} does not name its training data; specify it with --data")
    config = TrainConfig.from_toml(saved.config, str(saved.path)) if saved.config else None
    data = open_splits(args.data or (config.data if config else ""))
    net = BaseNet.load(
        saved.path, devices=args.devices, threads=args.threads, replicas=args.replicas
    )
    data = with_labels_of(data, net.class_names, net.classes)
    source = data.splits.get(args.split)
    if source is None:
        raise ConfigError(
            f"{data.name} has no {args.split} images; use --split {' or '.join(data.splits)}"
        )
    found = measure_split(
        net,
        source,
        views=args.views,
        per_class=PerClass(_names(net)) if args.csv else None,
        keep=args.save_probabilities is not None,
        on_progress=progress_lines(log.line, len(source)) if not args.json else lambda done: None,
    )
    assert found is not None  # only an interrupted evaluation returns None
    if args.save_probabilities:
        _save_probabilities(args.save_probabilities, found, net, saved, source, data)
    if found.per_class:
        write_csv(args.csv, found.per_class)
    if not math.isfinite(found.total.mean_loss):
        log.warning(
            "the network's output is not finite for some images, which count as wrong; "
            f"{_where(net)}"
        )
    if args.json:
        log.line(to_json(_as_json(found, saved, config)))
        return
    _say(found, saved, config, f"{Path(data.name).name}, {args.split}")


def _where(net: BaseNet) -> str:
    layer = net.find_nonfinite()
    return f"parameters of {layer} are not finite" if layer else "all parameters are finite"


def _say(found: SplitResult, saved: Checkpoint, config: TrainConfig | None, name: str) -> None:
    from alexnet_native.reports.error_table import compared, measured_row

    total = found.total
    views = "1 view" if found.views == 1 else f"{found.views} views"
    log.line(
        f"{total.images} images, {views}: loss {total.mean_loss:.4f}, "
        f"error {100 * total.top1_error:.2f} %, top-5 error {100 * total.top5_error:.2f} %"
    )
    row = measured_row(name, found.sums)
    for text in compared(row, saved.description.name, saved.followed, config):
        log.line(text)


def _as_json(found: SplitResult, saved: Checkpoint, config: TrainConfig | None) -> dict[str, Any]:
    from alexnet_native.training.evaluation import as_json

    total = found.total
    return {
        "images": total.images,
        "views": found.views,
        "loss": total.mean_loss,
        "top1_error": total.top1_error,
        "top5_error": total.top5_error,
        **as_json(found, saved.description.name, saved.followed, config),
    }


def _save_probabilities(
    path: Path, found: SplitResult, net: BaseNet, saved: Checkpoint, source: Source, data: Splits
) -> None:
    from alexnet_native.reports.predictions import Predictions, item_names

    assert found.probabilities is not None  # examine(keep=True)
    Predictions(
        probabilities=found.probabilities,
        labels=source.labels,
        items=item_names(source),
        classes=_names(net),
        net=saved.description.name,
        recipe=saved.followed.recipe.name if saved.followed else "",
        data=data.name,
        views=found.views,
    ).save(path)


def write_csv(folder: Path, per_class: Any) -> None:
    """Writes per-class.csv and confusion.csv; creates the folder if it does not exist."""
    from alexnet_native.atomic import write_text

    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "per-class.csv", per_class.table())
    write_text(folder / "confusion.csv", per_class.matrix())


def _names(net: BaseNet) -> tuple[str, ...]:
    return net.class_names or tuple(str(index) for index in range(net.classes))
