"""``alexnet-native gradcheck``."""

from __future__ import annotations

import argparse
import json

from alexnet_native import log
from alexnet_native.cli.describe import add_net, net_options
from alexnet_native.cli.parser import Commands, add_device_options, add_json_option
from alexnet_native.errors import UserError

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "gradcheck",
        _run,
        "gradcheck cifar10-quick",
        "gradcheck alexnet --classes 10 --devices cpu:0,cpu:1 --samples 3",
    )
    add_net(parser)
    parser.add_argument("--images", metavar="N", type=int, default=2,
                        help="batch size (default: 2)")  # fmt: skip
    parser.add_argument("--samples", metavar="N", type=int, default=6,
                        help="number of entries checked per parameter (default: 6)")  # fmt: skip
    parser.add_argument("--seed", metavar="N", type=int, default=0,
                        help="seed of all random numbers (default: 0)")  # fmt: skip
    parser.add_argument(
        "--tolerance",
        metavar="X",
        type=float,
        default=1e-5,
        help="largest accepted difference, relative to the largest gradient of the parameter "
        "(default: 1e-5)",
    )
    add_device_options(parser)
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.reports.gradcheck import gradcheck

    for name in ("images", "samples"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} is {getattr(args, name)}; it must be at least 1")
    result = gradcheck(
        args.net,
        classes=args.classes,
        images=args.images,
        samples=args.samples,
        seed=args.seed,
        tolerance=args.tolerance,
        devices=args.devices,
        threads=args.threads,
        replicas=args.replicas,
        **net_options(args),
    )
    log.line(json.dumps(result.to_dict()) if args.json else str(result))
    if not result.passed:
        wrong = ", ".join(entry.name for entry in result.parameters if not entry.passed)
        raise UserError(f"the gradients of {result.network} are wrong in {wrong}")
