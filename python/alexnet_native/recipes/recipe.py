"""A recipe: a TOML file with the settings of a training run and its published errors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from alexnet_native.config.train_config import read_toml, settings_of
from alexnet_native.errors import ConfigError
from alexnet_native.paths import expand
from alexnet_native.recipes.reference_results import WITHOUT_RECIPE, ReferenceResult

__all__ = ["NAMES", "Recipe", "figures_for", "find_for_net", "parse_recipe", "read_recipe"]

# The recipes of the package, in the order of `alexnet-native recipe`.
NAMES = ("paper", "2012", "one-gpu", "caffe", "cifar10-quick", "cifar10-13pct")


@dataclass(frozen=True)
class Recipe:
    """The content of a recipe file.

    Attributes:
        name: one of `NAMES`, or the path of the file.
        text: the text of the file.
        about: a description of one line.
        values: the settings in the file, by their names in ``TrainConfig``.
        published: published errors of networks trained with these settings.
    """

    name: str
    text: str
    about: str
    values: Mapping[str, Any]
    published: tuple[ReferenceResult, ...]


def read_recipe(name: str) -> Recipe:
    """Reads a recipe by its name, or from a TOML file.

    Raises:
        ConfigError: the recipe does not exist, or the file is not valid.
    """
    if name in NAMES:
        place = files("alexnet_native.recipes") / f"{name}.toml"
        return parse_recipe(name, place.read_text(encoding="utf-8"))
    path = expand(name)
    if path.suffix != ".toml" and not path.is_file():
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f": did you mean {near[0]}?" if near else "."
        raise ConfigError(
            f"there is no recipe called {name}{hint} The recipes are {', '.join(NAMES)}; the path "
            "of a .toml file is also accepted"
        )
    try:
        return parse_recipe(name, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"the recipe file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the recipe file {path} cannot be read: {error}") from error


def parse_recipe(name: str, text: str) -> Recipe:
    """Parses the text of a recipe. The config.toml of a run is also a recipe.

    Raises:
        ConfigError: the text is not valid TOML, a table or setting is unknown, or a value is not
            accepted.
    """
    source = f"recipe {name}"
    document = read_toml(text, source)
    head = document.pop("recipe", {})
    if not isinstance(head, dict):
        raise ConfigError(f"{source}: recipe must be a table, [recipe]")
    for key in head:
        if key not in ("about", "published"):
            raise ConfigError(
                f"{source}: {key} is not a key of [recipe]; the keys are about and published"
            )
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
    """The first recipe of the package for a named network; None if there is none."""
    for name in NAMES:
        recipe = read_recipe(name)
        if recipe.values.get("net") == net:
            return recipe
    return None


def figures_for(net: str, recipe: Recipe | None) -> tuple[ReferenceResult, ...]:
    """The published results for a recipe, or for a network if there is no recipe."""
    return recipe.published if recipe else WITHOUT_RECIPE.get(net, ())
