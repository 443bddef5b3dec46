"""Recipes: whole trainings by name, as TOML files to read, copy and edit."""

from __future__ import annotations

from alexnet_native.recipes.followed import Deviation, Followed, follow
from alexnet_native.recipes.published import ENSEMBLES, Published
from alexnet_native.recipes.recipe import NAMES, Recipe, figures_for, find_for_net, read_recipe

__all__ = [
    "ENSEMBLES",
    "NAMES",
    "Deviation",
    "Followed",
    "Published",
    "Recipe",
    "figures_for",
    "find_for_net",
    "follow",
    "read_recipe",
]
