"""``alexnet-native describe``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from alexnet_native import log
from alexnet_native.cli.parser import (
    Commands,
    add_communicator_option,
    add_device_options,
    add_json_option,
)
from alexnet_native.errors import ConfigError

if TYPE_CHECKING:
    from alexnet_native.net import BaseNet

__all__ = ["add", "add_net", "net_options"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "describe",
        _run,
        "describe alexnet --devices cpu:0,cpu:1",
        "describe alexnet --devices cuda:0,cuda:1 --measure",
        "describe my-net.toml --batch 32 --json",
    )
    add_net(parser)
    parser.add_argument(
        "--batch", metavar="N", type=int, help="batch size (default: from the network)"
    )
    parser.add_argument("--predict", action="store_true",
                        help="exclude memory that only training needs (default: no)")  # fmt: skip
    parser.add_argument("--program", action="store_true",
                        help="print the program that the core runs (default: no)")  # fmt: skip
    parser.add_argument("--measure", action="store_true",
                        help="run several steps to time the copies between devices "
                        "(default: no)")  # fmt: skip
    add_device_options(parser)
    add_communicator_option(parser)
    add_json_option(parser)


def add_net(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that select a network."""
    parser.add_argument("net", metavar="NET", help="network: a name or a TOML file")
    parser.add_argument("--classes", metavar="N", type=int,
                        help="number of outputs (default: from the network)")  # fmt: skip
    parser.add_argument("--activation", metavar="NAME",
                        help="activation function of figure1: relu, tanh, logistic, abs, abs_tanh "
                        "or softplus (default: relu)")  # fmt: skip


def net_options(args: argparse.Namespace) -> dict[str, Any]:
    return {"activation": args.activation} if args.activation else {}


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.net import BaseNet
    from alexnet_native.reports.describe import summarise

    if args.batch is not None and args.batch < 1:
        raise ConfigError(f"--batch is {args.batch}; it must be at least 1")
    net = BaseNet(
        args.net,
        classes=args.classes,
        devices=args.devices,
        threads=args.threads,
        replicas=args.replicas,
        communicator=args.communicator,
        **net_options(args),
    )
    batch = args.batch or net.description.default_config["batch_size"]
    if args.program:
        lines = net.native.program(batch, not args.predict)
        log.line(json.dumps(lines, indent=1) if args.json else "\n".join(lines))
        return
    summary = summarise(net, batch, training=not args.predict)
    if args.measure:
        if not summary["cross_edges"]:
            raise ConfigError(
                "--measure times the copies between devices, but there are none here; use a "
                "network with two towers on two devices, e.g. --devices cpu:0,cpu:1"
            )
        summary["cross_edges"] = _timed(net, batch, training=not args.predict)
    log.line(json.dumps(summary, indent=1) if args.json else str(summary))


def _timed(net: BaseNet, batch: int, *, training: bool) -> list[dict[str, Any]]:
    """The edges between devices, with their median times over five steps on random images."""
    from alexnet_native.reports.bench import step_of
    from alexnet_native.reports.describe import timed
    from alexnet_native.reports.profile import profile_steps

    found = profile_steps(net, step_of(net, batch, training=training), 5, batch, training=training)
    return timed(found.edges, found.edge_ms())
