"""Rates of single layers or parameters from an epoch on, as the logged runs had them.

They were changed by hand in 2012: biases learnt at a rate of their own, conv1 was slowed down and
then frozen. An event names a rate itself: neither the schedule nor a multiplier touches it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from alexnet_native.errors import ConfigError

__all__ = ["RateEvent", "rate_events", "rates_at"]


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
