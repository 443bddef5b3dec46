"""The argument parser of the commands, and the options that several commands share."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from alexnet_native.paths import expand

__all__ = [
    "Commands",
    "Parser",
    "add_communicator_option",
    "add_device_options",
    "add_json_option",
    "add_profile_option",
]


class Parser(argparse.ArgumentParser):
    """The parser of a command, or of the program; wrong usage exits with code 2."""

    def __init__(self, *, examples: Sequence[str] = (), **options: Any) -> None:
        text = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            epilog=f"{'example' if len(examples) == 1 else 'examples'}:\n{text}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,
        )

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parses arguments; the error message for an unknown option suggests the nearest one."""
        args, unknown = self.parse_known_args(arguments)
        for name, value in vars(args).items():
            setattr(args, name, _expanded(value))
        command: Parser = getattr(args, "parser", self)
        if unknown:
            known = [option for action in command._actions for option in action.option_strings]
            word = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the options are {', '.join(known)}"
            if word.startswith("-"):
                command.error(f"there is no option {word}; {hint}")
            command.error(f"unexpected argument {word}; {hint}")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}{self.prog}: error: {message}\n")


class Commands:
    """The commands of a program.

    Args:
        program: the parser of the program.
        summaries: one line of help for each command.
    """

    def __init__(self, program: Parser, summaries: Mapping[str, str]) -> None:
        self._program, self._summaries = program, summaries
        self._add = program.add_subparsers(metavar="COMMAND", parser_class=Parser)

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], None],
        *examples: str,
        more: str = "",
        usage: str = "",
    ) -> Parser:
        """Adds a command.

        Args:
            name: the name of the command.
            run: called with the parsed arguments.
            examples: command lines, without the name of the program.
            more: additional help, printed below the summary.
            usage: replaces the list of all options in the usage line.
        """
        prog, summary = f"{self._program.prog} {name}", self._summaries[name]
        parser: Parser = self._add.add_parser(
            name,
            prog=prog,
            usage=f"{prog} {usage}" if usage else None,
            description=f"{summary}\n\n{more}".strip(),
            help=summary.rstrip("."),
            examples=[f"{self._program.prog} {example}" for example in examples],
        )
        parser.set_defaults(run=run, parser=parser)
        return parser

    def list_only(self, name: str) -> None:
        """Adds a command that is not used now: the program's help lists it."""
        self._add.add_parser(name, help=self._summaries[name].rstrip("."))


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print JSON (default: text)")


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Adds --devices, --replicas and --threads."""
    parser.add_argument(
        "--devices",
        metavar="A,B",
        default="cpu:0",
        help="devices, e.g. cpu:0,cpu:1; with two devices, one tower on each (default: cpu:0)",
    )
    parser.add_argument(
        "--replicas",
        metavar="N",
        type=int,
        default=1,
        help="number of copies of the network; they share the devices and each batch equally "
        "(default: 1)",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=0,
        help="number of CPU threads (default: all that the process may use)",
    )


def add_communicator_option(parser: argparse.ArgumentParser) -> None:
    """Adds --communicator."""
    parser.add_argument(
        "--communicator",
        metavar="NAME",
        default="built-in",
        help="library that sums the gradients of the replicas: built-in, or nccl for GPUs "
        "(default: built-in)",
    )


def add_profile_option(parser: argparse._ActionsContainer, help: str) -> None:
    """Adds --profile [FILE]: None if it is not given, Path() if no file is named."""
    parser.add_argument(
        "--profile",
        metavar="FILE",
        type=_trace_file,
        nargs="?",
        const=Path(),
        help=f"{help}; with FILE, also write a trace for chrome://tracing (default: no)",
    )


def _expanded(value: Any) -> Any:
    """Replaces ~ in a path or a list of paths; the shell does not replace it in --out=~/run."""
    if isinstance(value, Path):
        return expand(value)
    return [_expanded(one) for one in value] if isinstance(value, list) else value


def _trace_file(text: str) -> Path:
    """Checks the path before the work starts, so that no result is lost."""
    path = expand(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; specify a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {path.parent} does not exist")
    return path
