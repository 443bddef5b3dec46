"""How a network's authors trained it: the defaults of a run, which its own settings override."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from alexnet_native.errors import ModelError
from alexnet_native.renamed import current_name

__all__ = ["Hints"]


@dataclass(frozen=True)
class Hints:
    """Defaults of a training run of one network, under the names of ``TrainConfig``'s fields.

    What is not here follows from the description: the crop is its input's height and width, dropout
    is a layer, and a layer multiplies the rate (``weight_lr``, ``bias_lr``) or has its own decay.

    Attributes:
        lr: learning rate.
        batch_size: images of one update.
        momentum: of every parameter.
        weight_decay: of the weights of layers that do not name their own.
        epochs: passes over the training images.
        schedule: "constant", "plateau" or "step@25,51,79" (epochs done), each drop to a tenth.
        random_crop: training crops anywhere in the image; False takes the centre.
        mirror: half of the training crops are mirrored.
        offsets: crops start below the whole margin ("exclusive") or up to it ("inclusive").
        mean: the mean image is subtracted "matched" to the crop's place, its "centre", or "none".
        scale: multiplies the mean-subtracted pixels, in training and in testing.
        color_std: SD of the color noise's coefficients; 0 is off.
        color_axes: a principal axis counts with the "sqrt" of its eigenvalue (a standard
            deviation, in grey levels) or with the "eigenvalue" itself.
        color_divisor: divides training pixels that got color noise, and no others.

    Source: Krizhevsky et al. (2012), section 5, where a network does not say otherwise.
    """

    lr: float = 0.01
    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 5e-4
    epochs: int = 90
    schedule: str = "plateau"
    random_crop: bool = True
    mirror: bool = True
    offsets: str = "exclusive"
    mean: str = "matched"
    scale: float = 1.0
    color_std: float = 0.1
    color_axes: str = "sqrt"
    color_divisor: float = 1.0

    def values(self) -> dict[str, Any]:
        """All of them by name."""
        return asdict(self)

    def to_table(self) -> dict[str, Any]:
        """Those that differ from the defaults, for a TOML table."""
        standard = Hints().values()
        return {name: value for name, value in self.values().items() if value != standard[name]}

    @classmethod
    def from_table(cls, table: dict[str, Any]) -> Hints:
        """Reads a TOML table; the ranges are checked when a run takes the values.

        Raises:
            ModelError: a setting is unknown or has a value of another type.
        """
        standard = cls().values()
        table = {current_name(name, "[training]"): value for name, value in table.items()}
        for name, value in table.items():
            if name not in standard:
                known = ", ".join(standard)
                raise ModelError(f"[training]: {name!r} is no setting; there are {known}")
            kinds = (int, float) if isinstance(standard[name], float) else type(standard[name])
            if not isinstance(value, kinds) or (
                isinstance(value, bool) and not isinstance(standard[name], bool)
            ):
                example = standard[name]
                raise ModelError(
                    f"[training]: {name} cannot be {value!r}; a value of the right kind is "
                    f"{str(example).lower() if isinstance(example, bool) else repr(example)}"
                )
        return cls(**table)
