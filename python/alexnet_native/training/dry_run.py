"""``train --dry-run``: prints the settings and the estimated cost of a run; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alexnet_native import checkpoint
from alexnet_native.recipes import Recipe
from alexnet_native.training.banner import banner, every_setting
from alexnet_native.training.build import reopen, run_path, set_up
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
    """Prints the banner of `prepare` or `resume` and the estimated cost, after a few timed steps.

    Only the images of these steps are read.

    Raises:
        UserError: in the cases in which `prepare` or `resume` raises it.
    """
    state = RunState()
    if resume:
        found = reopen(resume, given)
        setup, state = found.setup, found.state
        folder = out or RunFolder.holding(found.saved.path) or Path()
    else:
        setup = set_up(given, recipe)
        folder = run_path(out, setup)
    plan = CostEstimate.of(setup.net, setup.data, setup.config, state)
    net, data, config, followed = setup.net, setup.data, setup.config, setup.followed
    pretrained = None
    if config.init_from and not resume:
        pretrained = load_pretrained(net, checkpoint.load(config.init_from))
    lines = banner(
        net,
        data,
        config,
        followed,
        pretrained=pretrained,
        note=setup.note,
        out="a dry run writes nothing",
        resumed=resume is not None,
    )
    for line in lines:
        show.line(line)
    if verbose:
        for line in every_setting(config, followed, pretrained):
            show.line(line)
    show.line("timing a few steps")
    for line in plan.lines(folder, measure_step_time(net, data, config)):
        show.line(line)
    return plan
