"""The warning about a loss that stays at that of random guessing."""

from __future__ import annotations

import math

import pytest
from alexnet_native.training.trainer import StallWatch


def warnings(losses: list[float], *, classes: int = 10, after: int = 20) -> list[tuple[int, str]]:
    watch = StallWatch(classes, after)
    texts = [(step, watch.observe(step, loss)) for step, loss in enumerate(losses, start=1)]
    return [(step, text) for step, text in texts if text]


def test_a_loss_of_ln_classes_is_reported_once_at_the_given_step() -> None:
    [(step, text)] = warnings([math.log(10)] * 60)
    assert step == 20
    for words in ("2.303", "labels", "learning rate", "initial weights", "0..255"):
        assert words in text


def test_a_loss_above_that_of_guessing_is_reported_too() -> None:
    assert warnings([3.0] * 20)


@pytest.mark.parametrize("last", [2.2, 0.1])
def test_a_falling_loss_is_not_reported(last: float) -> None:
    fall = (last - 2.3) / 19
    assert warnings([2.3 + fall * step for step in range(20)]) == []


def test_nothing_is_reported_before_the_given_step_or_if_disabled_or_with_one_class() -> None:
    assert warnings([2.303] * 19) == []
    assert warnings([2.303] * 60, after=0) == []
    assert warnings([0.0] * 60, classes=1) == []


def test_nothing_is_reported_for_a_run_resumed_after_the_given_step() -> None:
    watch = StallWatch(10, 20)
    assert [watch.observe(step, 2.303) for step in range(21, 60)] == [None] * 39
