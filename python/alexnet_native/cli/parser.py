"""Options as all commands have them: help with an example, what exists when a name is wrong."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

__all__ = [
    "Commands",
    "Parser",
    "add_communicator_option",
    "add_device_options",
    "add_profile_option",
]


class Parser(argparse.ArgumentParser):
    """A command, or the program itself; wrong usage ends with exit code 2."""

    def __init__(self, *, examples: Sequence[str] = (), **words: Any) -> None:
        text = "\n".join(f"  {example}" for example in examples)
        super().__init__(
            epilog=f"{'example' if len(examples) == 1 else 'examples'}:\n{text}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **words,
        )

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parses; an option that does not exist is answered with the nearest that does."""
        args, unknown = self.parse_known_args(arguments)
        command: Parser = getattr(args, "parser", self)
        if unknown:
            known = [option for action in command._actions for option in action.option_strings]
            word = unknown[0].partition("=")[0]
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            kind = "option" if word.startswith("-") else "further argument"
            command.error(f"there is no {kind} {word}; {hint}")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.format_usage()}{self.prog}: error: {message}\n")


class Commands:
    """The commands of a program."""

    def __init__(self, program: Parser) -> None:
        self._program = program
        self._add = program.add_subparsers(metavar="COMMAND", parser_class=Parser)

    def add(
        self,
        name: str,
        run: Callable[[argparse.Namespace], None],
        summary: str,
        *examples: str,
        more: str = "",
        usage: str = "",
    ) -> Parser:
        """Adds a command.

        Args:
            name: what is typed.
            run: called with the parsed arguments.
            summary: one line of help.
            examples: whole command lines.
            more: further help.
            usage: in place of the list of all options.
        """
        prog = f"{self._program.prog} {name}"
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


def add_device_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--devices",
        metavar="A,B",
        default="cpu:0",
        help="devices, as cpu:0,cpu:1; two: one tower each (default: cpu:0)",
    )
    parser.add_argument(
        "--replicas",
        metavar="N",
        type=int,
        default=1,
        help="copies of the network that share each batch, on equal parts of the devices "
        "(default: 1)",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        default=0,
        help="CPU threads in all (default: all that are allowed)",
    )


def add_communicator_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--communicator",
        metavar="NAME",
        default="built-in",
        help="what sums the gradients of replicas: built-in, or nccl between GPUs "
        "(default: built-in)",
    )


def add_profile_option(parser: argparse._ActionsContainer, help: str) -> None:
    """--profile [FILE]: None without it, Path() without a file."""
    parser.add_argument(
        "--profile",
        metavar="FILE",
        type=_trace_file,
        nargs="?",
        const=Path(),
        help=f"{help}; FILE takes a trace for chrome://tracing",
    )


def _trace_file(text: str) -> Path:
    """Refused before the work, so that it is not lost."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder; name a file")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    return path
