"""The learning rate of each parameter in each epoch: schedules, rate events, frozen layers.

The paper divides the rate by 10 when the validation error stops improving, three times
(section 5). The authors changed it by hand, near epochs 25, 51 and 79 of 91. Epoch numbers count
finished epochs: ``step@25`` lowers the rate after 25 epochs.

The authors also changed the rates of single layers and parameters by hand: biases had a separate
rate, and the rate of conv1 was lowered, then set to 0. A rate event sets such a rate; the schedule
and the multipliers of layers do not apply to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol

from alexnet_native.config import TrainConfig
from alexnet_native.errors import ConfigError
from alexnet_native.net import BaseNet

__all__ = [
    "Constant",
    "ParameterGroups",
    "Plateau",
    "RateEvent",
    "Schedule",
    "StepDecay",
    "freezes",
    "make_schedule",
    "rate_events",
    "rates_at",
]


class Schedule(Protocol):
    """The factor of the learning rate for each epoch."""

    def factor(self, epoch: int) -> float:
        """Returns the factor after `epoch` finished epochs."""

    def observe(self, error: float) -> None:
        """Records the error of an epoch that has just ended (a fraction, 0 to 1)."""

    def state(self) -> dict[str, Any]:
        """Returns the state for a checkpoint."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restores the state from a checkpoint."""


class Constant:
    """The learning rate is constant."""

    def factor(self, epoch: int) -> float:
        return 1.0

    def observe(self, error: float) -> None:
        pass

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class StepDecay(Constant):
    """The learning rate is multiplied by `drop` at each of the given epochs."""

    epochs: tuple[int, ...]
    drop: float = 0.1

    def factor(self, epoch: int) -> float:
        return self.drop ** sum(epoch >= at for at in self.epochs)


class Plateau:
    """The learning rate is lowered when the error has not improved for some epochs.

    Args:
        drop: factor of the rate at each drop.
        patience: number of consecutive epochs without a new lowest error before a drop.
        drops: largest number of drops.
    """

    def __init__(self, drop: float = 0.1, patience: int = 3, drops: int = 3) -> None:
        self._drop, self._patience, self._max_drops = drop, patience, drops
        self._best = math.inf
        self._waited = 0
        self._drops = 0

    def factor(self, epoch: int) -> float:
        return self._drop**self._drops

    def observe(self, error: float) -> None:
        if error < self._best:
            self._best, self._waited = error, 0
            return
        self._waited += 1
        if self._waited >= self._patience and self._drops < self._max_drops:
            self._drops += 1
            self._waited = 0

    def state(self) -> dict[str, Any]:
        best = None if math.isinf(self._best) else self._best
        return {"best": best, "waited": self._waited, "drops": self._drops}

    def restore(self, state: Mapping[str, Any]) -> None:
        if not state:  # the run used another schedule before it was resumed
            return
        self._best = math.inf if state["best"] is None else float(state["best"])
        self._waited, self._drops = int(state["waited"]), int(state["drops"])


def make_schedule(config: TrainConfig) -> Schedule:
    """Returns the schedule of a configuration.

    Raises:
        ConfigError: there is no such schedule.
    """
    kind, _, epochs = config.schedule.partition("@")
    if config.schedule == "constant":
        return Constant()
    if config.schedule == "plateau":
        return Plateau(config.schedule_factor, config.schedule_patience, config.schedule_drops)
    if kind == "step":
        return StepDecay(_increasing(epochs, config.schedule), config.schedule_factor)
    raise ConfigError(
        f"there is no schedule {config.schedule}; schedules are constant, plateau and, for "
        "example, step@25,51,79"
    )


def _increasing(text: str, schedule: str) -> tuple[int, ...]:
    try:
        epochs = tuple(int(part) for part in text.split(","))
    except ValueError:
        epochs = ()
    if not epochs or list(epochs) != sorted(set(epochs)) or epochs[0] < 1:
        raise ConfigError(
            f"schedule {schedule}: write epochs in increasing order, for example step@25,51,79"
        )
    return epochs


