"""``alexnet-native recipe``."""

from __future__ import annotations

import argparse
import json

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_json_option

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "recipe",
        _run,
        "recipe",
        "recipe paper > mine.toml",
        more="A recipe is a TOML file with the settings of a training run. Copy one, edit it, and "
        "pass it to\ntrain --recipe.",
    )
    parser.add_argument("recipe", metavar="NAME", nargs="?",
                        help="recipe: a name or a TOML file (default: list all)")  # fmt: skip
    add_json_option(parser)


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.recipes import NAMES, read_recipe

    if args.recipe is None:
        found = {name: read_recipe(name).about for name in NAMES}
        width = max(map(len, found))
        lines = "\n".join(f"{name:{width}}  {about}" for name, about in found.items())
        log.line(json.dumps(found, indent=1) if args.json else lines)
        return
    recipe = read_recipe(args.recipe)
    log.line(json.dumps(dict(recipe.values), indent=1) if args.json else recipe.text.rstrip("\n"))
