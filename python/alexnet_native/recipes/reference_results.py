"""Published errors, for comparison with measured errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from alexnet_native.errors import ConfigError

__all__ = ["ENSEMBLES", "WITHOUT_RECIPE", "ReferenceResult"]


@dataclass(frozen=True)
class ReferenceResult:
    """Published errors on one data set, in percent."""

    set: str
    views: int
    top1: float
    top5: float | None = None
    nets: int = 1
    note: str = ""

    @classmethod
    def from_table(cls, table: Mapping[str, Any], source: str) -> ReferenceResult:
        """Reads a TOML table.

        Raises:
            ConfigError: a field is missing, unknown or of the wrong type.
        """
        kinds: dict[str, Any] = {
            "set": str, "views": int, "top1": (int, float), "top5": (int, float), "nets": int,
            "note": str,
        }  # fmt: skip
        for name, value in table.items():
            if name not in kinds:
                known = ", ".join(field.name for field in fields(cls))
                raise ConfigError(
                    f"{source}: {name} is not a field of a published result; the fields are {known}"
                )
            if not isinstance(value, kinds[name]):
                kind = {str: "a string", int: "an integer"}.get(kinds[name], "a number")
                raise ConfigError(
                    f"{source}: {name} of a published result is {value!r}; it must be {kind}"
                )
        for name in ("set", "views", "top1"):
            if name not in table:
                raise ConfigError(f"{source}: a published result does not have the field {name}")
        return cls(**table)


# Table 2 of the 2012 paper; each network is evaluated on ten views.
_SET = "ILSVRC-2012 validation"
_SIX = ReferenceResult(
    _SET, 10, 39.0, 16.6, note="alexnet-6conv, pre-trained on ImageNet's Fall 2011"
)
ENSEMBLES = (
    ReferenceResult(_SET, 10, 40.7, 18.2),
    ReferenceResult(_SET, 10, 38.1, 16.4, nets=5, note="top-5 error on the test set: 16.4"),
    _SIX,
    ReferenceResult(
        _SET,
        10,
        36.7,
        15.4,
        nets=7,
        note="2 pre-trained networks and the 5 above; top-5 error on the test set: 15.3",
    ),
)

# Results of networks whose training is not known well enough for a recipe.
WITHOUT_RECIPE = {"alexnet-6conv": (_SIX,)}
