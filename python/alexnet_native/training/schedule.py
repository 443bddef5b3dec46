"""How the learning rate falls, and which layers rest.

The paper divides the rate by 10 when the validation error stops improving, three times
(section 5); its source did the same by hand, near epochs 25, 51 and 79 of 91. An epoch number here
counts finished epochs: ``step@25`` drops the rate when 25 epochs are done.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alexnet_native.config import TrainConfig
from alexnet_native.errors import ConfigError

__all__ = ["Constant", "Plateau", "Schedule", "Steps", "freezes", "make_schedule"]


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
class Steps(Constant):
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
        return Steps(_rising(epochs, config.schedule), config.schedule_factor)
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
