"""Tables of top-1 and top-5 errors: measured and published, with one view and with ten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alexnet_native.config import TrainConfig
from alexnet_native.net.metrics import Sums
from alexnet_native.recipes import FollowedRecipe, ReferenceResult, figures_for, find_for_net
from alexnet_native.reports.describe import table

__all__ = ["ErrorRow", "compared", "ensemble_table", "error_table", "measured_row"]


@dataclass(frozen=True)
class ErrorRow:
    """A row of the table: errors as text, (top-1, top-5), by number of views."""

    name: str
    errors: Mapping[int, tuple[str, str]]


def measured_row(name: str, sums: Mapping[int, Sums]) -> ErrorRow:
    """Returns the row of a measurement. `sums`: by number of views."""
    return ErrorRow(
        name,
        {views: _percent(part) for views, part in sums.items()},
    )


def _published_rows(figures: Sequence[ReferenceResult]) -> list[ErrorRow]:
    """Returns a row for each data set, with all published numbers of views."""
    return [
        ErrorRow(
            f"published: {name}",
            {
                row.views: (str(row.top1), "" if row.top5 is None else str(row.top5))
                for row in figures
                if row.set == name
            },
        )
        for name in dict.fromkeys(row.set for row in figures)
    ]


def error_table(rows: Sequence[ErrorRow]) -> str:
    """Returns a table of errors in percent, with the columns that occur in any row."""
    views = sorted({view for row in rows for view in row.errors})
    head = ["errors in %"]
    head += [text for view in views for text in (f"{_views_word(view)}: top 1", "top 5")]
    cells = [
        (row.name, *(text for view in views for text in row.errors.get(view, ("", ""))))
        for row in rows
    ]
    return table(tuple(head), cells, right=set(range(1, len(head))))


def compared(
    row: ErrorRow, net: str, followed: FollowedRecipe | None, config: TrainConfig | None
) -> Iterator[str]:
    """Yields a table of measured and published errors, then a line about the published ones.

    Args:
        row: the measured errors.
        net: name of the network; selects the published errors if the run followed no recipe.
        followed: the recipe of the run.
        config: settings of the run.
    """
    recipe = followed.recipe if followed else find_for_net(net)
    figures = figures_for(net, recipe)
    yield error_table([row, *_published_rows(figures)])
    if figures and not recipe:
        yield f"published errors: {figures[0].note}"
    elif recipe and figures:
        source = f"the recipe {recipe.name} for this network"
        if followed and config:
            count = len(followed.deviations(config))
            plural = "" if count == 1 else "s"
            source = f"the recipe {recipe.name}, which this run follows" + (
                f" with {count} deviation{plural}" if count else ""
            )
        yield f"published errors: results of {source}"


def ensemble_table(
    nets: Sequence[tuple[str, str, int]],
    alone: Sequence[Sums],
    together: Sums,
    published: Sequence[ReferenceResult],
) -> str:
    """Returns a table of the errors of each network, of their average, and published errors.

    Args:
        nets: for each network: name, network, number of views.
        alone: sums of each network.
        together: sums of the averaged probabilities.
        published: published errors of ensembles.
    """
    rows = [
        (name, f"{net}, {_views_word(views)}", *_percent(sums))
        for (name, net, views), sums in zip(nets, alone, strict=True)
    ]
    rows.append((f"average of {len(nets)}", "", *_percent(together)))
    rows += [
        (
            f"published: {_count(row.nets)}",
            f"{row.set}{'; ' if row.note else ''}{row.note}",
            str(row.top1),
            str(row.top5 or ""),
        )
        for row in published
    ]
    return table(("errors in %", "", "top 1", "top 5"), rows, right={2, 3})


def _count(nets: int) -> str:
    return "1 network" if nets == 1 else f"{nets} networks"


def _percent(sums: Sums) -> tuple[str, str]:
    return f"{100 * sums.top1_error:.2f}", f"{100 * sums.top5_error:.2f}"


def _views_word(views: int) -> str:
    return {1: "one view", 10: "ten views"}.get(views, f"{views} views")
