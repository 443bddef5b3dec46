"""The learning rates of an epoch: the schedule's factor, rates of their own, layers that rest."""

from __future__ import annotations

from collections.abc import Iterator

from alexnet_native.config import TrainConfig
from alexnet_native.net import Net
from alexnet_native.training.rate_events import rate_events, rates_at
from alexnet_native.training.schedule import freezes

__all__ = ["Rates"]


class Rates:
    """Sets the rates of all parameters when they change.

    Raises:
        ConfigError: the configuration freezes or slows a layer that the network does not have.
    """

    def __init__(self, net: Net, config: TrainConfig) -> None:
        self._net, self._config = net, config
        names = net.native.param_names()
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
        self._frozen_from = freezes(config.freeze, layers)
        self._events = rate_events(config.rates, names)
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
            fixed=rates_at(self._events, epoch),
        )

    def changes(self, before: float, factor: float, epoch: int) -> Iterator[str]:
        """What is another than in the epoch before, a line each."""
        lr = self._config.lr
        if factor != before:
            yield f"the rate goes from {lr * before:g} to {lr * factor:g}"
        for event in self._events:
            if event.epoch == epoch:
                yield f"{event.word.partition('@')[0]} learns at {event.rate:g} from here on"
        for layer, start in self._frozen_from.items():
            if start == epoch:
                yield f"{layer} is frozen from here on"
        if self._config.color_std and self._config.color_off == epoch:
            yield "no color noise from here on"
