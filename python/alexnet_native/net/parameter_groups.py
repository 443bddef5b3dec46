"""The rate and the decay of every parameter, from a run's settings and the description's rules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from alexnet_native.errors import ModelError
from alexnet_native.models import ParamRule

__all__ = ["rates"]


def rates(
    parameters: Iterable[str],
    rules: Mapping[str, ParamRule],
    *,
    lr: float,
    bias_lr: float,
    weight_decay: float,
    frozen: Collection[str],
    fixed: Mapping[str, float],
) -> dict[str, tuple[float, float]]:
    """Learning rate and decay by parameter; the rate of a frozen layer is 0.

    Args:
        fixed: rates of single parameters, in place of what `lr`, `bias_lr` and rules give.

    Raises:
        ModelError: a frozen layer does not exist or has no parameters; a fixed one does not exist.
    """
    names = [name.rpartition(".") for name in parameters]
    layers = list(dict.fromkeys(layer for layer, _, _ in names))
    for layer in frozen:
        if layer not in layers:
            raise ModelError(
                f"layer {layer!r} cannot be frozen: layers with parameters are {', '.join(layers)}"
            )
    found = {}
    for name in fixed:
        if name not in ["".join(parts) for parts in names]:
            raise ModelError(f"there is no parameter {name!r} to set a rate of")
    for layer, dot, kind in names:
        rule = rules[layer]
        if kind == "bias":
            rate, decay = bias_lr * rule.bias_lr, rule.bias_decay or 0.0
        else:
            rate = lr * rule.weight_lr
            decay = weight_decay if rule.weight_decay is None else rule.weight_decay
        name = f"{layer}{dot}{kind}"
        found[name] = (0.0 if layer in frozen else fixed.get(name, rate), decay)
    return found
