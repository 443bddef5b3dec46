"""Loss and errors of a network over a whole split."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import write_text
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset, Source
from alexnet_native.net import BaseNet
from alexnet_native.net.metrics import Sums, batch_sums
from alexnet_native.recipes import FollowedRecipe, figures_for, find_for_net
from alexnet_native.reports.error_table import compared, measured_row
from alexnet_native.reports.per_class import PerClass

__all__ = [
    "SplitResult",
    "as_json",
    "evaluate",
    "evaluate_at_the_end",
    "measure_split",
    "progress_lines",
]

_IMAGES = 128  # at a time
_SECONDS_BETWEEN_LINES = 30.0


def evaluate(
    net: BaseNet,
    source: Source,
    *,
    views: int = 1,
    stop: Callable[[], bool] = lambda: False,
) -> Sums | None:
    """Sums of loss and credits over all images of a split, in its order.

    Args:
        net: with preprocessing for uint8 images.
        views: 1, the centre crop, or 10, the average of the probabilities of the corner and centre
            crops and their mirror images (paper, section 4.1).
        stop: asked before each part; True gives up.

    Returns:
        The sums, or None after `stop`.
    """
    sums = Sums()
    for images, labels in _parts(source):
        if stop():
            return None
        sums.add(net.measure(images, labels, views=views))
    return sums


@dataclass
class SplitResult:
    """All that is measured of a network on one split.

    Attributes:
        views: 1 or 10.
        sums: by number of views; with ten views, those of one too.
        per_class: of the average over the views, if it was asked for.
        probabilities: float32 (N, classes), averaged over the views, if they were asked for.
    """

    views: int
    sums: dict[int, Sums]
    per_class: PerClass | None = None
    probabilities: NDArray[np.float32] | None = field(default=None, repr=False)

    @property
    def total(self) -> Sums:
        """Of the average over the views."""
        return self.sums[self.views]


def measure_split(
    net: BaseNet,
    source: Source,
    *,
    views: int = 1,
    per_class: PerClass | None = None,
    keep: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[int], None] = lambda done: None,
) -> SplitResult | None:
    """Goes once over a split.

    Args:
        views: 10 measures the centre view too.
        per_class: takes the probabilities.
        keep: keeps the probabilities.
        stop: as in `evaluate`.
        tell: is called with the number of images done.

    Returns:
        None after `stop`.
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
        tell(sums[1].images)
    return SplitResult(views, sums, per_class, np.concatenate(kept) if keep else None)


def progress_lines(say: Callable[[str], None], images: int) -> Callable[[int], None]:
    """A `tell` for `measure_split` that says a line twice a minute."""
    last = time.monotonic()

    def tell(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"evaluated {done:,} of {images:,} images")

    return tell


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
    found = measure_split(
        net,
        data.val,
        views=config.final_views,
        stop=stop,
        tell=progress_lines(say, len(data.val)),
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
    found: SplitResult, net: str, followed: FollowedRecipe | None, config: TrainConfig | None
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
