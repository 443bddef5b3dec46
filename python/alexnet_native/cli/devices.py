"""``alexnet-native devices``."""

from __future__ import annotations

import argparse
import json

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_json_option

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add("devices", _run, "devices --json")
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native import _core

    found = {
        "devices": _core.devices(),
        "unavailable": _core.unavailable_backends(),
        "communicators": _core.communicators(),
        "threads": _core.available_threads(),
        "cpu_kernels": _core.cpu_kernels(),
    }
    if args.json:
        log.line(json.dumps(found, indent=1))
        return
    for device in _core.devices():
        log.line(f"{device['name']:8}  {device['description']}")
    for backend in _core.unavailable_backends():
        log.line(f"{backend['name']:8}  not available: {backend['reason']}")
    for one in _core.communicators():
        state = f"{one['title']}, for --replicas with --communicator {one['name']}"
        if one["missing"]:
            state = f"not available: {one['missing']}"
        log.line(f"{one['name']:8}  {state}")
    log.line(f"{found['threads']} CPU threads, {found['cpu_kernels']} kernels")
