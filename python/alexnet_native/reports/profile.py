"""`--profile`: the time of each layer, compared with the roofline of the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from alexnet_native import _core
from alexnet_native.atomic import write_text
from alexnet_native.json_text import to_json
from alexnet_native.net import BaseNet
from alexnet_native.reports.describe import edge_table, table, timed
from alexnet_native.reports.roofline import (
    LayerTime,
    best_peak_rates,
    peak,
    peak_rates_of,
    step_roofline,
)

__all__ = ["Profile", "profile_steps"]

_PHASES = ("forward", "backward", "update")
_PRODUCTS = ("conv", "dense", "local")


class Profile:
    """The profile of some steps. Prints as a table; `write_trace` writes a Chrome trace.

    Args:
        net: the profiled network.
        steps: the lanes of each step, from `native.take_profile()`.
        batch: number of images in a step.
        peak_rates: of each device, from `peak_rates_of`.
        training: whether the steps were training steps.
        parts: number of parts in which the batch was computed.
    """

    def __init__(
        self,
        net: BaseNet,
        steps: Sequence[list[_core.Lane]],
        batch: int,
        peak_rates: Sequence[_core.PeakRates],
        *,
        training: bool = True,
        parts: int = 1,
    ) -> None:
        self.steps, self.batch, self.training = list(steps), batch, training
        self.name, self.peak_rates = net.description.name, list(peak_rates)
        self.roofline = step_roofline(net, batch, peak_rates, training=training)
        costs = net.native.costs(-(-batch // parts), training)
        plan = net.native.plan(batch, training)
        self.edges, self.reduction = plan["cross_edges"], plan["reduction"]
        self.rows = [self._row(net, key, costs, parts) for key in self._keys()]
        self.seconds = median(self._span(step) for step in self.steps)

    def _keys(self) -> list[tuple[int, str, str]]:
        """Returns (lane, layer, phase) of each row, in the order of the first step."""
        return list(
            dict.fromkeys(
                (index, _layer(task), task["phase"])
                for index, lane in enumerate(self.steps[0])
                for task in lane["tasks"]
            )
        )

    def _row(
        self, net: BaseNet, key: tuple[int, str, str], costs: list[_core.Cost], parts: int
    ) -> LayerTime:
        lane, layer, phase = key
        own = [c for c in costs if (c["lane"], _layer(c), c["phase"]) == key]
        if (layer, phase) == ("update", "update"):
            own = [c for c in costs if (c["lane"], c["phase"]) == (lane, phase)]
        times = parts if phase != "update" else 1
        # A device's second lane sums gradients.
        rates = self.peak_rates[lane % len(self.peak_rates)]
        return LayerTime(
            device=self.steps[0][lane]["device"],
            layer=layer,
            type=own[0]["type"] if own and layer == own[0]["layer"] else "",
            phase=phase,
            seconds=median(
                sum(_seconds(t) for t in step[lane]["tasks"] if (_layer(t), t["phase"]) == key[1:])
                for step in self.steps
            ),
            flops=2 * times * sum(c["multiply_adds"] for c in own),
            padding_flops=2 * times * sum(c["padding_multiply_adds"] for c in own),
            bytes=times * sum(c["bytes"] for c in own),
            peak=peak(rates, net.precision),
            bandwidth=rates["bytes"],
        )

    @staticmethod
    def _span(step: list[_core.Lane]) -> float:
        """Returns the seconds from the start of a step's first task to the end of its last."""
        tasks = [task for lane in step for task in lane["tasks"]]
        return (max(t["end_ns"] for t in tasks) - min(t["start_ns"] for t in tasks)) / 1e9

    def share_of_products(self) -> float:
        """Returns the fraction of the devices' busy time spent in convolutions and dense layers."""
        work = [row for row in self.rows if row.phase in _PHASES]
        products = [r for r in work if r.type in _PRODUCTS and r.phase != "update"]
        busy = sum(row.seconds for row in work)
        return sum(row.seconds for row in products) / busy if busy else 0.0

    def __str__(self) -> str:
        kind = "training" if self.training else "prediction"
        return "\n\n".join(
            [
                f"{self.name}: {kind} with {self.batch} images, median of {len(self.steps)} steps",
                self._table(),
                *([edge_table(timed(self.edges, self.edge_ms()))] if self.edges else []),
                self._totals(),
            ]
        )

    def _table(self) -> str:
        head = (
            "layer", "direction", "device", "ms", "share", "GFLOP/s", "of peak", "GB/s",
            "roofline ms", "bound by", "without padding",
        )  # fmt: skip
        rows = []
        for r in self.rows:
            seconds = max(r.seconds, 1e-9)
            padded = r.padding_flops and r.roofline_without_padding < r.roofline
            rows.append(
                (
                    r.layer,
                    r.phase,
                    r.device if len(self.peak_rates) > 1 else "",
                    f"{1e3 * r.seconds:.2f}",
                    f"{r.seconds / self.seconds:.1%}",
                    f"{r.flops / seconds / 1e9:.1f}" if r.flops else "",
                    f"{r.compute_time / seconds:.0%}" if r.compute_time else "",
                    f"{r.bytes / seconds / 1e9:.1f}" if r.bytes else "",
                    f"{1e3 * r.roofline:.2f}" if r.roofline else "",
                    r.bound,
                    f"{1e3 * r.roofline_without_padding:.2f}" if padded else "",
                )
            )
        return table(head, rows, right={3, 4, 5, 6, 7, 8, 10})

    def edge_ms(self) -> list[tuple[float, float]]:
        """Returns the milliseconds per step of each copy in `edges`: (forward, backward)."""
        found = []
        for edge in self.edges:
            # Forward copies run on the source's stream, backward copies on the target's.
            ms = {
                r.phase: 1e3 * r.seconds
                for r in self.rows
                if r.layer.startswith(f"{edge['value']}->")
                and r.device == edge["source" if r.phase == "forward" else "target"]
            }
            found.append((ms.get("forward", 0.0), ms.get("backward", 0.0)))
        return found

    def _totals(self) -> str:
        rate = self.batch / self.seconds
        lines = [f"step: {1e3 * self.seconds:.1f} ms, {rate:.2f} images/s"]
        products = self.share_of_products()
        lines.append(
            f"convolutions and dense layers: {products:.1%} of the busy time; other layers and the "
            f"update: {1 - products:.1%}"
        )
        if self.reduction["bytes"]:
            waits = [r.seconds for r in self.rows if (r.layer, r.phase) == ("gradients", "wait")]
            lines.append(
                f"gradients: {self.reduction['bytes'] / 2**20:.2f} MiB summed over "
                f"{self.reduction['replicas']} replicas (communicator: "
                f"{self.reduction['communicator']}); longest wait of a device: "
                f"{1e3 * max(waits, default=0.0):.2f} ms"
            )
        if bound := self.roofline:
            lines.append(
                f"roofline: {self.batch / bound.all_taps:.2f} images/s "
                f"({bound.all_taps / self.seconds:.0%} reached), without padding "
                f"{self.batch / bound.padding_skipped:.2f} "
                f"({bound.padding_skipped / self.seconds:.0%} reached)"
            )
        for index, rates in enumerate(self.peak_rates):
            lines.append(
                f"{self.steps[0][index]['device']}, measured: "
                f"fp32 {rates['fp32'] / 1e9:.0f} GFLOP/s"
                + (f", bf16 {rates['bf16'] / 1e9:.0f} GFLOP/s" if rates["bf16"] else "")
                + f", memory {rates['bytes'] / 1e9:.0f} GB/s"
            )
        return "\n".join(lines)

    def trace(self) -> dict[str, Any]:
        """Returns the profile in Chrome's trace format: a row per lane, times in microseconds."""
        first = min(t["start_ns"] for step in self.steps for lane in step for t in lane["tasks"])
        events: list[dict[str, Any]] = []
        for index, lane in enumerate(self.steps[0]):
            name = {"name": lane["device"]}
            events.append({"ph": "M", "name": "thread_name", "pid": 0, "tid": index, "args": name})
        for step in self.steps:
            for index, lane in enumerate(step):
                events += [
                    {
                        "ph": "X",
                        "name": task["label"],
                        "cat": task["phase"],
                        "pid": 0,
                        "tid": index,
                        "ts": (task["start_ns"] - first) / 1e3,
                        "dur": (task["end_ns"] - task["start_ns"]) / 1e3,
                        "args": {"what": task["what"], "phase": task["phase"]},
                    }
                    for task in lane["tasks"]
                ]
        return {"traceEvents": events, "displayTimeUnit": "ms"}

    def write_trace(self, path: Path) -> None:
        """Writes the profile for chrome://tracing.

        Raises:
            OSError: the file cannot be written; an existing file is unchanged.
        """
        write_text(path, to_json(self.trace()))


def profile_steps(
    net: BaseNet, step: Callable[[], object], steps: int, batch: int, *, training: bool
) -> Profile:
    """Profiles `steps` calls of `step`, after one call for warm-up."""
    step()
    before = peak_rates_of(net)
    lanes_of_steps = []
    net.native.take_profile()
    net.native.profile(True)
    try:
        for _ in range(steps):
            step()
            lanes_of_steps.append(net.native.take_profile())
    finally:
        net.native.profile(False)
    rates = [best_peak_rates(*pair) for pair in zip(before, peak_rates_of(net), strict=True)]
    return Profile(net, lanes_of_steps, batch, rates, training=training)


def _layer(task: _core.Task | _core.Cost) -> str:
    """Returns the layer of a task; the label of an update of all parameters is kept."""
    label = task["label"]
    return label.rpartition(".")[0] or label if task["phase"] == "update" else label


def _seconds(task: _core.Task) -> float:
    return (task["end_ns"] - task["start_ns"]) / 1e9