def freezes(entries: Sequence[str], layers: Sequence[str]) -> dict[str, int]:
    """Returns for each layer in ``("conv1", "conv2@72")`` the epoch from which it is frozen.

    Args:
        entries: layers, with an optional number of finished epochs.
        layers: the layers that have parameters.

    Raises:
        ConfigError: a layer does not exist, or the text after the @ is not a number.
    """
    found: dict[str, int] = {}
    for entry in entries:
        layer, at, epoch = entry.partition("@")
        if layer not in layers:
            raise ConfigError(
                f"freeze: there is no layer {layer} with parameters; layers with parameters are "
                f"{', '.join(layers)}"
            )
        if at and not epoch.isdecimal():
            raise ConfigError(
                f"freeze {entry}: write a layer and a number of finished epochs, for example "
                "conv1@72"
            )
        found[layer] = int(epoch) if at else 0
    return found


@dataclass(frozen=True)
class RateEvent:
    """After `epoch` finished epochs the learning rate of the parameters is `rate`."""

    entry: str  # as in the settings
    epoch: int
    rate: float
    parameters: tuple[str, ...]


def rate_events(entries: Sequence[str], parameters: Iterable[str]) -> tuple[RateEvent, ...]:
    """Returns the events of entries like ``("*.bias@0=0.02", "conv1@67=1e-5")`` by epoch.

    Args:
        entries: NAME@EPOCHS=RATE, where the name is a layer, a parameter, or a pattern with ``*``.
        parameters: names of all parameters, "layer.weight" and "layer.bias".

    Raises:
        ConfigError: an entry has another form, or no layer or parameter matches the name.
    """
    names = list(parameters)
    return tuple(sorted((_event(entry, names) for entry in entries), key=lambda e: e.epoch))


def rates_at(events: Iterable[RateEvent], epoch: int) -> dict[str, float]:
    """Returns rates by parameter after `epoch` finished epochs; later events take precedence."""
    return {
        name: event.rate for event in events if event.epoch <= epoch for name in event.parameters
    }


def _event(entry: str, names: list[str]) -> RateEvent:
    pattern, _, rest = entry.partition("@")
    epoch, _, text = rest.partition("=")
    rate = _number(text)
    if not pattern or not epoch.isdecimal() or rate is None:
        raise ConfigError(
            f"rates {entry}: write a layer or parameter, a number of finished epochs and a rate of "
            "at least 0, for example conv1.weight@67=1e-5"
        )
    found = tuple(
        name
        for name in names
        if fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[0], pattern)
    )
    if not found:
        raise ConfigError(
            f"rates {entry}: no layer or parameter is called {pattern}; the parameters are "
            f"{', '.join(names)}"
        )
    return RateEvent(entry, int(epoch), rate, found)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class ParameterGroups:
    """Sets the learning rates of all parameters of a network, when they change.

    Raises:
        ConfigError: a layer or parameter in the settings `freeze` or `rates` does not exist.
    """

    def __init__(self, net: BaseNet, config: TrainConfig) -> None:
        self._net, self._config = net, config
        names = net.native.param_names()
        layers = list(dict.fromkeys(name.rpartition(".")[0] for name in names))
        self._frozen_from = freezes(config.freeze, layers)
        self._events = rate_events(config.rates, names)
        self._applied: tuple[float, int] | None = None

    def apply(self, factor: float, epoch: int) -> None:
        """Sets the rates for an epoch.

        Args:
            factor: of the schedule.
            epoch: number of finished epochs.
        """
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
        """Yields a line for each change that takes effect after `epoch` finished epochs.

        Args:
            before, factor: factors of the schedule, previous and new.
        """
        lr = self._config.lr
        if factor != before:
            yield f"learning rate changes from {lr * before:g} to {lr * factor:g}"
        for event in self._events:
            if event.epoch == epoch:
                yield f"learning rate of {event.entry.partition('@')[0]} is now {event.rate:g}"
        for layer, start in self._frozen_from.items():
            if start == epoch:
                yield f"{layer} is now frozen"
        if self._config.color_std and self._config.color_off == epoch:
            yield "color noise is now off"
