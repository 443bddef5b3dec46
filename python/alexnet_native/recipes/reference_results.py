"""Errors that were published, to be printed beside those that are measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from alexnet_native.errors import ConfigError

__all__ = ["ENSEMBLES", "WITHOUT_RECIPE", "ReferenceResult"]


@dataclass(frozen=True)
class ReferenceResult:
    """Errors in percent on one set."""

    set: str
    views: int
    top1: float
    top5: float | None = None
    nets: int = 1
    note: str = ""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], source: str) -> ReferenceResult:
        """Raises ConfigError where a field is missing, unknown or of another kind."""
        kinds: dict[str, Any] = {
            "set": str, "views": int, "top1": (int, float), "top5": (int, float), "nets": int,
            "note": str,
        }  # fmt: skip
        for name, value in table.items():
            if name not in kinds:
                known = ", ".join(field.name for field in fields(cls))
                raise ConfigError(f"{source}: {name} is no field of a figure; there are {known}")
            if not isinstance(value, kinds[name]):
                raise ConfigError(f"{source}: {name} of a published figure cannot be {value!r}")
        for name in ("set", "views", "top1"):
            if name not in table:
                raise ConfigError(f"{source}: a published figure lacks {name}")
        return cls(**table)


# Table 2 of the 2012 paper; ten views of each network.
_SET = "ILSVRC-2012 validation"
_SIX = ReferenceResult(
    _SET, 10, 39.0, 16.6, note="alexnet-6conv, pre-trained on ImageNet's Fall 2011"
)
ENSEMBLES = (
    ReferenceResult(_SET, 10, 40.7, 18.2),
    ReferenceResult(_SET, 10, 38.1, 16.4, nets=5, note="top 5 on its test set 16.4"),
    _SIX,
    ReferenceResult(_SET, 10, 36.7, 15.4, nets=7, note="two of those and the five; test set 15.3"),
)

# Of nets whose training is not known well enough for a recipe.
WITHOUT_RECIPE = {"alexnet-6conv": (_SIX,)}
