"""The Markdown that comparison.py prints and docs/performance.md holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["ALL_ROWS", "RESULTS", "SCALING", "header", "tables"]

RESULTS = (
    "task", "batch", "precision", "network", "alexnet-native, images/s", "best other",
    "its images/s", "ratio (95 % interval)", "goal", "peak memory / PyTorch eager",
)  # fmt: skip
SCALING = (
    "network", "batch", "precision", "row", "images/s", "compared with", "its images/s",
    "ratio (95 % interval)", "goal",
)  # fmt: skip
ALL_ROWS = ("task", "batch", "precision", "network", "images/s (spread of the steps)")

GOAL = (
    "Ratio: images/s of alexnet-native over those of the best other row, the geometric mean over "
    "the rounds. Goal: the ratio that the authors of alexnet-native set themselves; 1.0 is as fast "
    "as the best other row."
)
TASKS = {"train": "training", "infer": "prediction"}


def header(columns: Sequence[str]) -> str:
    return "\n".join((line(columns), "|---" * len(columns) + "|"))


def line(values: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, values)) + " |"


def tables(cells: Sequence[dict[str, Any]], machine: dict[str, str]) -> str:
    """All tables, each only where it has rows, and what was left out."""
    compared = [cell for cell in cells if not cell["scaling"] and _ours(cell)]
    scaling = [cell for cell in cells if cell["scaling"] and "ratio" in cell]
    others = max((row["others"] for cell in cells for row in cell["rows"]), default=0.0)
    parts = [
        f"Measured {machine['date']} on {machine['processor']} ({machine['settings']}): "
        f"{machine['versions']}. Other programs used at most {others:.0%} of the machine.".replace(
            "%", " %"
        )
    ]
    if compared:
        parts += ["\n".join((header(RESULTS), *map(_result, compared))), GOAL]
    below = [
        cell for cell in (*compared, *scaling) if cell.get("ratio", cell["goal"]) < cell["goal"]
    ]
    if below:
        names = (f"`{c['cell']}` ({c['ratio']:.3f} of {c['goal']})" for c in below)
        parts.append(f"Below the goal: {', '.join(names)}.")
    if scaling:
        parts.append("\n".join((header(SCALING), *map(_scaling, scaling))))
    if compared:
        parts.append("\n".join((header(ALL_ROWS), *map(_all_rows, compared))))
    parts += _left_out(cells)
    return "\n\n".join(parts)


def _ours(cell: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in cell["rows"] if row["row"] == cell["ours"]), None)


def _what(cell: dict[str, Any]) -> tuple[object, ...]:
    return TASKS[cell["task"]], cell["batch"], cell["precision"], f"`{cell['net']}`"


def _rate(row: dict[str, Any]) -> str:
    return f"{row['images_per_second']:,.1f}"


def _ratio(cell: dict[str, Any]) -> str:
    interval = cell["interval"]
    return f"{cell['ratio']:.2f}" + (
        f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    )


def _best(cell: dict[str, Any]) -> tuple[str, str, str]:
    if "ratio" not in cell:
        return "none", "", ""
    best = next(row for row in cell["rows"] if row["row"] == cell["best"])
    return best["row"], _rate(best), _ratio(cell)


def _result(cell: dict[str, Any]) -> str:
    ours = _ours(cell)
    assert ours is not None
    memory = f"{cell['memory_ratio']:.2f}" if "memory_ratio" in cell else ""
    return line((*_what(cell), _rate(ours), *_best(cell), cell["goal"], memory))


def _scaling(cell: dict[str, Any]) -> str:
    ours = _ours(cell)
    assert ours is not None
    _, *what = _what(cell)
    net = what.pop()
    return line((net, *what, ours["row"], _rate(ours), *_best(cell), cell["goal"]))


def _all_rows(cell: dict[str, Any]) -> str:
    rows = "; ".join(f"{row['row']} {_rate(row)} ({row['spread']:.0%})" for row in cell["rows"])
    return line((*_what(cell), rows.replace("%", " %")))


def _left_out(cells: Sequence[dict[str, Any]]) -> list[str]:
    """A list of the rows that were not measured, each reason once."""
    found: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for name, reason in cell["left_out"].items():
            found.setdefault((name, reason), []).append(cell["cell"])
    if not found:
        return []
    lines = [f"- {name}: {reason} ({', '.join(where)})" for (name, reason), where in found.items()]
    return ["Not measured:", "\n".join(lines)]
