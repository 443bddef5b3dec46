"""Recipes: TOML files with the settings of complete training runs, to use, copy and edit."""

from __future__ import annotations

from alexnet_native.recipes.deviations import Deviation, FollowedRecipe, follow
from alexnet_native.recipes.recipe import NAMES, Recipe, figures_for, find_for_net, read_recipe
from alexnet_native.recipes.reference_results import ENSEMBLES, ReferenceResult

__all__ = [
    "ENSEMBLES",
    "NAMES",
    "Deviation",
    "FollowedRecipe",
    "Recipe",
    "ReferenceResult",
    "figures_for",
    "find_for_net",
    "follow",
    "read_recipe",
]
