"""Learning rate and weight decay of each parameter."""

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
    """Returns learning rate and weight decay by name of the parameter.

    Args:
        parameters: names, "layer.weight" and "layer.bias".
        rules: by layer: multipliers of the learning rates, and weight decays.
        lr, bias_lr: learning rates of weights and biases.
        weight_decay: weight decay of weights whose rule does not set one.
        frozen: layers whose learning rate is 0.
        fixed: learning rates by parameter, used instead of `lr`, `bias_lr` and multipliers.

    Raises:
        ModelError: a layer in `frozen` does not exist or has no parameters, or a parameter in
            `fixed` does not exist.
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
            raise ModelError(f"there is no parameter {name!r}, so its rate cannot be set")
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
