"""Evaluates a network on a split of the data: loss, top-1 and top-5 errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import write_text
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset, Source
from alexnet_native.json_text import to_json
from alexnet_native.net import BaseNet
from alexnet_native.net.metrics import Sums, batch_sums
from alexnet_native.recipes import FollowedRecipe, figures_for, find_for_net
from alexnet_native.reports.error_table import compared, measured_row

if TYPE_CHECKING:
    from alexnet_native.reports.per_class import PerClass

__all__ = [
    "SplitResult",
    "as_json",
    "evaluate",
    "evaluate_at_the_end",
    "measure_split",
    "progress_lines",
]

_IMAGES = 128  # number of images evaluated at a time
_SECONDS_BETWEEN_LINES = 30.0


def evaluate(
    net: BaseNet,
    source: Source,
    *,
    views: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Sums | None:
    """Returns the sums of loss and top-k accuracy over all images of a split.

    Args:
        net: the network, with preprocessing for uint8 images.
        source: the split.
        views: 1 (the centre crop) or 10 (the probabilities of corner and centre crops and their
            mirror images are averaged; paper, section 4.1).
        stop: called before each part of the images; the evaluation ends when it returns True.

    Returns:
        The sums, or None if `stop` returned True.
    """
    sums = Sums()
    for images, labels in _parts(source):
        if stop():
            return None
        sums.add(net.measure(images, labels, views=views))
    return sums


@dataclass
class SplitResult:
    """The result of an evaluation on one split.

    Attributes:
        views: number of views, 1 or 10.
        sums: sums by number of views; with ten views, also those of one view.
        per_class: errors by class for the average over the views, if requested.
        probabilities: float32 (N, classes), averaged over the views, if requested.
    """

    views: int
    sums: dict[int, Sums]
    per_class: PerClass | None = None
    probabilities: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def total(self) -> Sums:
        """The sums for the average over the views."""
        return self.sums[self.views]


def measure_split(
    net: BaseNet,
    source: Source,
    *,
    views: int = 1,
    per_class: PerClass | None = None,
    keep: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> SplitResult | None:
    """Evaluates a network in one pass over a split.

    Args:
        net, source, stop: as for `evaluate`.
        views: 1 or 10; with 10, the centre view alone is evaluated too.
        per_class: accumulates errors by class.
        keep: whether to return the probabilities.
        on_progress: called after each part with the number of images evaluated so far.

    Returns:
        The result, or None if `stop` returned True.
    """
    sums = {count: Sums() for count in sorted({1, views})}
    kept = []
    for images, labels in _parts(source):
        if stop():
            return None
        sums[1].add(net.measure(images, labels))
        if views != 1 or per_class or keep:
            probabilities = net.predict(images, views=views)
            if views != 1:
                sums[views].add(batch_sums(probabilities, labels))
            if per_class:
                per_class.add(probabilities, labels)
            if keep:
                kept.append(probabilities.astype(np.float32, copy=False))
        on_progress(sums[1].images)
    return SplitResult(views, sums, per_class, np.concatenate(kept) if keep else None)


def progress_lines(write_line: Callable[[str], None], images: int) -> Callable[[int], None]:
    """Returns an `on_progress` function for `measure_split` that prints a line every 30 seconds."""
    last = time.monotonic()

    def on_progress(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            write_line(f"evaluated {done:,} of {images:,} images")

    return on_progress


def _parts(source: Source) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int32]]]:
    for first in range(0, len(source), _IMAGES):
        indices = np.arange(first, min(first + _IMAGES, len(source)), dtype=np.int64)
        yield source.gather(indices), source.labels[indices]


def evaluate_at_the_end(
    net: BaseNet,
    data: Dataset,
    config: TrainConfig,
    followed: FollowedRecipe | None,
    *,
    file: Path | None,
    stop: Callable[[], bool],
    write_line: Callable[[str], None],
) -> Literal["done", "skipped", "stopped"]:
    """Evaluates the network at the end of a run, prints a table and writes a JSON file.

    The setting `final_views` is the number of views; 0 skips the evaluation. It is also skipped if
    `file` contains the result for this step.

    Args:
        net, data, config, followed: of the run.
        file: the JSON file, or None.
        stop: as for `evaluate`.
        write_line: prints a line.

    Raises:
        OSError: `file` cannot be written.
    """
    if config.final_views == 0 or (file and _is_of_step(file, config.final_views, net.step)):
        return "skipped"
    if data.val is None:
        write_line(f"{data.name} has no validation images, so there is no final evaluation")
        return "skipped"
    write_line(f"evaluating {len(data.val):,} images with {config.final_views} views")
    found = measure_split(
        net,
        data.val,
        views=config.final_views,
        stop=stop,
        on_progress=progress_lines(write_line, len(data.val)),
    )
    if found is None:
        return "stopped"
    name = net.description.name
    for text in compared(
        measured_row(f"{Path(data.name).name}, val", found.sums), name, followed, config
    ):
        for line in text.splitlines():
            write_line(line)
    if file:
        record = {"step": net.step, **as_json(found, name, followed, config)}
        write_text(file, to_json(record, indent=1) + "\n")
    return "done"


def as_json(
    found: SplitResult, net: str, followed: FollowedRecipe | None, config: TrainConfig | None
) -> dict[str, Any]:
    """Returns errors by number of views, the recipe with deviations, and published errors."""
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
