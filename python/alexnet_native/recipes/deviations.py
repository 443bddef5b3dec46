"""The recipe that a training run started from, and the settings in which the run deviates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.config.setting import to_utf8
from alexnet_native.config.train_config import full_name
from alexnet_native.models import describe
from alexnet_native.recipes.recipe import Recipe, parse_recipe
from alexnet_native.renamed import OLD_NAMES
from alexnet_native.toml_value import in_toml

__all__ = ["Deviation", "FollowedRecipe", "follow"]

# Settings that do not count as deviations unless the recipe states them: they select data and
# hardware, not the training method. The same holds for the section "output".
_FREE = {
    "data", "classes", "engine", "devices", "replicas", "communicator", "threads", "accumulate",
    "seed",
}  # fmt: skip
_FREE |= {"augment", "loader_threads", "stall_steps"}
_FREE_SECTION = "output"


@dataclass(frozen=True)
class Deviation:
    """A setting whose value differs from the recipe's."""

    name: str  # with its section, e.g. training.lr
    value: Any
    wanted: Any

    def __str__(self) -> str:
        return f"{self.name} = {_shown(self.value)} (recipe: {_shown(self.wanted)})"


@dataclass(frozen=True)
class FollowedRecipe:
    """A recipe with the values of all settings, including those that it does not state.

    Attributes:
        recipe: the recipe as it was read when the training run started.
        wanted: settings by name: those in the recipe, then those in the network's default
            configuration, then the defaults.
    """

    recipe: Recipe
    wanted: Mapping[str, Any]

    def deviations(self, config: TrainConfig) -> tuple[Deviation, ...]:
        """The settings that differ from the recipe."""
        return tuple(
            Deviation(full_name(name), value, self.wanted[name])
            for name, value in config.values().items()
            if name in self.wanted and value != self.wanted[name]
        )

    def lines(self, config: TrainConfig) -> Iterator[str]:
        """The name of the recipe and each deviation, for display."""
        found = self.deviations(config)
        if not found:
            yield f"recipe: {self.recipe.name}, no deviations"
            return
        count = "1 deviation" if len(found) == 1 else f"{len(found)} deviations"
        yield f"recipe: {self.recipe.name}, with {count}:"
        yield from (f"  {deviation}" for deviation in found)

    def to_toml(self, config: TrainConfig) -> str:
        """The recipe's text, after a comment that lists the deviations."""
        head = "".join(f"# {line}\n" for line in self.lines(config))
        return f"{head}\n{self.recipe.text}"

    def to_json(self, config: TrainConfig) -> dict[str, Any]:
        """The metadata for a checkpoint; `from_json` does not read the deviations."""
        return {
            "name": self.recipe.name,
            "deviations": {
                deviation.name: {"value": deviation.value, "recipe": deviation.wanted}
                for deviation in self.deviations(config)
            },
            "wanted": dict(self.wanted),
            "text": self.recipe.text,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FollowedRecipe:
        """Reads the result of `to_json`; settings that no longer exist are ignored."""
        wanted = {
            current: tuple(value) if isinstance(value, list) else value
            for name, value in values["wanted"].items()
            if (current := OLD_NAMES.get(name, name)) in SETTINGS
        }
        return cls(parse_recipe(values["name"], values["text"]), wanted)


def follow(recipe: Recipe, net: str) -> FollowedRecipe:
    """The values of all settings for a recipe.

    Args:
        recipe: the recipe.
        net: the network to train, if the recipe does not name one.

    Raises:
        ModelError: the recipe's network does not exist.
    """
    network = describe(recipe.values.get("net", net))
    _, *crop = network.input_shape
    values = {
        **TrainConfig().values(),
        "net": network.name,
        **network.default_config,
        "crop": tuple(crop),
        **recipe.values,
    }
    return FollowedRecipe(
        recipe,
        {
            name: value
            for name, value in values.items()
            if name in recipe.values
            or (name not in _FREE and SETTINGS[name].section != _FREE_SECTION)
        },
    )


def _shown(value: Any) -> str:
    return "none" if value is None else in_toml(to_utf8(value))
