"""``alexnet-native recipe``."""

from __future__ import annotations

import argparse
import json

from alexnet_native import log
from alexnet_native.cli.parser import Commands

__all__ = ["add"]


def add(commands: Commands) -> None:
    parser = commands.add(
        "recipe",
        _run,
        "List the recipes, or print one.",
        "recipe",
        "recipe paper > mine.toml",
        more="A recipe is a TOML file with the settings of a whole training. Copy one, change what "
        "you like,\nand give it to train --recipe.",
    )
    parser.add_argument("recipe", metavar="NAME", nargs="?", help="a recipe by name, or a file")
    parser.add_argument("--json", action="store_true", help="print JSON")


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
