"""The learning rates of an epoch: the schedule's factor, and the layers that rest."""

from __future__ import annotations

from alexnet_native.config import TrainConfig
from alexnet_native.net import Net
from alexnet_native.training.schedule import freezes

__all__ = ["Rates"]


class Rates:
    """Sets the rates of all parameters when they change.

    Raises:
        ConfigError: the configuration freezes a layer that the network does not have.
    """

    def __init__(self, net: Net, config: TrainConfig) -> None:
        self._net, self._config = net, config
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in net.params))
        self._frozen_from = freezes(config.freeze, layers)
        self._applied: tuple[float, int] | None = None

    def apply(self, factor: float, epoch: int) -> None:
        """Sets the rules for an epoch; `epoch` counts finished epochs."""
        if self._applied == (factor, epoch):
            return
        self._applied = factor, epoch
        self._net.set_rates(
            self._config.lr * factor,
            bias_lr=self._config.bias_lr,
            momentum=self._config.momentum,
            weight_decay=self._config.weight_decay,
            frozen=[layer for layer, start in self._frozen_from.items() if epoch >= start],
        )
