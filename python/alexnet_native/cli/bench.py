"""``alexnet-native bench``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from alexnet_native import log
from alexnet_native.cli.parser import (
    Commands,
    add_communicator_option,
    add_device_options,
    add_json_option,
    add_profile_option,
)
from alexnet_native.config import SETTINGS
from alexnet_native.errors import ConfigError

__all__ = ["add"]

_NETS = ("alexnet", "alexnet-single", "torchvision-alexnet")


def add(commands: Commands) -> None:
    parser = commands.add(
        "bench",
        _run,
        "bench",
        "bench alexnet --batch 128 --task train --profile trace.json",
        more="The peak arithmetic and memory rates are measured first; lower bounds on the time "
        "are computed\nfrom them. With --profile, the time and the lower bound of each layer are "
        "printed for each network,\ntask and batch size.",
    )
    parser.add_argument("nets", nargs="*", metavar="NET",
                        help=f"networks to measure (default: {', '.join(_NETS)})")  # fmt: skip
    parser.add_argument("--batch", metavar="N", type=int, nargs="+", default=[128, 1],
                        help="number of images in each step (default: 128 1)")  # fmt: skip
    parser.add_argument("--task", nargs="+", choices=("train", "predict"),
                        default=["train", "predict"],
                        help="tasks to measure (default: train predict)")  # fmt: skip
    parser.add_argument("--repeats", metavar="N", type=int, default=5,
                        help="number of timed steps; prints their median (default: 5)")  # fmt: skip
    parser.add_argument("--precision", default="fp32",
                        help="fp32, tf32, bf16 or fp64 (default: fp32)")  # fmt: skip
    parser.add_argument("--engine", metavar="NAME",
                        help=f"{SETTINGS['engine'].help} (default: from the network)")  # fmt: skip
    add_profile_option(parser, "print the time of each layer")
    add_json_option(parser)
    add_device_options(parser)
    add_communicator_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.models import describe
    from alexnet_native.reports.bench import bench_table, measure, profile

    if min(args.batch) < 1 or args.repeats < 1:
        raise ConfigError("--batch and --repeats must be at least 1")
    nets = [describe(net) for net in args.nets or _NETS]
    if args.engine:
        nets = [net.with_engine(args.engine) for net in nets]
    where = {
        "devices": args.devices,
        "threads": args.threads,
        "replicas": args.replicas,
        "communicator": args.communicator,
        "precision": args.precision,
    }
    if args.profile is not None:
        for net in nets:
            for task in args.task:
                for batch in args.batch:
                    found = profile(net, batch, training=task == "train", **where)
                    log.line(f"{found}\n")
        if args.profile != Path():
            found.write_trace(args.profile)
            log.line(f"trace written to {args.profile}")
        return
    rows = list(measure(nets, args.batch, tasks=args.task, repeats=args.repeats, **where))
    log.line(json.dumps(rows, indent=1) if args.json else bench_table(rows))
