"""The evaluation at the end of a training: one view and ten, beside the published figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from alexnet_native.atomic import write_text
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.net import Net
from alexnet_native.recipes import FollowedRecipe, figures_for, find_for_net
from alexnet_native.reports.error_table import compared, measured_row
from alexnet_native.training.evaluation import Examination, examine, said_now_and_then

__all__ = ["as_json", "evaluate_at_the_end"]


def evaluate_at_the_end(
    net: Net,
    data: Dataset,
    config: TrainConfig,
    followed: FollowedRecipe | None,
    *,
    file: Path | None,
    stop: Callable[[], bool],
    say: Callable[[str], None],
) -> Literal["done", "skipped", "stopped"]:
    """Measures the validation images as `final_views` says, prints a table, writes `file`.

    Does nothing where `file` says that the network was measured at this step already.

    Raises:
        OSError: `file` cannot be written.
    """
    if config.final_views == 0 or (file and _is_of_step(file, config.final_views, net.step)):
        return "skipped"
    if data.val is None:
        say(f"{data.name} has no validation images, so there is no evaluation at the end")
        return "skipped"
    say(f"evaluating {len(data.val):,} images with {config.final_views} views")
    found = examine(
        net,
        data.val,
        views=config.final_views,
        stop=stop,
        tell=said_now_and_then(say, len(data.val)),
    )
    if found is None:
        return "stopped"
    name = net.description.name
    for text in compared(
        measured_row(f"{Path(data.name).name}, val", found.sums), name, followed, config
    ):
        for line in text.splitlines():
            say(line)
    if file:
        record = {"step": net.step, **as_json(found, name, followed, config)}
        write_text(file, json.dumps(record, indent=1) + "\n")
    return "done"


def as_json(
    found: Examination, net: str, followed: FollowedRecipe | None, config: TrainConfig | None
) -> dict[str, Any]:
    """All numbers of views, the recipe with the deviations, and what was published for it."""
    recipe = followed.recipe if followed else find_for_net(net)
    return {
        "results": [asdict(part.evaluation(views)) for views, part in found.sums.items()],
        "recipe": followed.recipe.name if followed else None,
        "deviations": list(map(str, followed.deviations(config))) if followed and config else [],
        "published": [asdict(row) for row in figures_for(net, recipe)],
    }


def _is_of_step(file: Path, views: int, step: int) -> bool:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        return bool(record["step"] == step and record["results"][-1]["views"] == views)
    except (OSError, ValueError, LookupError, TypeError):
        return False
