"""A recipe: a TOML file with the settings of a training and the errors that it is known for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from alexnet_native.config.toml import read_toml, settings_of
from alexnet_native.errors import ConfigError
from alexnet_native.recipes.reference_results import WITHOUT_RECIPE, ReferenceResult

__all__ = ["NAMES", "Recipe", "figures_for", "find_for_net", "parse_recipe", "read_recipe"]

# Of the package, in the order in which they are listed.
NAMES = ("paper", "2012", "one-gpu", "caffe", "cifar10-quick", "cifar10-13pct")


@dataclass(frozen=True)
class Recipe:
    """What a recipe file says.

    Attributes:
        name: one of `NAMES`, or the path of the file.
        text: the file.
        about: what it is, in a line.
        values: the settings that it states, by the names of ``TrainConfig``.
        published: errors of nets that were trained so.
    """

    name: str
    text: str
    about: str
    values: Mapping[str, Any]
    published: tuple[ReferenceResult, ...]


def read_recipe(name: str) -> Recipe:
    """The recipe of that name, or of that TOML file.

    Raises:
        ConfigError: there is neither, or the file is wrong.
    """
    if name in NAMES:
        place = files("alexnet_native.recipes") / f"{name}.toml"
        return parse_recipe(name, place.read_text(encoding="utf-8"))
    path = Path(name).expanduser()
    if path.suffix != ".toml" and not path.is_file():
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f": did you mean {near[0]}?" if near else "."
        raise ConfigError(
            f"there is no recipe called {name}{hint} There are {', '.join(NAMES)}; the path of a "
            ".toml file is taken as well"
        )
    try:
        return parse_recipe(name, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"the recipe file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe file {path} cannot be read: {error}") from error


def parse_recipe(name: str, text: str) -> Recipe:
    """Reads the text of a recipe. The settings of a run, its config.toml, are one too.

    Raises:
        ConfigError: no TOML, or a table, setting or value that is unknown or does not fit.
    """
    source = f"recipe {name}"
    document = read_toml(text, source)
    head = document.pop("recipe", {})
    if not isinstance(head, dict):
        raise ConfigError(f"{source}: recipe must be a table, [recipe]")
    for key in head:
        if key not in ("about", "published"):
            raise ConfigError(f"{source}: [recipe] has about and published, not {key}")
    tables = head.get("published", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{source}: published must be tables, [[recipe.published]]")
    return Recipe(
        name=name,
        text=text,
        about=str(head.get("about", "")),
        values=settings_of(document, source),
        published=tuple(ReferenceResult.from_table(table, source) for table in tables),
    )


def find_for_net(net: str) -> Recipe | None:
    """The package's first recipe for a named network."""
    for name in NAMES:
        recipe = read_recipe(name)
        if recipe.values.get("net") == net:
            return recipe
    return None


def figures_for(net: str, recipe: Recipe | None) -> tuple[ReferenceResult, ...]:
    """What was published for a recipe, or for a network without one."""
    return recipe.published if recipe else WITHOUT_RECIPE.get(net, ())
