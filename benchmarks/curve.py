"""Draws the errors of a run as an SVG:  python benchmarks/curve.py runs/quick curve.svg"""

from __future__ import annotations

import json
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 320, 56, 40, 16, 150
COLORS = {"train": "#9aa5b1", "val": "#c2410c"}
NAMES = {"train": "training", "val": "validation"}


def read(run: Path) -> dict[str, list[tuple[float, float]]]:
    """(step, error in per cent) by split."""
    points: dict[str, list[tuple[float, float]]] = {"train": [], "val": []}
    for line in (run / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        points[record["split"]].append((record["step"], 100 * record["top1_error"]))
    return points


def draw(points: dict[str, list[tuple[float, float]]]) -> str:
    """The SVG: one line a split, the last value beside it."""
    last = max(step for line in points.values() for step, _ in line)
    top = 10 * -(-max(error for line in points.values() for _, error in line) // 10)

    def place(step: float, error: float) -> tuple[float, float]:
        x = LEFT + step / last * (WIDTH - LEFT - RIGHT)
        return x, TOP + (1 - error / top) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13" fill="#334155">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for error in range(0, int(top) + 1, 10):
        x, y = place(0, error)
        parts.append(f'<path d="M{x:.0f} {y:.1f}H{WIDTH - RIGHT}" stroke="#e2e8f0"/>')
        parts.append(f'<text x="{x - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{error} %</text>')
    for step in (0, last / 2, last):
        x, _ = place(step, 0)
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT - 16}" text-anchor="middle">{step:.0f}</text>')
    for split, line in points.items():
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{COLORS[split]}" stroke-width="2"/>'
        )
    # The names at the lines' ends, kept apart.
    ends = sorted((place(*line[-1])[1], split) for split, line in points.items() if line)
    for index, (y, split) in enumerate(ends):
        at = max(y + 4, ends[0][0] + 4 + 16 * index)
        parts.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{at:.1f}" fill="{COLORS[split]}">'
            f"{NAMES[split]} {points[split][-1][1]:.1f} %</text>"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(draw(read(Path(sys.argv[1]))))
