"""The learning rate of a training in words, for the lines at its start."""

from __future__ import annotations

import math
from collections.abc import Iterator

from alexnet_native.config import TrainConfig
from alexnet_native.training.schedule import Plateau, Steps, make_schedule

__all__ = ["learning_rate"]


def learning_rate(config: TrainConfig, *, validated: bool, width: int) -> str:
    """ "0.01, divided by 10 after 25 and 51 epochs; conv1 frozen after 72 epochs".

    Args:
        validated: there are validation images, so that a plateau looks at their error.
        width: columns of a line; rates outside the schedule are only named where it is too short.
    """
    text = f"{config.lr:g}, {_schedule(config, validated)}"
    own = dict(_own_rates(config))
    if not own:
        return text
    whole = "; ".join([text, *own.values()])
    if len(f"learning rate: {whole}") <= width:
        return whole
    layers = list(dict.fromkeys(_layer(name) for name in own))
    short = f"{text}; own rates: {', '.join(layers)}"
    if len(f"learning rate: {short}") <= width:
        return short
    return f"{text}; {len(own)} own rates"


def _schedule(config: TrainConfig, validated: bool) -> str:
    schedule, drop = make_schedule(config), _drop(config.schedule_factor)
    if isinstance(schedule, Steps):
        *first, last = map(str, schedule.epochs)
        when = f"{', '.join(first)} and {last}" if first else last
        return f"{drop} after {when} epoch{'' if when == '1' else 's'}"
    if isinstance(schedule, Plateau) and config.schedule_drops > 0:
        error = "validation error" if validated else "training error"
        times = config.schedule_drops
        most = "once" if times == 1 else f"up to {times} times"
        wait = config.schedule_patience
        epochs = "1 epoch" if wait == 1 else f"{wait} epochs"
        return f"{drop} after {epochs} without a lower {error}, {most}"
    return "constant"


def _own_rates(config: TrainConfig) -> Iterator[tuple[str, str]]:
    """What the schedule does not govern: what it is about, and the words for it."""
    if config.bias_lr is not None:
        yield "*.bias", f"biases {config.bias_lr:g}"
    for word in config.rates:
        name, _, rest = word.partition("@")
        epoch, _, rate = rest.partition("=")
        change = "frozen" if float(rate) == 0 else f"{float(rate):g}"
        yield word, f"{_whole(name)} {change}{_after(int(epoch))}"
    for word in config.freeze:
        name, _, epoch = word.partition("@")
        yield word, f"{name} frozen{_after(int(epoch or 0))}"


def _after(epoch: int) -> str:
    if epoch == 0:
        return ""
    return f" after {epoch} epoch{'' if epoch == 1 else 's'}"


def _whole(name: str) -> str:
    return {"*.bias": "biases", "*.weight": "weights"}.get(name, name)


def _layer(word: str) -> str:
    name = word.partition("@")[0]
    whole = _whole(name)
    return whole if whole != name else name.partition(".")[0]


def _drop(factor: float) -> str:
    divisor = 1 / factor
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=1e-6):
        return f"divided by {round(divisor)}"
    return f"multiplied by {factor:g}"
