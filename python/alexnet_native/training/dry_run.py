"""``train --dry-run``: what a training would do and take. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_native.recipes import Recipe
from alexnet_native.training import checkpoint
from alexnet_native.training.announce import announcement, every_setting
from alexnet_native.training.measure import measure
from alexnet_native.training.plan import TrainingPlan
from alexnet_native.training.progress import Reporter
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.setup import reopen, set_up
from alexnet_native.training.start import place_of
from alexnet_native.training.state import RunState
from alexnet_native.training.warm_start import take_weights

__all__ = ["dry_run"]


def dry_run(
    given: Mapping[str, Any],
    *,
    recipe: Recipe | None = None,
    resume: Path | None = None,
    out: Path | None = None,
    show: Reporter,
    verbose: bool = False,
) -> TrainingPlan:
    """Says what `prepare` or `resume` would begin, and trains a few steps to see how long it takes.

    Only the pictures of those steps are read.

    Raises:
        UserError: what `prepare` or `resume` would refuse.
    """
    state = RunState()
    if resume:
        found = reopen(resume, given)
        setup, state = found.setup, found.state
        place = out or RunFolder.holding(found.saved.path) or Path()
    else:
        setup = set_up(given, recipe)
        place = place_of(out, setup)
    plan = TrainingPlan.of(setup.net, setup.data, setup.config, state)
    net, data, config, followed = setup.net, setup.data, setup.config, setup.followed
    taken = None
    if config.init_from and not resume:
        taken = take_weights(net, checkpoint.load(config.init_from))
    lines = announcement(
        net,
        data,
        config,
        followed,
        taken=taken,
        note=setup.note,
        out="a dry run writes nothing",
        resumed=resume is not None,
    )
    for line in lines:
        show.line(line)
    if verbose:
        for line in every_setting(config, followed, taken):
            show.line(line)
    show.line("measuring a few steps")
    for line in plan.lines(place, measure(net, data, config)):
        show.line(line)
    return plan
