"""``train --dry-run``: what a training would do and take. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_native import checkpoint
from alexnet_native.recipes import Recipe
from alexnet_native.training.banner import banner, every_setting
from alexnet_native.training.build import place_of, reopen, set_up
from alexnet_native.training.cost_estimate import CostEstimate, measure_step_time
from alexnet_native.training.load_pretrained import load_pretrained
from alexnet_native.training.progress import Reporter
from alexnet_native.training.run_folder import RunFolder, RunState

__all__ = ["dry_run"]


def dry_run(
    given: Mapping[str, Any],
    *,
    recipe: Recipe | None = None,
    resume: Path | None = None,
    out: Path | None = None,
    show: Reporter,
    verbose: bool = False,
) -> CostEstimate:
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
    plan = CostEstimate.of(setup.net, setup.data, setup.config, state)
    net, data, config, followed = setup.net, setup.data, setup.config, setup.followed
    taken = None
    if config.init_from and not resume:
        taken = load_pretrained(net, checkpoint.load(config.init_from))
    lines = banner(
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
    for line in plan.lines(place, measure_step_time(net, data, config)):
        show.line(line)
    return plan
