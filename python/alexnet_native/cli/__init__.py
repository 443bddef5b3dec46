"""The command ``alexnet-native``; each subcommand has its own file.

Exit codes: 0 for success; 1 for an error, with a message on standard error; 2 for wrong usage; 130
if a command is interrupted by Ctrl-C (train saves a checkpoint and exits with 0). ALEXNET_DEBUG=1
prints the traceback of an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from alexnet_native import log
from alexnet_native.cli.failure import failures, sentence
from alexnet_native.cli.parser import Commands, Parser

__all__ = ["main"]

# Each has a module of its name, which is imported when the command is used.
_COMMANDS = {
    "prepare": "Convert images to shards of uint8 records, which training reads.",
    "train": "Train a network.",
    "recipe": "List the recipes, or print one.",
    "evaluate": "Measure the loss and the error of a checkpoint.",
    "ensemble": "Average the probabilities of several networks and measure the error.",
    "predict": "Classify images.",
    "describe": "Print the layers of a network with their sizes, costs and devices.",
    "gradcheck": "Compare the gradients of a network with finite differences of its loss, in fp64.",
    "devices": "List the devices that --devices accepts.",
    "bench": "Measure the speed of training and prediction beside the hardware's limits.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (default: that of the process) and returns the exit code."""
    _open_closed_streams()
    program = Parser(
        prog="alexnet-native",
        description="Train, evaluate and inspect the AlexNet of 2012.",
        examples=["alexnet-native train --data demo"],
    )
    program.add_argument("--version", action="store_true", help="print the version")
    words = sys.argv[1:] if arguments is None else arguments
    used = next((word for word in words if not word.startswith("-")), "")
    commands = Commands(program, _COMMANDS)
    for name in _COMMANDS:
        if name == used:
            import_module(f"alexnet_native.cli.{name}").add(commands)
        else:
            commands.list_only(name)
    args = program.parse(arguments)
    try:
        if args.version:
            from alexnet_native import __version__

            log.line(__version__)
        elif not hasattr(args, "run"):
            program.error("a command is required")
        else:
            args.run(args)
        log.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # e.g. `alexnet-native describe alexnet | head -3`
        with suppress(AttributeError, ValueError, OSError):  # a replaced standard output
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except failures() as error:
        if os.environ.get("ALEXNET_DEBUG", "0") not in ("", "0"):
            raise
        log.error(sentence(error))
        return 1
    return 0


def _open_closed_streams() -> None:
    """Opens /dev/null in the place of closed standard streams, e.g. of `alexnet-native ... >&-`.

    Otherwise the next opened file, such as a checkpoint, would get their descriptor, and with it
    everything that a library prints.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # open returns the lowest free descriptor, which is this one.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
