"""The learning rate of each parameter in each epoch: schedules, rate events, frozen layers.

The paper divides the rate by 10 when the validation error stops improving, three times
(section 5); its source did the same by hand, near epochs 25, 51 and 79 of 91. An epoch number here
counts finished epochs: ``step@25`` drops the rate when 25 epochs are done.

In 2012 the rates of single layers or parameters were changed by hand, too: biases learnt at a rate
of their own, conv1 was slowed down and then frozen. A rate event sets such a rate; neither the
schedule nor a multiplier changes it.
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
    """A factor of the learning rate for each epoch; its state goes into checkpoints."""

    def factor(self, epoch: int) -> float: ...

    def observe(self, error: float) -> None:
        """Takes the validation error (fraction) of an epoch that has just ended."""

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: Mapping[str, Any]) -> None: ...


class Constant:
    """The rate stays."""

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
    """The rate is multiplied by `drop` at each of the given epochs."""

    epochs: tuple[int, ...]
    drop: float = 0.1

    def factor(self, epoch: int) -> float:
        return self.drop ** sum(epoch >= at for at in self.epochs)


class Plateau:
    """The rate drops when the error was not below its best for `patience` epochs in a row."""

    def __init__(self, drop: float = 0.1, patience: int = 3, drops: int = 3) -> None:
        self._drop, self._patience, self._most = drop, patience, drops
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
        if self._waited >= self._patience and self._drops < self._most:
            self._drops += 1
            self._waited = 0

    def state(self) -> dict[str, Any]:
        best = None if math.isinf(self._best) else self._best
        return {"best": best, "waited": self._waited, "drops": self._drops}

    def restore(self, state: Mapping[str, Any]) -> None:
        if not state:  # the run changes from another schedule to this one
            return
        self._best = math.inf if state["best"] is None else float(state["best"])
        self._waited, self._drops = int(state["waited"]), int(state["drops"])


def make_schedule(config: TrainConfig) -> Schedule:
    """The schedule that the configuration names.

    Raises:
        ConfigError: it names none.
    """
    kind, _, epochs = config.schedule.partition("@")
    if config.schedule == "constant":
        return Constant()
    if config.schedule == "plateau":
        return Plateau(config.schedule_factor, config.schedule_patience, config.schedule_drops)
    if kind == "step":
        return StepDecay(_rising(epochs, config.schedule), config.schedule_factor)
    raise ConfigError(
        f"there is no schedule {config.schedule}; there are constant, plateau and step@25,51,79"
    )


def _rising(text: str, schedule: str) -> tuple[int, ...]:
    try:
        epochs = tuple(int(part) for part in text.split(","))
    except ValueError:
        epochs = ()
    if not epochs or list(epochs) != sorted(set(epochs)) or epochs[0] < 1:
        raise ConfigError(f"schedule {schedule}: write rising epochs, as in step@25,51,79")
    return epochs


def freezes(words: Sequence[str], layers: Sequence[str]) -> dict[str, int]:
    """``("conv1", "conv2@72")`` -> the epoch from which each layer rests.

    Args:
        words: layers with an optional number of finished epochs.
        layers: the layers that have parameters.

    Raises:
        ConfigError: an unknown layer, or no number after the @.
    """
    found: dict[str, int] = {}
    for word in words:
        layer, at, epoch = word.partition("@")
        if layer not in layers:
            raise ConfigError(
                f"freeze: there is no layer {layer} with parameters; there are {', '.join(layers)}"
            )
        if at and not epoch.isdecimal():
            raise ConfigError(f"freeze {word}: write a layer and epochs done, as in conv1@72")
        found[layer] = int(epoch) if at else 0
    return found


@dataclass(frozen=True)
class RateEvent:
    """From `epoch` finished epochs on, the parameters learn at `rate`."""

    word: str  # as it was written
    epoch: int
    rate: float
    parameters: tuple[str, ...]


def rate_events(words: Sequence[str], parameters: Iterable[str]) -> tuple[RateEvent, ...]:
    """``("*.bias@0=0.02", "conv1@67=1e-5")`` -> events, those of earlier epochs first.

    Args:
        words: a layer, a parameter, or a pattern of either with ``*``; epochs done; the rate.
        parameters: all names, "layer.weight" and "layer.bias".

    Raises:
        ConfigError: another form, or nothing has that name.
    """
    names = list(parameters)
    return tuple(sorted((_event(word, names) for word in words), key=lambda event: event.epoch))


def rates_at(events: Iterable[RateEvent], epoch: int) -> dict[str, float]:
    """The rates that the events have set after `epoch` finished epochs; a later event wins."""
    return {
        name: event.rate for event in events if event.epoch <= epoch for name in event.parameters
    }


def _event(word: str, names: list[str]) -> RateEvent:
    pattern, _, rest = word.partition("@")
    epoch, _, text = rest.partition("=")
    rate = _number(text)
    if not pattern or not epoch.isdecimal() or rate is None:
        raise ConfigError(
            f"rates {word}: write a layer or parameter, epochs done and a rate of at least 0, as "
            "in conv1.weight@67=1e-5"
        )
    found = tuple(
        name
        for name in names
        if fnmatchcase(name, pattern) or fnmatchcase(name.rpartition(".")[0], pattern)
    )
    if not found:
        raise ConfigError(
            f"rates {word}: no layer or parameter is called {pattern}; there are {', '.join(names)}"
        )
    return RateEvent(word, int(epoch), rate, found)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


class ParameterGroups:
    """Sets the rates of all parameters when they change.

    Raises:
        ConfigError: the configuration freezes or slows a layer that the network does not have.
    """

    def __init__(self, net: BaseNet, config: TrainConfig) -> None:
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
